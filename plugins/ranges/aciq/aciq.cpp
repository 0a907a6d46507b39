// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>

#include <qloom/grid_errors.hpp>
#include <qloom/grids/aciq.hpp>
#include <qloom/observed.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

constexpr double kGaussFromRelu = 2.5066282746310002;  // sqrt(2 pi) = sigma / mean(relu x)
constexpr double kSmallestWidth = 1e-8;  // of a constant tensor's range, as in the authors' code

/// Analytical clipping for integer quantization, under one prior.
///
/// Pass 0 sums up mean and extremes, pass 1 the deviations from the mean.
/// state:     count, sum, magnitude (sum of |x|), lo, hi, absolute, square (deviation sums), one
///            double per group each, 0 where the prior or half_range leaves one out; is_finite:
///            nothing was skipped in pass 0
/// exactness: sums in double, in a fixed order
/// errors:    QLOOM_E_ORDER for a group without a finite value
class Aciq {
 public:
  static constexpr std::uint32_t kPasses = 2;
  static bool accepts(const Params& params) { return params.text("/prior") != "best"; }

  explicit Aciq(const Params& params)
      : prior_(params.text("/prior")), half_range_(params.text("/half_range")) {}
  void begin(const qloom_range_context& context, std::uint32_t pass) {
    pass_ = pass;
    if (pass == 0) {
      is_half_ = half_range_ == "on" || (half_range_ == "auto" && context.after_relu != 0);
      is_symmetric_ = context.symmetric != 0;
      rule_ = AffineRule::of(context);
      levels_ = context.levels >= 2 ? static_cast<double>(context.levels)
                                    : std::ldexp(1.0, static_cast<int>(context.bits));
      is_finite_ = true;
      for (auto* figure : {&count_, &sum_, &magnitude_, &lo_, &hi_}) figure->clear();
    }
    if (pass > 1) return;
    absolute_.assign(count_.size(), 0.0);
    square_.assign(count_.size(), 0.0);
  }
  void observe(const qloom_tensor& x) {
    if (pass_ == 0) {
      observe_mean(x);
    } else if (!is_half_) {  // after a ReLU the mean is enough
      observe_deviation(x);
    }
  }
  void ranges(std::span<qloom_range> out) const {
    require_values(out);
    const auto prior = prior_ == "gauss" ? Prior::kGauss : Prior::kLaplace;
    for (std::size_t g = 0; g < out.size(); ++g) out[g] = range_of(g, prior);
  }
  template <class Archive>
  void state(Archive& a) {
    a("count", count_);
    a("sum", sum_);
    a("magnitude", magnitude_);
    a("lo", lo_);
    a("hi", hi_);
    a("absolute", absolute_);
    a("square", square_);
    require_equal_sizes(count_, sum_, magnitude_, lo_, hi_);
    require_equal_sizes(absolute_, square_);
    a("levels", levels_);
    std::uint8_t is_half = is_half_, is_symmetric = is_symmetric_, is_finite = is_finite_;
    a("is_half", is_half);
    a("is_symmetric", is_symmetric);
    a("is_finite", is_finite);
    is_finite_ = is_finite != 0;
    is_half_ = is_half != 0;
    is_symmetric_ = is_symmetric != 0;
  }

 protected:
  enum class Prior : std::uint8_t { kNone, kLaplace, kGauss };

  [[nodiscard]] std::size_t groups() const { return lo_.size(); }
  /// The grid of a range, as far as the context tells.
  [[nodiscard]] GroupGrid grid(const qloom_range& range) const { return rule_.grid(range); }
  /// The clipping range under a prior; of no prior the extremes. A group without a finite value, or
  /// with one value, has the same under all.
  [[nodiscard]] qloom_range range_of(std::size_t g, Prior prior) const {
    return is_half_ ? upper_half(g, prior) : both_sides(g, prior);
  }
  void require_values(std::span<qloom_range> out) const {
    write_ranges(out, lo_, hi_);
    if (is_half_ || absolute_.size() == lo_.size()) return;
    throw Error(QLOOM_E_ORDER, "pass 1 has seen no tensor");
  }

