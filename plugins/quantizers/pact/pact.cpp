// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// PACT (Choi et al., 2018): activations clipped to [0, alpha], alpha learned.
#include <algorithm>
#include <array>
#include <cmath>

#include <qloom/learned_values.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// n = 2^bits - 1;  code = round(n / alpha * clip(x, 0, alpha));  y = alpha / n * code
/// backward:  dx = dy where 0 <= x < alpha, else 0
///            original: d alpha = sum of dy over x >= alpha; the rounding is passed through
///            full:     and also dy * (code / n - x / alpha) where 0 <= x < alpha
///            and 2 alpha_l2 alpha, the slope of a loss alpha_l2 alpha^2
/// encoding:  unsigned codes 0 .. n, scale alpha / n
/// state:     alpha, one value per group; kept at minimum or above
class Pact : public UniformGrid, public LearnedValues<1> {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_USES_ROUNDING;
  static bool accepts(const Params& params) { return params.text("/initial") == "alpha"; }
  static constexpr std::uint64_t kSumsPerGroup = 1;  // d alpha

  explicit Pact(const Params& params)
      : LearnedValues({"alpha"}, params.number("/rate_factor"), params.number("/decay_factor")),
        first_alpha_(static_cast<float>(params.number("/alpha"))),
        alpha_min_(static_cast<float>(params.number("/minimum"))),
        alpha_l2_(params.number("/alpha_l2")),
        starts_at_max_(params.text("/initial") == "first_tensor"),
        is_full_(params.text("/alpha_grad") == "full") {
    set_codes(params.integer("/bits"), false, false);
  }

  void prepare(const qloom_prepare& in) {
    if (is_first_tensor()) initialise(in.x);
    require_groups(in.x);
    resize(in.x.groups);
    const std::vector<float>& alpha = learned_[0];
    for (std::size_t g = 0; g < alpha.size(); ++g) set(g, alpha[g] / max_, max_ / alpha[g]);
  }

  qloom_status backward(const qloom_call& call, const qloom_block& block, const float* x,
                        const float* dy, float* dx, double* sums) const noexcept {
    if (is_full_) return backward_full(call, block, x, dy, dx, sums);
    const auto gradient = [=](float alpha, std::uint64_t i) {
      const float v = x[i], g = dy[i];
      dx[i] = v >= 0.0F && v < alpha ? g : 0.0F;
      return std::array{v >= alpha ? g : 0.0F};
    };
    sum_elements(block, sums, entry_of(learned_[0]), gradient, x, dy, dx);
    return QLOOM_OK;
  }

  void learned_gradients(const double* sums, std::uint64_t groups, float* const* gradients) {
    for (std::uint64_t g = 0; g < groups; ++g) {
      gradients[0][g] = static_cast<float>(sums[g] + 2.0 * alpha_l2_ * double{learned_[0][g]});
    }
  }
  void after_update() { keep_finite_and_above(0, alpha_min_); }

 private:
  void initialise(const qloom_tensor& x) {
    std::vector<float>& alpha = learned_[0];
    alpha.assign(x.groups, std::max(first_alpha_, alpha_min_));
    if (!starts_at_max_ || x.data == nullptr) return;
    require_finite(x);
    const auto largest = reduce(x, QLOOM_REDUCE_MAX);
    for (std::size_t g = 0; g < alpha.size(); ++g) {
      if (largest[g] > 0) alpha[g] = std::max(static_cast<float>(largest[g]), alpha_min_);
    }
  }

  qloom_status backward_full(const qloom_call& call, const qloom_block& block, const float* x,
                             const float* dy, float* dx, double* sums) const noexcept {
    const double step = 1.0 / double{max_};
    struct Group {
      float alpha;
      double inverse;  // 1 / alpha
    };
    const auto of_group = [alpha = learned_[0].data()](std::uint64_t g) {
      return Group{alpha[g], 1.0 / double{alpha[g]}};
    };
    return for_each_piece(block, [&](const qloom_block& piece, std::uint64_t first) {
      std::int32_t code[kPieceElements];
      const qloom_status status = encode(call, piece, x + first, code);
      if (status != QLOOM_OK) return status;
      const float *in = x + first, *gradient = dy + first;
      float* out = dx + first;
      sum_elements(piece, sums, of_group, [=, &code](const Group& group, std::uint64_t i) {
        const float v = in[i], g = gradient[i];
        const bool is_inside = v >= 0.0F && v < group.alpha;
        const double slope = code[i] * step - v * group.inverse;
        out[i] = is_inside ? g : 0.0F;
        return std::array{g * (slope * (is_inside ? 1.0 : 0.0) + (v >= group.alpha ? 1.0 : 0.0))};
      });
      return status;
    });
  }

  float first_alpha_, alpha_min_;
  double alpha_l2_;
  bool starts_at_max_, is_full_;
};

/// alpha starts at the largest value of the first tensor.
class PactFromFirst : public Pact {
 public:
  static constexpr std::uint32_t kCaps = Pact::kCaps | QLOOM_QUANTIZER_WANTS_FIRST_TENSOR;
  static bool accepts(const Params& params) { return !Pact::accepts(params); }
  using Pact::Pact;
};

}  // namespace

QLOOM_METHODS(QuantizerVariants<Pact, PactFromFirst>)
