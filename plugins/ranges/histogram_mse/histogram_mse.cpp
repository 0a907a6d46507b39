// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>

#include <qloom/observed.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

constexpr double kQuantileStep = 1e-5;  // PyTorch's stride on the way inwards
constexpr double kGiveUp = 2.0;         // times the best error: the path ends
constexpr double kWorthwhile = 0.99;    // times the best error, for a range behind a worse one

/// Counts of equal bins of width `width`, and the grid that a clipping range gets.
struct Histogram {
  std::vector<double> count, cumulative;
  double width;
  double levels;
  bool is_folded;  // |x| from 0 up, for a grid symmetric about 0
};

double cube(double x) { return x * x * x; }

/// Error of reconstructing the whole histogram from the points of the range [first, last], in bins,
/// the density being constant inside a bin. Values beyond the range go to its end points.
///
/// The cells lie about the points first_point + c * step, c = 0 .. points - 1, from origin on:
/// two-sided as PyTorch has it, `levels` cells with their points in the middle; folded the points
/// k * step of a symmetric grid of `levels` codes over [-a, a], step = 2 a / (levels - 1).
///
/// A bin from x0 to x1 gives the integral of (x - point)^2: the difference of (x - point)^3 / 3 at
/// its ends and a whole cell's integral for each border of cells that it crosses. The loop over a
/// part of the bins is plain, so that the compiler vectorizes it.
double error_of(const Histogram& h, std::size_t first, std::size_t last) {
  const double span = h.width * static_cast<double>(last - first + 1);
  const double step = h.is_folded ? 2.0 * span / (h.levels - 1.0) : span / h.levels;
  const double points = h.is_folded ? std::max(2.0, std::floor((h.levels + 1.0) / 2.0)) : h.levels;
  const double first_point = h.is_folded ? 0.0 : step / 2.0;
  const double origin = first_point - step / 2.0, cells_per_unit = 1.0 / step;
  const double border = 2.0 * cube(step / 2.0), last_cell = points - 1.0;
  const auto cell = [=](double x) {  // on a border either one: they give the same error there
    constexpr double kWhole = 0x1.8p52;  // a sum this large has no fraction
    const double c = (x - origin) * cells_per_unit, low = c > 0.0 ? c : 0.0;
    return ((low < last_cell + 0.5 ? low : last_cell + 0.5) - 0.5 + kWhole) - kWhole;
  };
  constexpr std::size_t kPart = 256;
  double integral[kPart];
  double sum[4] = {};  // side by side: an addition need not wait for the one before
  for (std::size_t i = 0; i < h.count.size(); i += kPart) {
    const std::size_t n = std::min(kPart, h.count.size() - i);
    for (std::size_t j = 0; j < n; ++j) {
      const double x0 = static_cast<double>(static_cast<std::int32_t>(i + j - first)) * h.width;
      const double x1 = x0 + h.width, c0 = cell(x0), c1 = cell(x1);
      integral[j] = cube(x1 - (first_point + c1 * step)) - cube(x0 - (first_point + c0 * step)) +
                    (c1 - c0) * border;
    }
    for (std::size_t j = 0; j < n; ++j) sum[j % 4] += h.count[i + j] * integral[j];
  }
  return (sum[0] + sum[1] + (sum[2] + sum[3])) / (3.0 * h.width);
}

struct Bins {
  std::size_t first, last;
};

/// Ranges that are tried: start with all bins; let the next quantile (1e-5 of the values) fall off
/// either end and keep the move that passes more bins (of equals that of the end that lost less). A
/// folded histogram moves its upper end only.
class Path {
 public:
  explicit Path(const Histogram& h) : h_(h), now_{0, h.count.size() - 1} {}
  [[nodiscard]] Bins now() const { return now_; }
  /// To the next range; false where nothing is left.
  bool advance() {
    while (below_ < above_) {
      const Bins before = now_;
      step();
      if (now_.first != before.first || now_.last != before.last) return true;
    }
    return false;
  }

 private:
  void step() {
    const double total = h_.cumulative.back();
    const double next_below = below_ + kQuantileStep, next_above = above_ - kQuantileStep;
    Bins next = now_;
    while (!h_.is_folded && next.first < now_.last &&
           h_.cumulative[next.first] < next_below * total) {
      ++next.first;
    }
    while (next.last > now_.first && h_.cumulative[next.last] > next_above * total) --next.last;
    const std::size_t up = next.first - now_.first, down = now_.last - next.last;
    if (!h_.is_folded && (up > down || (up == down && next_below <= 1.0 - next_above))) {
      now_.first = next.first;
      below_ = next_below;
    } else {
      now_.last = next.last;
      above_ = next_above;
    }
  }

  const Histogram& h_;
  double below_ = 0.0, above_ = 1.0;
  Bins now_;
};

