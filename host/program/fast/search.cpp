// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Results that are looked up: in a table of all values, or behind thresholds, of which some buckets
// of equal width tell nearly how many lie below a value.
#include <limits>

#include "host/program/fast/map.hpp"

namespace qloom::program::fast {
namespace {

constexpr std::int64_t kMostValues = 1 << 16, kMostEntries = 1 << 18;
constexpr std::uint64_t kBuckets = 4;  // for each threshold

bool holds(Interval values, std::int64_t v) { return v >= values.lo && v <= values.hi; }

bool is_uniform(const Chain& chain) {
  return std::all_of(chain.begin(), chain.end(),
                     [](const steps::Step& step) { return step.groups() == 1; });
}

class Table : public Form {
 public:
  Table(const MapTask& task, Interval values, std::int64_t groups)
      : in_(task.in), period_(task.channels), lo_(values.lo), span_(values.hi - values.lo + 1) {
    for (std::int64_t group = 0; group < groups; ++group) {
      const auto c = static_cast<std::uint64_t>(group);
      const bool is_own = groups > 1 && task.values.size() > 1;
      for (std::int64_t v = values.lo; v <= values.hi; ++v) {
        const bool comes = is_own ? holds(task.values[c], v)
                                  : std::any_of(task.values.begin(), task.values.end(),
                                                [v](Interval one) { return holds(one, v); });
        entries_.push_back(comes ? static_cast<std::int32_t>(steps::apply(task.chain, c, v)) : 0);
      }
    }
    if (groups == 1) span_ = 0;
  }

  [[nodiscard]] std::int64_t period() const override {
    return span_ == 0 ? std::numeric_limits<std::int64_t>::max() : period_;
  }

  void run(const Stretch& stretch, std::int32_t* out) const override {
    with_type(in_, [&](auto one) {
      const auto* x = as<decltype(one)>(stretch.in);
      const std::int32_t* entry = entries_.data() + stretch.place * span_;
      for (std::int64_t i = 0; i < stretch.count; ++i) {
        out[i] = entry[i * span_ + (std::int64_t{x[i]} - lo_)];
      }
    });
  }

 private:
  Storage in_;
  std::int64_t period_, lo_, span_;  ///< span: values of a channel, 0: one table for all
  std::vector<std::int32_t> entries_;
};

/// One channel's: v = x * factor + offset, then the number of its thresholds that are at most v.
struct Thresholds {
  std::int64_t factor = 1, offset = 0;
  Interval active;  ///< a value beyond counts as its nearer end does
  Interval counts;  ///< that come
  int shift = 0;    ///< of a value above active.lo: its bucket
  std::size_t first_bucket = 0, first_threshold = 0, first_result = 0;
};

class Search : public Form {
 public:
  Search(const MapTask& task, std::size_t count_step, std::vector<Thresholds> channels)
      : in_(task.in), channels_(std::move(channels)) {
    const steps::Step& count = task.chain[count_step];
    const Chain after(task.chain.begin() + static_cast<std::ptrdiff_t>(count_step) + 1,
                      task.chain.end());
    for (std::size_t c = 0; c < channels_.size(); ++c) add_channel(count.of(c), after, c);
  }

  [[nodiscard]] std::int64_t period() const override {
    return static_cast<std::int64_t>(channels_.size());
  }

  void run(const Stretch& stretch, std::int32_t* out) const override {
    with_type(in_, [&](auto one) {
      const auto* x = as<decltype(one)>(stretch.in);
      const Thresholds* channel = channels_.data() + stretch.place;
      for (std::int64_t i = 0; i < stretch.count; ++i) out[i] = result(channel[i], x[i]);
    });
  }

 private:
  [[nodiscard]] std::int32_t result(const Thresholds& channel, std::int64_t x) const {
    const std::int64_t v =
        std::clamp(x * channel.factor + channel.offset, channel.active.lo, channel.active.hi);
    const auto distance =
        static_cast<std::uint64_t>(v) - static_cast<std::uint64_t>(channel.active.lo);
    std::uint32_t below = buckets_[channel.first_bucket + (distance >> channel.shift)];
    const std::int64_t* threshold = thresholds_.data() + channel.first_threshold;
    while (threshold[below] <= v) ++below;  // ends before the one above all values
    return results_[channel.first_result + below];
  }

