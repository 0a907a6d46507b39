// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/compile/routes/absorb.hpp"

#include <algorithm>
#include <atomic>
#include <optional>

#include <fmt/format.h>

#include "host/tensor/parallel.hpp"
#include "host/tensor/random.hpp"

namespace qloom::compile {
namespace {

using Integers = std::vector<std::int64_t>;

constexpr std::int64_t kWholeRange = std::int64_t{1} << 20;  // values that are all compared
constexpr std::int64_t kRandomValues = std::int64_t{1} << 17;
constexpr std::int64_t kMostThresholds = 4095;             // codes of 12 bits
constexpr std::int64_t kElements = std::int64_t{1} << 18;  // of a tensor that is evaluated at once

std::size_t at(std::int64_t row, std::int64_t column, std::int64_t columns) {
  return static_cast<std::size_t>(row * columns + column);
}

/// Evaluates a route on rows of values that a function gives.
class Evaluation {
 public:
  explicit Evaluation(const Route& route) : route_(route), channels_(route.channels()) {}

  /// Codes of rows x channels values v(row, channel), at this step.
  template <class Value>
  const std::vector<std::int32_t>& codes(std::int64_t rows, std::uint64_t step,
                                         const Value& value) {
    v_.resize(static_cast<std::size_t>(rows * channels_));
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < channels_; ++c) v_[at(r, c, channels_)] = value(r, c);
    }
    codes_of(route_, rows, v_.data(), step, values_, codes_);
    return codes_;
  }
  /// Of the last codes(): what comes in, and the real values in front of a pool.
  [[nodiscard]] const Integers& v() const { return v_; }
  const Tensor& before_pool(std::int64_t rows) {
    values_of(route_, route_.nodes_before_pool(), rows, v_.data(), values_);
    return values_;
  }
  [[nodiscard]] std::int64_t channels() const { return channels_; }
  [[nodiscard]] bool has_pool() const { return route_.nodes_before_pool() < route_.nodes.size(); }

 private:
  const Route& route_;
  std::int64_t channels_;
  Integers v_;
  Tensor values_;
  std::vector<std::int32_t> codes_;
};

/// Directions and the number of thresholds, from the ends of the ranges.
Thresholds ends_of(Evaluation& route, const std::vector<Interval>& ranges) {
  const auto ends = route.codes(2, 0, [&](std::int64_t row, std::int64_t c) {
    const Interval& range = ranges[static_cast<std::size_t>(c)];
    return row == 0 ? range.lo : range.hi;
  });
  Thresholds t;
  const auto [lowest, highest] = std::minmax_element(ends.begin(), ends.end());
  t.base = *lowest;
  t.count = std::int64_t{*highest} - *lowest;
  for (std::int64_t c = 0; c < route.channels(); ++c) {
    const bool falls = ends[at(1, c, route.channels())] < ends[at(0, c, route.channels())];
    const Interval& range = ranges[static_cast<std::size_t>(c)];
    t.direction.push_back(falls ? -1 : 1);
    t.range.push_back(falls ? Interval{-range.hi, -range.lo} : range);
  }
  return t;
}

/// Halves the intervals that hold the thresholds until each holds one value.
void bisect(Evaluation& route, Thresholds& t) {
  const std::int64_t channels = route.channels(), rows = t.count;
  Integers low(static_cast<std::size_t>(rows * channels)), high = low;
  std::int64_t width = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const Interval& range = t.range[static_cast<std::size_t>(c)];
      low[at(r, c, channels)] = range.lo;
      high[at(r, c, channels)] = range.hi + 1;  // where no value is enough
      width = std::max(width, range.hi + 1 - range.lo);
    }
  }
  for (; width > 0; width /= 2) {
    const auto middle = [&](std::int64_t r, std::int64_t c) {
      const std::size_t i = at(r, c, channels);
      return std::min(low[i] + (high[i] - low[i]) / 2, t.range[static_cast<std::size_t>(c)].hi);
    };
    const auto& codes = route.codes(rows, 0, [&](std::int64_t r, std::int64_t c) {
      return t.direction[static_cast<std::size_t>(c)] * middle(r, c);
    });
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < channels; ++c) {
        const std::size_t i = at(r, c, channels);
        if (low[i] == high[i]) continue;
        const std::int64_t m = middle(r, c);
        (codes[i] >= t.base + r + 1 ? high[i] : low[i]) = codes[i] >= t.base + r + 1 ? m : m + 1;
      }
    }
  }
  t.constants.resize(low.size());
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < channels; ++c) {
      t.constants[at(c, r, rows)] = low[at(r, c, channels)];
    }
  }
}