 private:
  void observe_mean(const qloom_tensor& x) {
    extremes_.find(x);
    is_finite_ = is_finite_ && extremes_.all_finite();
    const Finite finite(x, extremes_, 0.0F);
    widen(lo_, hi_, extremes_.lo, extremes_.hi);
    for (auto* figure : {&count_, &sum_, &magnitude_}) match_groups(*figure, x.groups, 0.0);
    add(count_, x, QLOOM_REDUCE_COUNT);
    for (std::uint64_t g = 0; g < x.groups; ++g) count_[g] -= skipped(g);
    add(sum_, finite.tensor(), QLOOM_REDUCE_SUM);
    if (is_half_) add(magnitude_, finite.tensor(), QLOOM_REDUCE_ABS_SUM);
  }
  void observe_deviation(const qloom_tensor& x) {
    match_groups(count_, x.groups, 0.0);
    if (is_finite_)
      extremes_.nonfinite.assign(x.groups, 0);  // the same data as in pass 0
    else
      extremes_.find(x);
    const Finite finite(x, extremes_, 0.0F);
    std::vector<double> center(x.groups);
    for (std::uint64_t g = 0; g < x.groups; ++g) center[g] = mean(g);
    const auto deviation = [&](std::uint32_t figure) {
      return reduce(finite.tensor(), figure, center.data());
    };
    // Skipped values stand there as 0.
    if (prior_ != "gauss") {
      const auto absolute = deviation(QLOOM_REDUCE_ABS_DEVIATION_SUM);
      for (std::uint64_t g = 0; g < x.groups; ++g) {
        absolute_[g] += absolute[g] - skipped(g) * std::fabs(center[g]);
      }
    }
    if (prior_ != "laplace") {
      const auto square = deviation(QLOOM_REDUCE_SQUARE_DEVIATION_SUM);
      for (std::uint64_t g = 0; g < x.groups; ++g) {
        square_[g] += square[g] - skipped(g) * center[g] * center[g];
      }
    }
  }
  static void add(std::vector<double>& sum, const qloom_tensor& x, std::uint32_t figure) {
    const std::vector<double> more = reduce(x, figure);
    for (std::uint64_t g = 0; g < x.groups; ++g) sum[g] += more[g];
  }
  [[nodiscard]] double skipped(std::uint64_t g) const {
    return static_cast<double>(extremes_.nonfinite[g]);
  }
  [[nodiscard]] double mean(std::size_t g) const {
    return count_[g] > 0 ? sum_[g] / count_[g] : 0.0;
  }
  /// From 0 to the constant that all values are.
  [[nodiscard]] static qloom_range constant(double value) {
    const double wide = std::max(std::fabs(value), kSmallestWidth);
    return value < 0 ? qloom_range{-wide, 0.0} : qloom_range{0.0, wide};
  }
  [[nodiscard]] qloom_range upper_half(std::size_t g, Prior prior) const {
    // Values below 0, if any, were not cut off yet: mean(relu x) is half of mean(|x| + x).
    const double relu_mean = count_[g] > 0 ? (magnitude_[g] + sum_[g]) / (2.0 * count_[g]) : 0.0;
    if (!(relu_mean > 0)) return constant(0.0);
    if (prior == Prior::kNone) return {0.0, hi_[g]};
    // One more bit, unless the grid spends it on negative codes.
    const double q = (is_symmetric_ ? 1.0 : 4.0) * levels_ * levels_;
    return {0.0, prior == Prior::kLaplace ? 2.0 * relu_mean * aciq::laplace(q)
                                          : kGaussFromRelu * relu_mean * aciq::gauss(q)};
  }
  [[nodiscard]] qloom_range both_sides(std::size_t g, Prior prior) const {
    if (!(lo_[g] < hi_[g])) return constant(lo_[g] > hi_[g] ? 0.0 : lo_[g]);
    if (prior == Prior::kNone) return {lo_[g], hi_[g]};
    const double center = mean(g), q = levels_ * levels_;
    const double b = std::max(0.0, absolute_[g]) / count_[g];
    const double sigma = std::sqrt(std::max(0.0, square_[g]) / (count_[g] - 1.0));
    const double a = prior == Prior::kLaplace ? b * aciq::laplace(q) : sigma * aciq::gauss(q);
    if (is_symmetric_) return {center - a, center + a};
    const double lo = std::max(lo_[g], center - a);
    return {lo, lo + 2.0 * a};
  }

  std::string prior_, half_range_;
  std::uint32_t pass_ = 0;
  double levels_ = 256;
  AffineRule rule_;
  bool is_half_ = false, is_symmetric_ = false;
  bool is_finite_ = false;  // nothing was skipped in pass 0
  Extremes extremes_;
  std::vector<double> count_, sum_, magnitude_, lo_, hi_, absolute_, square_;
};

/// Prior "best": of the extremes and both priors' ranges the one that turns out best.
///
/// Pass 2 measures the squared errors of all three grids on the data; what a prior predicts holds
/// in its own world only.
///
/// state:     that of Aciq and choice: the index of the prior, one per group
class BestAciq : public Aciq {
 public:
  static constexpr std::uint32_t kPasses = 3;
  static bool accepts(const Params& params) { return !Aciq::accepts(params); }

  using Aciq::Aciq;

  void begin(const qloom_range_context& context, std::uint32_t pass) {
    Aciq::begin(context, pass);
    if (pass == 0) choice_.clear();
    if (pass < 2) return;
    std::vector<GridErrors<3>::Grids> grids;
    for (std::size_t g = 0; g < groups(); ++g) {
      GridErrors<3>::Grids& own = grids.emplace_back();
      for (std::size_t i = 0; i < own.size(); ++i) own[i] = grid(range_of(g, Prior(i)));
    }
    errors_.begin(std::move(grids));
    is_measuring_ = true;
  }
  void observe(const qloom_tensor& x) {
    if (!is_measuring_) return Aciq::observe(x);
    if (x.groups != groups()) {
      throw Error(QLOOM_E_INVALID,
                  concat("a tensor of ", x.groups, " groups was observed after one of ", groups()));
    }
    errors_.add(x);
  }
  void end(std::uint32_t pass) {
    is_measuring_ = false;
    if (pass < 2) return;
    choice_.clear();
    for (std::size_t g = 0; g < groups(); ++g) {
      choice_.push_back(static_cast<std::int32_t>(errors_.best(g)));
    }
  }
  void ranges(std::span<qloom_range> out) const {
    require_values(out);
    if (choice_.size() != out.size()) throw Error(QLOOM_E_ORDER, "no round of observation is over");
    for (std::size_t g = 0; g < out.size(); ++g) out[g] = range_of(g, Prior(choice_[g]));
  }
  template <class Archive>
  void state(Archive& a) {
    Aciq::state(a);
    a("choice", choice_);
  }

 private:
  bool is_measuring_ = false;
  GridErrors<3> errors_;
  std::vector<std::int32_t> choice_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::RangeVariants<Aciq, BestAciq>)
