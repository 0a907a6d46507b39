// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// LSQ (Esser et al., 2020): a uniform grid whose step size is learned.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>

#include <qloom/grid_errors.hpp>
#include <qloom/learned_values.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// t = x * (1 / step);  y = step * clamp(round(t), -Qn, Qp)
///
/// backward:  inside (-Qn < t < Qp): dx = dy, d step = dy * (code - t), code = clamp(round(t));
///            at t <= -Qn: dx = 0, d step = -dy * Qn; at t >= Qp: dx = 0, d step = dy * Qp. The sum
///            over the elements that share the step is multiplied by 1 / sqrt(N * Qp).
/// encoding:  affine, scale = step, zero point 0
/// state:     step, one per group, from the first tensor; is_signed
class Lsq : public UniformGrid, public LearnedValues<1> {
 public:
  static constexpr std::uint32_t kCaps =
      QLOOM_QUANTIZER_WANTS_FIRST_TENSOR | QLOOM_QUANTIZER_USES_ROUNDING;
  static constexpr std::uint64_t kSumsPerGroup = 1;  // d step
  static bool accepts(const Params&) { return true; }

  explicit Lsq(const Params& params)
      : LearnedValues({"step"}, params.number("/rate_factor")),
        width_(params.integer("/bits")),
        first_step_(params.number_or("/initial", 0.0)),
        init_(first_step_ > 0 ? "" : params.text("/initial")),
        finds_sign_(!params.is_flag("/signed")),
        scales_gradient_(params.flag("/grad_scale")),
        counts_features_(params.text("/act_grad_n") == "features"),
        step_min_(static_cast<float>(params.number("/minimum"))) {
    set_codes(width_, finds_sign_ || params.flag("/signed"), false);
    has_negative_codes_ = is_signed_ ? 1 : 0;
  }

  void prepare(const qloom_prepare& in) {
    if (is_first_tensor()) initialise(in.x);
    require_groups(in.x);
    set_codes(width_, has_negative_codes_ != 0, false);
    resize(learned_[0].size());
    ones_.assign(learned_[0].size(), 1.0F);
    for (std::size_t g = 0; g < learned_[0].size(); ++g)
      set(g, learned_[0][g], 1.0F / learned_[0][g]);
    double elements = static_cast<double>(in.x.outer * in.x.inner);
    if (counts_features_ && in.x.rank > 0) elements /= static_cast<double>(in.x.shape[0]);
    factor_ = scales_gradient_ ? 1.0 / std::sqrt(std::max(elements, 1.0) * max_) : 1.0;
  }

  qloom_status backward(const qloom_call& call, const qloom_block& block, const float* x,
                        const float* dy, float* dx, double* sums) const noexcept {
    const float low = min_, high = max_;
    qloom_grid codes = grid();  // of which the values are the codes
    codes.scale = ones_.data();
    return for_each_piece(block, [&](const qloom_block& piece, std::uint64_t first) {
      float code[kPieceElements];
      const float *in = x + first, *gradient = dy + first, *const c = code;
      float* out = dx + first;
      const qloom_status status = kernels().affine(&call, &codes, &piece, in, code, nullptr);
      if (status != QLOOM_OK) return status;
      const auto slope = [=](float inverse, std::uint64_t i) {
        const float t = in[i] * inverse, g = gradient[i];
        const bool is_inside = t > low && t < high;
        const float passed = is_inside ? g : 0.0F, term = g * (c[i] - (is_inside ? t : 0.0F));
        out[i] = passed;
        return std::array{term};
      };
      sum_elements(piece, sums, entry_of(inv_scale_), slope, in + kPieceElements, gradient, out);
      return status;
    });
  }

  void learned_gradients(const double* sums, std::uint64_t groups, float* const* gradients) {
    for (std::uint64_t g = 0; g < groups; ++g) {
      gradients[0][g] = static_cast<float>(factor_ * sums[g]);
    }
  }
  void after_update() { keep_finite_and_above(0, step_min_); }
  template <class Archive>
  void state(Archive& archive) {
    LearnedValues::state(archive);
    archive("is_signed", has_negative_codes_);
  }

 private:
  [[nodiscard]] bool needs_data() const noexcept { return finds_sign_ || first_step_ == 0; }
  void initialise(const qloom_tensor& x) {
    if (needs_data()) require_first_tensor(x);
    if (finds_sign_) {
      const std::vector<double> lowest = reduce(x, QLOOM_REDUCE_MIN);
      const bool has_negative =
          std::any_of(lowest.begin(), lowest.end(), [](double value) { return value < 0; });
      has_negative_codes_ = has_negative ? 1 : 0;
      set_codes(width_, has_negative, false);
    }
    const std::vector<double> steps = first_steps(x);
    learned_[0].resize(x.groups);
    for (std::size_t g = 0; g < learned_[0].size(); ++g) {
      constexpr double kTop = std::numeric_limits<float>::max();
      const auto step = static_cast<float>(std::min(steps[g], kTop));
      learned_[0][g] = steps[g] > 0 ? std::max(step, step_min_) : 1.0F;
    }
  }

  /// The step per group by the rule of `init`; 0 for a group of zeros.
  [[nodiscard]] std::vector<double> first_steps(const qloom_tensor& x) const {
    if (first_step_ > 0) return std::vector<double>(x.groups, first_step_);
    if (init_ == "mse") return least_error_steps(x, min_, max_);
    if (init_ == "minmax") {
      std::vector<double> steps = reduce(x, QLOOM_REDUCE_ABS_MAX);
      for (double& step : steps) step /= max_;
      return steps;
    }
    std::vector<double> steps = reduce(x, QLOOM_REDUCE_ABS_SUM);
    const std::vector<double> count = reduce(x, QLOOM_REDUCE_COUNT);
    for (std::size_t g = 0; g < steps.size(); ++g) {
      steps[g] = count[g] > 0 ? 2.0 * (steps[g] / count[g]) / std::sqrt(max_) : 0.0;
    }
    return steps;
  }

  std::int64_t width_;
  double first_step_;  // 0: init_ says how to find it
  std::string init_;
  bool finds_sign_, scales_gradient_, counts_features_;
  float step_min_;
  double factor_ = 1;                    // of the step's gradient
  std::int32_t has_negative_codes_ = 1;  // fixed by the first tensor
  std::vector<float> ones_;              // as many
};

/// Step and sign are given: no tensor has to be seen.
class GivenLsq : public Lsq {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_USES_ROUNDING;
  static bool accepts(const Params& params) {
    return params.is_number("/initial") && params.is_flag("/signed");
  }
  using Lsq::Lsq;
};

}  // namespace

QLOOM_METHODS(QuantizerVariants<GivenLsq, Lsq>)
