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
  std::span<const std::uint64_t> count;
  std::vector<std::uint64_t> cumulative;
  double width;
  double levels;
  bool is_folded;  // |x| from 0 up, for a grid symmetric about 0
};

/// integral of t^2 from p to q
double square_integral(double p, double q) { return (q * q * q - p * p * p) / 3.0; }

/// Error of reconstructing the whole histogram from the points of the range [first, last], in bins,
/// the density being constant inside a bin. Values beyond the range go to its end points.
///
/// The cells lie about the points first_point + c * step, c = 0 .. points - 1, from origin on:
/// two-sided as PyTorch has it, `levels` cells with their points in the middle; folded the points
/// k * step of a symmetric grid of `levels` codes over [-a, a], step = 2 a / (levels - 1).
double error_of(const Histogram& h, std::size_t first, std::size_t last) {
  const double span = h.width * static_cast<double>(last - first + 1);
  const double step = h.is_folded ? 2.0 * span / (h.levels - 1.0) : span / h.levels;
  const double points = h.is_folded ? std::max(2.0, std::floor((h.levels + 1.0) / 2.0)) : h.levels;
  const double first_point = h.is_folded ? 0.0 : step / 2.0;
  const double origin = first_point - step / 2.0;
  const double inner = square_integral(-step / 2.0, step / 2.0);
  double sum = 0;
  for (std::size_t i = 0; i < h.count.size(); ++i) {
    if (h.count[i] == 0) continue;
    const double x0 = (static_cast<double>(i) - static_cast<double>(first)) * h.width;
    const double x1 = x0 + h.width;
    const double c0 = std::clamp(std::floor((x0 - origin) / step), 0.0, points - 1.0);
    const double c1 = std::clamp(std::floor((x1 - origin) / step), 0.0, points - 1.0);
    const double begin = x0 - (first_point + c0 * step), end = x1 - (first_point + c1 * step);
    const double integral = c0 == c1 ? square_integral(begin, end)
                                     : square_integral(begin, step / 2.0) +
                                           (c1 - c0 - 1.0) * inner +
                                           square_integral(-step / 2.0, end);
    sum += static_cast<double>(h.count[i]) / h.width * integral;
  }
  return sum;
}

struct Bins {
  std::size_t first, last;
};

/// The range of the smallest error on this path: start with all bins; let the next quantile (1e-5
/// of the values) fall off either end, keep the move that passes more bins (of equals that of the
/// end that lost less), and score where it leads. A folded histogram moves its upper end only. The
/// path ends where the error is twice the best one seen or nothing is left. Clipping must pay: the
/// first of equals wins, and behind a worse range, where PyTorch stops, only a gain of 1 % counts.
Bins search(const Histogram& h) {
  const auto total = static_cast<double>(h.cumulative.back());
  double below = 0.0, above = 1.0;
  Bins now{0, h.count.size() - 1}, best = now;
  double best_error = error_of(h, now.first, now.last);
  bool is_behind = false;  // a worse range came after the best one
  while (below < above) {
    const double next_below = below + kQuantileStep, next_above = above - kQuantileStep;
    Bins next = now;
    while (!h.is_folded && next.first < now.last &&
           static_cast<double>(h.cumulative[next.first]) < next_below * total) {
      ++next.first;
    }
    while (next.last > now.first &&
           static_cast<double>(h.cumulative[next.last]) > next_above * total) {
      --next.last;
    }
    const std::size_t up = next.first - now.first, down = now.last - next.last;
    const bool from_below =
        !h.is_folded && (up > down || (up == down && next_below <= 1.0 - next_above));
    if (from_below) {
      next.last = now.last;
      below = next_below;
    } else {
      next.first = now.first;
      above = next_above;
    }
    if (next.first == now.first && next.last == now.last) continue;
    now = next;
    const double error = error_of(h, now.first, now.last);
    if (error < (is_behind ? kWorthwhile : 1.0) * best_error) {
      best = now;
      best_error = error;
      is_behind = false;
    } else {
      is_behind = true;
    }
    if (error > kGiveUp * best_error) break;
  }
  return best;
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
    if (counts_.empty()) return widen(lo_, hi_, finite_extremes(x));
    match_groups(lo_, x.groups, 0.0);
    const Finite finite(x, std::numeric_limits<float>::quiet_NaN());
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
    Histogram h{{&counts_[g * bins_], bins_}, std::vector<std::uint64_t>(bins_),
                (last_edge_[g] - first_edge_[g]) / static_cast<double>(bins_), levels_, is_folded_};
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < bins_; ++i) h.cumulative[i] = total += h.count[i];
    if (total == 0) return;
    const Bins best = search(h);
    const double hi = first_edge_[g] + h.width * static_cast<double>(best.last + 1);
    const double lo = first_edge_[g] + h.width * static_cast<double>(best.first);
    hi_[g] = is_folded_ ? std::min(hi_[g], hi) : hi;
    lo_[g] = std::min(hi_[g], is_folded_ ? std::max(lo_[g], -hi) : lo);
  }

  std::uint64_t bins_;
  double levels_ = 256;
  bool is_folded_ = false;
  std::vector<double> lo_, hi_, first_edge_, last_edge_;
  std::vector<std::uint64_t> counts_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Range<HistogramMse>)
