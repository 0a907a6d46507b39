// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// LSQ+ (Bhalgat et al., 2020): a uniform grid whose step and offset are learned.
#include <algorithm>
#include <cmath>
#include <limits>

#include <qloom/grids/learned_step.hpp>
#include <qloom/learned_values.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// t = (x - offset) / step;  y = offset + step * clamp(round(t), n, p)
/// backward:  inside (n < t < p): dx = dy, d step = dy * (round(t) - t); outside: dx = 0, d step =
///            dy * n or dy * p, d offset = dy; factor of both 1 / sqrt(N p)
/// state:     step, offset (0 for weights): one value per group, from the first tensor
class LsqPlus : public LearnedStep<Inside::kByValue>, public LearnedValues<2> {
 public:
  static constexpr std::uint32_t kCaps =
      QLOOM_QUANTIZER_WANTS_FIRST_TENSOR | QLOOM_QUANTIZER_USES_ROUNDING;

  explicit LsqPlus(const Params& params)
      : LearnedValues({"step", "offset"}, params.number("/rate_factor")),
        is_weight_(params.text("/part") == "weight"),
        scales_gradient_(params.flag("/grad_scale")),
        least_(static_cast<float>(params.number("/minimum"))) {
    set_codes(params.integer("/bits"), is_weight_, false);
    trained_ = is_weight_ ? 1 : 2;
  }

  void prepare(const qloom_prepare& in) {
    if (is_first_tensor()) initialise(in.x);
    require_groups(in.x);
    resize(in.x.groups);
    for (std::size_t g = 0; g < in.x.groups; ++g) {
      const float step = learned_[0][g];
      set(g, step, 1.0F / step);
      if (!is_weight_) set_offset(g, learned_[1][g]);
    }
    end_grid();
    factor_ = gradient_factor(in.x, scales_gradient_);
  }
  void learned_gradients(const double* sums, std::uint64_t groups, float* const* gradients) {
    for (std::uint32_t k = 0; k < trained_; ++k) {
      for (std::uint64_t g = 0; g < groups; ++g) {
        gradients[k][g] = static_cast<float>(factor_ * sums[2 * g + k]);
      }
    }
  }
  void after_update() {
    keep_finite_and_above(0, least_);
    keep_finite_and_above(1, std::numeric_limits<float>::lowest());
  }

 private:
  void initialise(const qloom_tensor& x) {
    require_first_tensor(x);
    std::vector<double> spans(x.groups), lows(x.groups, 0.0);
    if (is_weight_) {  // the larger magnitude of mean - 3 deviations and mean + 3 deviations
      const auto [mean, deviation] = moments(x);
      for (std::size_t g = 0; g < spans.size(); ++g) {
        spans[g] = std::fabs(mean[g]) + 3.0 * deviation[g];
      }
    } else {
      lows = reduce(x, QLOOM_REDUCE_MIN);
      spans = reduce(x, QLOOM_REDUCE_MAX);
      for (std::size_t g = 0; g < spans.size(); ++g) spans[g] -= lows[g];
    }
    const double steps = is_weight_ ? -double{min_} : double{max_};
    for (std::size_t g = 0; g < spans.size(); ++g) {
      constexpr double kTop = std::numeric_limits<float>::max();
      const auto step = static_cast<float>(std::min(spans[g] / steps, kTop));
      learned_[0].push_back(step > 0.0F ? std::max(step, least_) : 1.0F);
      learned_[1].push_back(std::isfinite(lows[g]) ? static_cast<float>(lows[g]) : 0.0F);
    }
  }
  bool is_weight_, scales_gradient_;
  float least_;  // step
  double factor_ = 1;
};

}  // namespace

QLOOM_METHODS(Quantizer<LsqPlus>)
