// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Ternary weights by the truncated Gaussian approximation (He, Fan, 2019): a learned threshold, and
// a scale that is a function of it.
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string>

#include <qloom/learned_values.hpp>
#include <qloom/sdk.hpp>
#include <qloom/ternary_grid.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

double density(double t) { return std::exp(-0.5 * t * t) / std::sqrt(2.0 * std::numbers::pi); }
double upper_tail(double t) { return 0.5 * std::erfc(t / std::numbers::sqrt2); }

/// S = E(|w| : |w| > D) and dS/dD for w normal with a mean and a deviation, both constants.
struct Scale {
  double value, slope;
};
Scale scale_of(double d, double mean, double deviation) {
  if (deviation == 0) return {std::fabs(mean) > d ? std::fabs(mean) : 1.0, 0.0};
  const double a = (d - mean) / deviation, c = (-d - mean) / deviation;
  const double above = upper_tail(a), below = upper_tail(-c), both = above + below;
  const double at_ends = density(a) + density(c);
  const double ratio = deviation / d;
  if (both < 1e-300) return {d + deviation * ratio, 1.0 - ratio * ratio};  // far in the tail
  const double value = (mean * (above - below) + deviation * at_ends) / both;
  return {value, at_ends / deviation * (value - d) / both};
}

/// backward:  dx = dy, or S dy;  d threshold = dS/dD * sum of dy t; t itself does not move with D
/// exactness: S and dS/dD in double, rounded to float once
/// state:     threshold, one value per group, from the first tensor
class TgaTernary : public TernaryGrid, public LearnedValues<1> {
 public:
  static constexpr std::uint32_t kCaps =
      QLOOM_QUANTIZER_WANTS_TENSOR | QLOOM_QUANTIZER_WANTS_FIRST_TENSOR;
  static constexpr std::uint64_t kSumsPerGroup = 1;

  explicit TgaTernary(const Params& params)
      : LearnedValues({"threshold"}, params.number("/rate_factor")),
        first_(params.number_or("/initial", 0.0)),
        starts_at_mean_(first_ == 0 && params.text("/initial") == "mean"),
        is_scaled_(params.text("/gradient_scale") == "scale") {}

  void prepare(const qloom_prepare& in) {
    require_finite(in.x);
    largest_ = reduce(in.x, QLOOM_REDUCE_ABS_MAX);
    if (is_first_tensor()) initialise(in.x);
    require_groups(in.x);
    begin(in.x.groups);
    slope_.resize(in.x.groups);
    const auto [mean, deviation] = moments(in.x);
    for (std::size_t g = 0; g < slope_.size(); ++g) {
      threshold_[g] = limited(learned_[0][g], g);
      const Scale scale = scale_of(threshold_[g], mean[g], deviation[g]);
      const auto value = static_cast<float>(scale.value);
      place(g, value > 0.0F && std::isfinite(value) ? value : 1.0F);
      slope_[g] = scale.slope;
    }
  }
  void backward(const qloom_call&, const qloom_block& block, const float* x, const float* dy,
                float* dx, double* sums) const noexcept {
    const auto entry = [threshold = threshold_.data(), scale = scale_.data(),
                        is_scaled = is_scaled_](std::uint64_t g) {
      return std::array{threshold[g], is_scaled ? scale[g] : 1.0F};
    };
    sum_elements(block, sums, entry, [=](const std::array<float, 2>& group, std::uint64_t i) {
      const float w = x[i], g = dy[i], above = w > group[0] ? g : 0.0F;
      dx[i] = group[1] * g;
      return std::array{above - (w < -group[0] ? g : 0.0F)};
    });
  }
  void learned_gradients(const double* sums, std::uint64_t groups, float* const* gradients) {
    for (std::uint64_t g = 0; g < groups; ++g) {
      gradients[0][g] = static_cast<float>(slope_[g] * sums[g]);
    }
  }
  void after_update() {
    keep_finite_and_above(0, 0.0F);
    for (std::size_t g = 0; g < largest_.size(); ++g) learned_[0][g] = limited(learned_[0][g], g);
  }

 private:
  void initialise(const qloom_tensor& x) {
    const auto sums = reduce(x, QLOOM_REDUCE_ABS_SUM), counts = reduce(x, QLOOM_REDUCE_COUNT);
    for (std::size_t g = 0; g < x.groups; ++g) {
      const double mean = sums[g] / std::max(counts[g], 1.0);
      const double found = starts_at_mean_ ? 0.7 * mean : 0.05 * largest_[g];
      learned_[0].push_back(limited(static_cast<float>(first_ > 0 ? first_ : found), g));
    }
  }
  /// At most 0.999 max |w| of the group, and below max |w|.
  [[nodiscard]] float limited(float threshold, std::size_t group) const noexcept {
    const auto most = static_cast<float>(0.999 * largest_[group]);
    const float below = std::nextafter(static_cast<float>(largest_[group]), 0.0F);
    return std::min({threshold, most, below});
  }

  double first_;  // 0: from the first tensor
  bool starts_at_mean_, is_scaled_;
  std::vector<double> largest_, slope_;  // max |w| and dS/dD per group
};

}  // namespace

QLOOM_METHODS(Quantizer<TgaTernary>)
