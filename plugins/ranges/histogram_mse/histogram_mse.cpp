// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>

#include <qloom/affine_grid.hpp>
#include <qloom/grid_errors.hpp>
#include <qloom/observed.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

constexpr double kQuantileStep = 1e-5;  // PyTorch's stride on the way inwards
constexpr double kGiveUp = 2.0;         // times the best error: the path ends
constexpr double kWorthwhile = 0.99;    // times the best error, for a range behind a worse one

/// Counts of equal bins of width `width`, the first one from `origin` on.
struct Histogram {
  std::vector<double> count;
  double origin, width;

  [[nodiscard]] double edge(std::size_t bin) const {
    return origin + width * static_cast<double>(bin);
  }
};

double cube(double x) { return x * x * x; }

/// Error of the histogram's values on the points of a grid, the density being constant inside a
/// bin. Values beyond the end points go to these.
///
/// The cells lie about the points first_point + c * step, c = 0 .. points - 1, a border half a step
/// from each. A bin from x0 to x1 gives the integral of (x - point)^2: the difference of
/// (x - point)^3 / 3 at its ends and a whole cell's integral for each border of cells that it
/// crosses. The loop over a part of the bins is plain, so that the compiler vectorizes it.
double error_of(const Histogram& h, const GroupGrid& grid) {
  const double step = grid.scale, last_cell = double{grid.code_max} - double{grid.code_min};
  const double first_point =
      double{grid.offset} + (double{grid.code_min} - double{grid.zero_point}) * step;
  const double origin = first_point - step / 2.0, cells_per_unit = 1.0 / step;
  const double border = 2.0 * cube(step / 2.0);
  const auto cell = [=](double x) {      // on a border either one: they give the same error there
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
      const double x0 = h.origin + static_cast<double>(static_cast<std::int32_t>(i + j)) * h.width;
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
/// either end and keep the move that passes more bins (of equals that of the end that lost less).
/// The grid holds 0, so the lower end goes up to stays.first at most, the upper one down to
/// stays.last.
class Path {
 public:
  Path(const std::vector<double>& count, Bins stays)
      : stays_(stays), now_{0, count.size() - 1}, cumulative_(count) {
    for (std::size_t i = 1; i < count.size(); ++i) cumulative_[i] += cumulative_[i - 1];
  }
  [[nodiscard]] Bins now() const { return now_; }
  /// To the next range; false where nothing is left.
  bool advance() {
    while (below_ < above_ && (now_.first < stays_.first || now_.last > stays_.last)) {
      const Bins before = now_;
      step();
      if (now_.first != before.first || now_.last != before.last) return true;
    }
    return false;
  }

 private:
  void step() {
    const double total = cumulative_.back();
    const double next_below = below_ + kQuantileStep, next_above = above_ - kQuantileStep;
    Bins next = now_;
    while (next.first < stays_.first && cumulative_[next.first] < next_below * total) ++next.first;
    while (next.last > stays_.last && cumulative_[next.last] > next_above * total) --next.last;
    const std::size_t up = next.first - now_.first, down = now_.last - next.last;
    const bool is_lower = up != down ? up > down : next_below <= 1.0 - next_above;
    const bool can_lower = now_.first < stays_.first;
    const bool can_upper = now_.last > stays_.last;
    if (can_lower && (is_lower || !can_upper)) {
      now_.first = next.first;
      below_ = next_below;
    } else {
      now_.last = next.last;
      above_ = next_above;
    }
  }

  double below_ = 0.0, above_ = 1.0;
  Bins stays_, now_;
  std::vector<double> cumulative_;
};

/// The range of the smallest error on the path, which ends where the error is twice the best one
/// seen. Clipping must pay: the first of equals wins, and behind a worse range, where PyTorch
/// stops, only a gain of 1 % counts. Some ranges are scored at once, on the host's threads.
template <class Error>
Bins search(Path path, const Error& error) {
  constexpr std::uint64_t kTogether = 8;
  Bins best = path.now(), ranges[kTogether];
  double best_error = error(best), errors[kTogether];
  bool is_behind = false;  // a worse range came after the best one
  for (;;) {
    std::uint64_t n = 0;
    for (; n < kTogether && path.advance(); ++n) ranges[n] = path.now();
    if (n == 0) return best;
    for_each(n, [&](std::uint64_t i) noexcept { errors[i] = error(ranges[i]); });
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

/// The range whose affine grid has the smallest squared error.
///
/// Pass 0 finds the extremes, pass 1 fills a histogram, on which a range is searched for, pass 2
/// measures the errors of that range and of the extremes on the data: the better one is the answer.
/// A histogram of a symmetric grid reaches equally far on both sides, with `bins` on each.
/// state:     lo, hi: the result, or the extremes before pass 2 is over; one double per group
/// threads:   the groups are searched in parallel, each by itself
/// errors:    QLOOM_E_ORDER for a group without a finite value
class HistogramMse {
 public:
  static constexpr std::uint32_t kPasses = 3;

  explicit HistogramMse(const Params& params)
      : bins_(static_cast<std::uint64_t>(params.integer("/bins"))) {}
  void begin(const qloom_range_context& context, std::uint32_t pass) {
    pass_ = pass;
    if (pass == 0) {
      rule_ = AffineRule::of(context);
      is_finite_ = true;
      lo_.clear();
      hi_.clear();
    } else if (pass == 1) {
      first_edge_ = lo_;
      last_edge_ = hi_;
      counts_.assign(lo_.size() * bins(), 0);
      for (std::size_t g = 0; g < lo_.size(); ++g) start_group(g);
    } else {
      std::vector<GridErrors<2>::Grids> grids;
      for (std::size_t g = 0; g < lo_.size(); ++g) {
        grids.push_back({rule_.grid({lo_[g], hi_[g]}), rule_.grid(found_[g])});
      }
      errors_.begin(std::move(grids));
    }
  }
  void observe(const qloom_tensor& x) {
    if (pass_ == 0) {
      extremes_.find(x);
      is_finite_ = is_finite_ && extremes_.all_finite();
      return widen(lo_, hi_, extremes_.lo, extremes_.hi);
    }
    match_groups(lo_, x.groups, 0.0);
    if (pass_ == 1) {
      add_counts(x);
    } else {
      errors_.add(x);
    }
  }
  void end(std::uint32_t pass) {
    if (pass == 1) {
      found_.resize(lo_.size());
      for_each(lo_.size(), [this](std::uint64_t g) noexcept { found_[g] = clipped(g); });
      counts_.clear();
    } else if (pass == 2) {
      for (std::size_t g = 0; g < lo_.size(); ++g) {
        if (errors_.best(g) == 0) continue;
        lo_[g] = found_[g].lo;
        hi_[g] = found_[g].hi;
      }
    }
  }
  void ranges(std::span<qloom_range> out) const { write_ranges(out, lo_, hi_); }
  template <class Archive>
  void state(Archive& a) {
    a("lo", lo_);
    a("hi", hi_);
  }

 private:
  /// Of one group.
  [[nodiscard]] std::uint64_t bins() const { return rule_.is_symmetric ? 2 * bins_ : bins_; }
  /// Ends of the histogram; any non-empty interval for a group with one value or none.
  void start_group(std::size_t g) {
    if (rule_.is_symmetric) {
      last_edge_[g] = std::max(std::fabs(lo_[g]), std::fabs(hi_[g]));
      first_edge_[g] = -last_edge_[g];
    }
    if (!(lo_[g] <= hi_[g]) || !(first_edge_[g] < last_edge_[g])) {
      first_edge_[g] = 0.0;
      last_edge_[g] = 1.0;
    }
  }
  void add_counts(const qloom_tensor& x) {
    if (!is_finite_) extremes_.find(x);
    const Finite finite(x, extremes_, std::numeric_limits<float>::quiet_NaN());
    std::vector<std::uint64_t> counts(counts_.size());
    kernels().histogram(&finite.tensor(), first_edge_.data(), last_edge_.data(), bins(), 0,
                        counts.data());
    for (std::size_t i = 0; i < counts.size(); ++i) counts_[i] += counts[i];
  }
  /// The best range on the group's histogram, inside the extremes.
  [[nodiscard]] qloom_range clipped(std::size_t g) const {
    const qloom_range all{lo_[g], hi_[g]};
    if (!(all.lo < all.hi)) return all;  // no value, or one: nothing to clip
    Histogram h{{}, first_edge_[g], (last_edge_[g] - first_edge_[g]) / static_cast<double>(bins())};
    for (std::size_t i = 0; i < bins(); ++i) {
      h.count.push_back(static_cast<double>(counts_[g * bins() + i]));
    }
    return rule_.is_symmetric ? clipped_on_both_sides(h, all) : clipped_at_either_end(h, all);
  }
  [[nodiscard]] qloom_range clipped_at_either_end(const Histogram& h,
                                                  const qloom_range& all) const {
    const std::size_t last = h.count.size() - 1;
    const double zero = -h.origin / h.width;  // in bins
    const auto within = [=](double bin) {
      return static_cast<std::size_t>(std::clamp(bin, 0.0, static_cast<double>(last)));
    };
    const auto range_of = [&](const Bins& b) {
      return qloom_range{b.first == 0 ? all.lo : h.edge(b.first),
                         b.last == last ? all.hi : h.edge(b.last + 1)};
    };
    const Path path(h.count, {within(std::floor(zero)), within(std::ceil(zero) - 1.0)});
    return range_of(
        search(path, [&](const Bins& b) { return error_of(h, rule_.grid(range_of(b))); }));
  }
  [[nodiscard]] qloom_range clipped_on_both_sides(const Histogram& h,
                                                  const qloom_range& all) const {
    std::vector<double> magnitudes(bins_);  // bins from 0 outwards
    for (std::size_t k = 0; k < bins_; ++k) {
      magnitudes[k] = h.count[bins_ + k] + h.count[bins_ - 1 - k];
    }
    const auto range_of = [&](const Bins& b) {
      if (b.last == bins_ - 1) return all;
      const double end = h.width * static_cast<double>(b.last + 1);
      return qloom_range{std::clamp(all.lo, -end, end), std::clamp(all.hi, -end, end)};
    };
    return range_of(search(Path(magnitudes, {0, 0}),
                           [&](const Bins& b) { return error_of(h, rule_.grid(range_of(b))); }));
  }

  std::uint64_t bins_;
  std::uint32_t pass_ = 0;
  AffineRule rule_;
  Extremes extremes_;
  bool is_finite_ = false;  // all values of pass 0; pass 1 sees the same
  std::vector<double> lo_, hi_, first_edge_, last_edge_;
  std::vector<std::uint64_t> counts_;
  std::vector<qloom_range> found_;  // on the histogram
  GridErrors<2> errors_;            // of the extremes and of what was found
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Range<HistogramMse>)