/// The range of the smallest error on the path, which ends where the error is twice the best one
/// seen. Clipping must pay: the first of equals wins, and behind a worse range, where PyTorch
/// stops, only a gain of 1 % counts. Some ranges are scored at once, on the host's threads.
Bins search(const Histogram& h) {
  constexpr std::uint64_t kTogether = 8;
  Path path(h);
  Bins best = path.now(), ranges[kTogether];
  double best_error = error_of(h, best.first, best.last), errors[kTogether];
  bool is_behind = false;  // a worse range came after the best one
  for (;;) {
    std::uint64_t n = 0;
    for (; n < kTogether && path.advance(); ++n) ranges[n] = path.now();
    if (n == 0) return best;
    for_each(n, [&](std::uint64_t i) noexcept {
      errors[i] = error_of(h, ranges[i].first, ranges[i].last);
    });
    for (std::uint64_t i = 0; i < n; ++i) {
      if (errors[i] < (is_behind ? kWorthwhile : 1.0) * best_error) {
        best = ranges[i];
        best_error = errors[i];
        is_behind = false;
      } else {
        is_behind = true;
      }
      if (errors[i] > kGiveUp * best_error) return best;
    }
  }
}

/// Clipping range of the smallest expected squared quantization error.
///
/// Pass 0 finds the extremes, pass 1 fills a histogram between them (of |x| for a symmetric grid).
/// state:     lo, hi: the result, or the extremes after pass 0; one double per group
/// threads:   the groups are searched in parallel, each by itself
/// errors:    QLOOM_E_ORDER for a group without a finite value
class HistogramMse {
 public:
  static constexpr std::uint32_t kPasses = 2;

  explicit HistogramMse(const Params& params)
      : bins_(static_cast<std::uint64_t>(params.integer("/bins"))) {}
  void begin(const qloom_range_context& context, std::uint32_t pass) {
    if (pass == 0) {
      is_folded_ = context.symmetric != 0;
      levels_ = static_cast<double>(std::max<std::uint64_t>(context.levels, 2));
      is_finite_ = true;
      lo_.clear();
      hi_.clear();
      counts_.clear();
    } else {
      first_edge_ = lo_;
      last_edge_ = hi_;
      counts_.assign(lo_.size() * bins_, 0);
      for (std::size_t g = 0; g < lo_.size(); ++g) start_group(g);
    }
  }
  void observe(const qloom_tensor& x) {
    if (counts_.empty()) {
      extremes_.find(x);
      is_finite_ = is_finite_ && extremes_.all_finite();
      return widen(lo_, hi_, extremes_.lo, extremes_.hi);
    }
    match_groups(lo_, x.groups, 0.0);
    if (!is_finite_) extremes_.find(x);
    const Finite finite(x, extremes_, std::numeric_limits<float>::quiet_NaN());
    std::vector<std::uint64_t> counts(counts_.size());
    kernels().histogram(&finite.tensor(), first_edge_.data(), last_edge_.data(), bins_,
                        is_folded_ ? 1 : 0, counts.data());
    for (std::size_t i = 0; i < counts.size(); ++i) counts_[i] += counts[i];
  }
  void end(std::uint32_t pass) {
    if (pass == 0) return;
    for_each(lo_.size(), [this](std::uint64_t g) noexcept { clip_group(g); });
    counts_.clear();
  }
  void ranges(std::span<qloom_range> out) const { write_ranges(out, lo_, hi_); }
  template <class Archive>
  void state(Archive& a) {
    a("lo", lo_);
    a("hi", hi_);
  }

 private:
  /// Ends of the histogram; any non-empty interval for a group with one value or none.
  void start_group(std::size_t g) {
    if (is_folded_) {
      last_edge_[g] = std::max(std::fabs(lo_[g]), std::fabs(hi_[g]));
      first_edge_[g] = 0.0;
    }
    if (!(lo_[g] <= hi_[g]) || !(first_edge_[g] < last_edge_[g])) {
      first_edge_[g] = 0.0;
      last_edge_[g] = 1.0;
    }
  }
  void clip_group(std::size_t g) {
    if (!(lo_[g] < hi_[g])) return;  // no value, or one: nothing to clip
    Histogram h{std::vector<double>(bins_), std::vector<double>(bins_),
                (last_edge_[g] - first_edge_[g]) / static_cast<double>(bins_), levels_, is_folded_};
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < bins_; ++i) {
      const std::uint64_t count = counts_[g * bins_ + i];
      h.count[i] = static_cast<double>(count);
      h.cumulative[i] = static_cast<double>(total += count);
    }
    if (total == 0) return;
    const Bins best = search(h);
    const double hi = first_edge_[g] + h.width * static_cast<double>(best.last + 1);
    const double lo = first_edge_[g] + h.width * static_cast<double>(best.first);
    hi_[g] = is_folded_ ? std::min(hi_[g], hi) : hi;
    lo_[g] = std::min(hi_[g], is_folded_ ? std::max(lo_[g], -hi) : lo);
  }

  std::uint64_t bins_;
  Extremes extremes_;
  double levels_ = 256;
  bool is_folded_ = false;
  bool is_finite_ = false;  // all values of pass 0; pass 1 sees the same
  std::vector<double> lo_, hi_, first_edge_, last_edge_;
  std::vector<std::uint64_t> counts_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Range<HistogramMse>)