  void add_channel(std::span<const std::int64_t> constants, const Chain& after, std::size_t c) {
    Thresholds& channel = channels_[c];
    channel.first_threshold = thresholds_.size();
    channel.first_bucket = buckets_.size();
    channel.first_result = results_.size();
    thresholds_.insert(thresholds_.end(), constants.begin(), constants.end());
    thresholds_.push_back(std::numeric_limits<std::int64_t>::max());
    const std::uint64_t span = static_cast<std::uint64_t>(channel.active.hi) -
                               static_cast<std::uint64_t>(channel.active.lo);
    while ((span >> channel.shift) > kBuckets * constants.size()) ++channel.shift;
    for (std::uint64_t bucket = 0; bucket <= span >> channel.shift; ++bucket) {
      const auto start = static_cast<std::int64_t>(static_cast<std::uint64_t>(channel.active.lo) +
                                                   (bucket << channel.shift));
      const auto at = std::upper_bound(constants.begin(), constants.end(), start);
      buckets_.push_back(static_cast<std::uint32_t>(at - constants.begin()));
    }
    for (std::int64_t count = 0; count <= channel.counts.hi; ++count) {
      const bool comes = count >= channel.counts.lo;
      results_.push_back(comes ? static_cast<std::int32_t>(steps::apply(after, c, count)) : 0);
    }
  }

  Storage in_;
  std::vector<Thresholds> channels_;
  std::vector<std::int64_t> thresholds_;
  std::vector<std::uint32_t> buckets_;
  std::vector<std::int32_t> results_;
};

/// The steps before a channel's thresholds as one product and one sum. False where they are others.
bool take(const steps::Step& step, std::uint64_t c, Thresholds& channel) {
  if (step.op != steps::Op::kAdd && step.op != steps::Op::kMultiply) return false;
  const std::int64_t constant = step.of(c)[0];
  if (step.op == steps::Op::kAdd) {
    return !__builtin_add_overflow(channel.offset, constant, &channel.offset);
  }
  return !__builtin_mul_overflow(channel.offset, constant, &channel.offset) &&
         !__builtin_mul_overflow(channel.factor, constant, &channel.factor);
}

/// The product alone may leave them where the steps added first. And above all values there has to
/// be one for the end of the search.
bool stays_in_64_bits(const Thresholds& channel, Interval values) {
  for (const std::int64_t v : {values.lo, values.hi}) {
    std::int64_t product = 0;
    if (__builtin_mul_overflow(v, channel.factor, &product)) return false;
    if (product + channel.offset == std::numeric_limits<std::int64_t>::max()) return false;
  }
  return true;
}

/// Narrowed to where thresholds are: their first less 1, to their last.
Interval active_part(Interval values, std::span<const std::int64_t> constants) {
  const std::int64_t last = std::clamp(constants.back(), values.lo, values.hi);
  const std::int64_t first = std::clamp(constants.front(), values.lo, last);
  return {first > values.lo ? first - 1 : values.lo, last};
}

}  // namespace

std::unique_ptr<Form> make_table(const MapTask& task) {
  const Interval values = whole(task.values);
  const std::int64_t groups = is_uniform(task.chain) ? 1 : task.channels;
  const auto span = static_cast<std::uint64_t>(values.hi) - static_cast<std::uint64_t>(values.lo);
  if (span >= static_cast<std::uint64_t>(kMostValues)) return nullptr;
  if ((static_cast<std::int64_t>(span) + 1) * groups > kMostEntries) return nullptr;
  return std::make_unique<Table>(task, values, groups);
}

std::unique_ptr<Form> make_search(const MapTask& task) {
  const auto found =
      std::find_if(task.chain.begin(), task.chain.end(),
                   [](const steps::Step& step) { return step.op == steps::Op::kCount; });
  if (found == task.chain.end()) return nullptr;
  std::vector<Thresholds> channels;
  for (std::int64_t i = 0; i < task.channels; ++i) {
    const auto c = static_cast<std::uint64_t>(i);
    Thresholds channel;
    Interval values = task.values[task.values.size() == 1 ? 0 : c];
    for (auto step = task.chain.begin(); step != found; ++step) {
      if (!take(*step, c, channel)) return nullptr;
      values = *steps::behind(*step, c, values);
    }
    if (!stays_in_64_bits(channel, task.values[task.values.size() == 1 ? 0 : c])) return nullptr;
    channel.active = active_part(values, found->of(c));
    channel.counts = *steps::behind(*found, c, values);
    channels.push_back(channel);
  }
  return std::make_unique<Search>(task, static_cast<std::size_t>(found - task.chain.begin()),
                                  std::move(channels));
}

}  // namespace qloom::program::fast