steps::Chain chain_of(const Thresholds& t) {
  using steps::Op;
  using steps::Rounding;
  const bool falls =
      std::any_of(t.direction.begin(), t.direction.end(), [](std::int64_t d) { return d < 0; });
  steps::Chain chain;
  if (falls) chain.push_back({Op::kMultiply, Rounding::kTowardNegative, t.direction, 1});
  if (t.count == 0) {  // one code for all
    chain.push_back({Op::kClamp, Rounding::kTowardNegative, {t.base, t.base}, 2});
    return chain;
  }
  chain.push_back(
      {Op::kCount, Rounding::kTowardNegative, t.constants, static_cast<std::uint64_t>(t.count)});
  if (t.base != 0) chain.push_back({Op::kAdd, Rounding::kTowardNegative, {t.base}, 1});
  return chain;
}

/// The values on which steps and route are compared, ascending in each channel.
class Points {
 public:
  Points(const std::vector<Interval>& ranges, const Thresholds& t) : ranges_(ranges) {
    for (const Interval& range : ranges) rows_ = std::max(rows_, range.hi - range.lo + 1);
    is_whole_ = rows_ <= kWholeRange;
    if (!is_whole_) draw(t);
  }
  [[nodiscard]] std::int64_t rows() const { return rows_; }
  [[nodiscard]] std::int64_t operator()(std::int64_t row, std::int64_t channel) const {
    const auto c = static_cast<std::size_t>(channel);
    return is_whole_ ? std::min(ranges_[c].lo + row, ranges_[c].hi)
                     : drawn_[c][static_cast<std::size_t>(row)];
  }
  [[nodiscard]] Proof proof() const {
    Proof proof;
    for (const Interval& range : ranges_) {
      const auto values = static_cast<std::uint64_t>(range.hi - range.lo + 1);
      proof.reachable += values;
      proof.compared += is_whole_ ? values : std::min(values, static_cast<std::uint64_t>(rows_));
    }
    return proof;
  }

 private:
  void draw(const Thresholds& t) {
    for (std::size_t c = 0; c < ranges_.size(); ++c) {
      const auto [lo, hi] = ranges_[c];
      const auto width = static_cast<std::uint64_t>(hi - lo) + 1;
      Integers points;
      for (std::int64_t k = 0; k < t.count; ++k) {
        const std::int64_t value =
            t.direction[c] * t.constants[at(static_cast<std::int64_t>(c), k, t.count)];
        for (std::int64_t near : {value - 1, value, value + 1}) {
          points.push_back(std::clamp(near, lo, hi));
        }
      }
      for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(kRandomValues); ++i) {
        const std::uint64_t word =
            std::uint64_t{random_word(1, c, 0, 2 * i)} << 32 | random_word(1, c, 0, 2 * i + 1);
        points.push_back(lo + static_cast<std::int64_t>(word % width));
      }
      std::sort(points.begin(), points.end());
      drawn_.push_back(std::move(points));
    }
    rows_ = static_cast<std::int64_t>(drawn_[0].size());
  }

  const std::vector<Interval>& ranges_;
  std::vector<Integers> drawn_;
  std::int64_t rows_ = 0;
  bool is_whole_ = true;
};

/// Compares steps and route row by row.
class Comparison {
 public:
  Comparison(Evaluation& route, const steps::Chain& chain)
      : route_(route),
        chain_(chain),
        last_code_(static_cast<std::size_t>(route.channels())),
        last_value_(last_code_.size()) {}

  /// Rows first .. first + rows - 1; empty, or what is wrong.
  std::string fault_in(const Points& points, std::int64_t first, std::int64_t rows) {
    const auto value = [&](std::int64_t r, std::int64_t c) { return points(first + r, c); };
    const std::vector<std::int32_t> codes = route_.codes(rows, 1, value);
    std::string fault = difference(codes, rows);
    if (fault.empty() && route_.has_pool()) fault = falling(codes, first, rows);
    return fault;
  }

