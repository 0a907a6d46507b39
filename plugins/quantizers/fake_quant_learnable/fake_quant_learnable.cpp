// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// PyTorch's fake quantization with a learned scale and zero point.
#include <algorithm>
#include <cmath>

#include <qloom/grids/learned_step.hpp>
#include <qloom/learned_values.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// z = zero_point rounded (ties to even) and clamped
/// y = scale * (clamp(round(x / scale) + z) - z)
/// backward:  inside, where the code was not clipped: dx = dy, d scale = dy * (y - x) / scale;
///            outside: d scale = dy * (end - z), d zero_point = -scale * dy; factor of both 1 or
///            1 / sqrt(N qmax)
/// state:     scale, zero_point: one value per group, from the first tensor's range
class FakeQuantLearnable : public LearnedStep<Inside::kByCode>, public LearnedValues<2> {
 public:
  static constexpr std::uint32_t kCaps =
      QLOOM_QUANTIZER_WANTS_FIRST_TENSOR | QLOOM_QUANTIZER_USES_ROUNDING;

  explicit FakeQuantLearnable(const Params& params)
      : LearnedValues({"scale", "zero_point"}, params.number("/rate_factor")),
        scales_gradient_(params.flag("/grad_scale")),
        least_(static_cast<float>(params.number("/minimum"))) {
    set_codes(params.integer("/bits"), params.flag("/signed"), false);
  }

  void prepare(const qloom_prepare& in) {
    if (is_first_tensor()) initialise(in.x);
    require_groups(in.x);
    resize(in.x.groups);
    for (std::size_t g = 0; g < in.x.groups; ++g) {
      const float scale = learned_[0][g], zero = std::nearbyint(learned_[1][g]);
      set(g, scale, 1.0F / scale, std::clamp(zero, min_, max_));
    }
    end_grid();
    factor_ = gradient_factor(in.x, scales_gradient_);
  }
  void learned_gradients(const double* sums, std::uint64_t groups, float* const* gradients) {
    for (std::uint64_t g = 0; g < groups; ++g) {
      gradients[0][g] = static_cast<float>(factor_ * sums[2 * g]);
      gradients[1][g] = static_cast<float>(factor_ * (0.0 - sums[2 * g + 1]) * scale_[g]);
    }
  }
  void after_update() {
    keep_finite_and_above(0, least_);
    keep_finite_and_above(1, min_);
    for (float& zero : learned_[1]) zero = std::min(zero, max_);
  }

 private:
  void initialise(const qloom_tensor& x) {
    require_first_tensor(x);
    AffineRule rule;
    rule.code_min = min_;
    rule.code_max = max_;
    rule.scale_min = least_;
    const auto lowest = reduce(x, QLOOM_REDUCE_MIN), highest = reduce(x, QLOOM_REDUCE_MAX);
    for (std::size_t g = 0; g < x.groups; ++g) {
      const GroupGrid grid = rule.grid({lowest[g], highest[g]});
      learned_[0].push_back(grid.scale);
      learned_[1].push_back(grid.zero_point);
    }
  }

  bool scales_gradient_;
  float least_;  // scale
  double factor_ = 1;
};

}  // namespace

QLOOM_METHODS(Quantizer<FakeQuantLearnable>)