 private:
  [[nodiscard]] std::string difference(const std::vector<std::int32_t>& codes,
                                       std::int64_t rows) const {
    const std::int64_t channels = route_.channels();
    std::atomic<std::int64_t> found = -1;
    for_each(static_cast<std::uint64_t>(rows), [&](std::uint64_t r) {
      for (std::int64_t c = 0; c < channels; ++c) {
        const std::size_t i = at(static_cast<std::int64_t>(r), c, channels);
        if (steps::apply(chain_, static_cast<std::uint64_t>(c), route_.v()[i]) != codes[i]) {
          found = static_cast<std::int64_t>(i);
        }
      }
    });
    if (found < 0) return {};
    const auto i = static_cast<std::size_t>(found.load());
    const std::int64_t c = found.load() % channels, v = route_.v()[i];
    return fmt::format(
        "its codes do not only rise or only fall with what comes in, or differ from step to step: "
        "in channel {} the code of {} is {}, and {} by thresholds between the ends",
        c, v, codes[i], steps::apply(chain_, static_cast<std::uint64_t>(c), v));
  }
  /// A pool takes the largest real value: its code must be the largest too.
  [[nodiscard]] std::string falling(const std::vector<std::int32_t>& codes, std::int64_t first,
                                    std::int64_t rows) {
    const std::int64_t channels = route_.channels();
    const Tensor& values = route_.before_pool(rows);
    for (std::int64_t i = 0; i < rows * channels; ++i) {
      const auto c = static_cast<std::size_t>(i % channels), e = static_cast<std::size_t>(i);
      const bool has_last = first > 0 || i >= channels;
      const bool is_against = (values[e] > last_value_[c] && codes[e] < last_code_[c]) ||
                              (values[e] < last_value_[c] && codes[e] > last_code_[c]);
      if (has_last && is_against) {
        return fmt::format("channel {}: codes fall where the values before the pool rise", c);
      }
      last_value_[c] = values[e];
      last_code_[c] = codes[e];
    }
    return {};
  }

  Evaluation& route_;
  const steps::Chain& chain_;
  std::vector<std::int32_t> last_code_;
  std::vector<float> last_value_;
};

std::string compare(Evaluation& route, const steps::Chain& chain, const Points& points) {
  Comparison comparison(route, chain);
  const std::int64_t together = std::max<std::int64_t>(1, kElements / route.channels());
  for (std::int64_t first = 0; first < points.rows(); first += together) {
    const std::int64_t rows = std::min(together, points.rows() - first);
    std::string fault = comparison.fault_in(points, first, rows);
    if (!fault.empty()) return fault;
  }
  return {};
}

}  // namespace

Absorbed absorb(const Route& route, const std::vector<Interval>& ranges) {
  Evaluation evaluation(route);
  Thresholds t = ends_of(evaluation, ranges);
  Absorbed result;
  if (t.count > kMostThresholds) {
    result.fault = fmt::format(
        "its codes take {} values: {} thresholds a channel, at most {} are "
        "made",
        t.count + 1, t.count, kMostThresholds);
    return result;
  }
  if (t.count > 0) bisect(evaluation, t);
  result.steps = chain_of(t);
  const Points points(ranges, t);
  result.fault = compare(evaluation, result.steps, points);
  result.proof = points.proof();
  if (!result.fault.empty()) result.steps.clear();
  result.thresholds = std::move(t);
  return result;
}

namespace {

/// A step for each channel, or one for all where they are the same.
void share_constants(steps::Step& step, std::int64_t channels) {
  const auto n = static_cast<std::ptrdiff_t>(step.per_channel);
  const auto first = step.constants.begin();
  for (std::int64_t c = 1; c < channels; ++c) {
    if (!std::equal(first, first + n, first + c * n)) return;
  }
  step.constants.resize(step.per_channel);
}

Absorbed table_of(const Route& route, Interval range) {
  const std::int64_t count = range.hi - range.lo + 1;
  Evaluation evaluation(route);
  const std::int64_t channels = route.channels();
  const std::vector<std::int32_t>& codes =
      evaluation.codes(count, 0, [&](std::int64_t row, std::int64_t) { return range.lo + row; });
  steps::Step table{steps::Op::kTable, steps::Rounding::kTowardNegative, Integers(codes.size()),
                    static_cast<std::uint64_t>(count)};
  for (std::int64_t v = 0; v < count; ++v) {
    for (std::int64_t c = 0; c < channels; ++c) {
      table.constants[at(c, v, count)] = codes[at(v, c, channels)];
    }
  }
  Absorbed result;
  result.is_table = true;
  if (range.lo != 0) {
    result.steps.push_back({steps::Op::kAdd, steps::Rounding::kTowardNegative, {-range.lo}, 1});
  }
  result.steps.push_back(std::move(table));
  const std::vector<Interval> ranges(static_cast<std::size_t>(channels), range);
  const Points points(ranges, {});
  result.fault = compare(evaluation, result.steps, points);
  result.proof = points.proof();
  return result;
}

}  // namespace

Absorbed absorb_bytes(const Route& route) { return table_of(route, {0, 255}); }

Absorbed absorb_codes(const Route& route, Interval codes) {
  constexpr std::int64_t kMostCodes = std::int64_t{1} << 16;
  if (codes.hi - codes.lo >= kMostCodes) {
    return absorb(route, std::vector<Interval>(static_cast<std::size_t>(route.channels()), codes));
  }
  Absorbed result = table_of(route, codes);
  if (result.fault.empty()) share_constants(result.steps.back(), route.channels());
  return result;
}

}  // namespace qloom::compile
