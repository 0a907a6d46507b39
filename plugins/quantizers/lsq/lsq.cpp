// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// LSQ (Esser et al., 2020): a uniform grid whose step size is learned.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>

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
class Lsq : public UniformGrid {
 public:
  static constexpr std::uint32_t kCaps =
      QLOOM_QUANTIZER_WANTS_FIRST_TENSOR | QLOOM_QUANTIZER_USES_ROUNDING;
  static constexpr std::uint64_t kSumsPerGroup = 1;  // d step
  static bool accepts(const Params&) { return true; }

  explicit Lsq(const Params& params)
      : width_(params.integer("/bits")),
        first_step_(params.is_number("/initial") ? params.number("/initial") : 0.0),
        init_(first_step_ > 0 ? "" : params.text("/initial")),
        finds_sign_(!params.is_flag("/signed")),
        scales_gradient_(params.flag("/grad_scale")),
        counts_features_(params.text("/act_grad_n") == "features"),
        step_min_(static_cast<float>(params.number("/minimum"))),
        rate_factor_(params.number("/rate_factor")) {
    set_codes(width_, finds_sign_ || params.flag("/signed"), false);
    has_negative_codes_ = is_signed_ ? 1 : 0;
  }

  void prepare(const qloom_prepare& in) {
    if (step_.empty()) initialise(in.x);
    if (step_.size() != in.x.groups) {
      throw Error(QLOOM_E_INVALID, concat("the tensor has ", in.x.groups, " groups, steps were ",
                                          "learned for ", step_.size()));
    }
    set_codes(width_, has_negative_codes_ != 0, false);
    resize(step_.size());
    ones_.assign(step_.size(), 1.0F);
    for (std::size_t g = 0; g < step_.size(); ++g) set(g, step_[g], 1.0F / step_[g]);
    double elements = static_cast<double>(in.x.outer * in.x.inner);
    if (counts_features_ && in.x.rank > 0) elements /= static_cast<double>(in.x.shape[0]);
    factor_ = scales_gradient_ ? 1.0 / std::sqrt(std::max(elements, 1.0) * max_) : 1.0;
  }

  qloom_status backward(const qloom_call& call, const qloom_block& block, const float* x,
                        const float* dy, float* dx, double* sums) const noexcept {
    qloom_status status = QLOOM_OK;
    const float low = min_, high = max_;
    qloom_grid codes = grid();  // of which the values are the codes
    codes.scale = ones_.data();
    for_each_piece(block, [&](const qloom_block& piece, std::uint64_t first) {
      float code[kPieceElements];
      const float *in = x + first, *gradient = dy + first, *const c = code;
      float* out = dx + first;
      if (status == QLOOM_OK) status = kernels().affine(&call, &codes, &piece, in, code, nullptr);
      if (status != QLOOM_OK) return;
      const auto slope = [=](float inverse, std::uint64_t i) {
        const float t = in[i] * inverse, g = gradient[i];
        const bool is_inside = t > low && t < high;
        const float passed = is_inside ? g : 0.0F, term = g * (c[i] - (is_inside ? t : 0.0F));
        out[i] = passed;
        return std::array{term};
      };
      sum_elements(piece, sums, entry_of(inv_scale_), slope, in + kPieceElements, gradient, out);
    });
    return status;
  }

  bool learned(std::uint32_t index, qloom_learned& out) {
    if (index > 0) return false;
    out.name = "step";
    out.value = step_.data();
    out.count = step_.size();
    out.rate_factor = rate_factor_;
    return true;
  }
  void learned_gradients(const double* sums, std::uint64_t groups, float* const* gradients) {
    for (std::uint64_t g = 0; g < groups; ++g) {
      gradients[0][g] = static_cast<float>(factor_ * sums[g]);
    }
  }
  void after_update() {
    for (float& step : step_) {
      if (!std::isfinite(step)) {
        throw Error(QLOOM_E_NUMERIC, concat("step is ", step, ", expected a finite value"));
      }
      step = std::max(step, step_min_);
    }
  }
  template <class Archive>
  void state(Archive& archive) {
    archive("step", step_);
    archive("is_signed", has_negative_codes_);
  }

 private:
  [[nodiscard]] bool needs_data() const noexcept { return finds_sign_ || first_step_ == 0; }
  void initialise(const qloom_tensor& x) {
    if (needs_data()) {
      if (x.data == nullptr) throw Error(QLOOM_E_ORDER, "the first tensor was not given");
      require_finite(x);
    }
    if (finds_sign_) {
      const std::vector<double> lowest = reduce(x, QLOOM_REDUCE_MIN);
      const bool has_negative =
          std::any_of(lowest.begin(), lowest.end(), [](double value) { return value < 0; });
      has_negative_codes_ = has_negative ? 1 : 0;
      set_codes(width_, has_negative, false);
    }
    const std::vector<double> steps = first_steps(x);
    step_.resize(x.groups);
    for (std::size_t g = 0; g < step_.size(); ++g) {
      constexpr double kTop = std::numeric_limits<float>::max();
      const auto step = static_cast<float>(std::min(steps[g], kTop));
      step_[g] = steps[g] > 0 ? std::max(step, step_min_) : 1.0F;
    }
  }

  /// The step per group by the rule of `init`; 0 for a group of zeros.
  [[nodiscard]] std::vector<double> first_steps(const qloom_tensor& x) const {
    if (first_step_ > 0) return std::vector<double>(x.groups, first_step_);
    if (init_ == "mse") return least_error_steps(x);
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

  /// Per group the best of kCandidates steps, even up to 1.2 max|x| / Qp, by squared error.
  [[nodiscard]] std::vector<double> least_error_steps(const qloom_tensor& x) const {
    constexpr int kCandidates = 120;
    const std::vector<double> largest = reduce(x, QLOOM_REDUCE_ABS_MAX);
    const double low = min_, high = max_;
    std::vector<double> steps(x.groups), least(x.groups, HUGE_VAL), candidate(x.groups), scratch;
    for (int i = 1; i <= kCandidates; ++i) {
      for (std::uint64_t g = 0; g < x.groups; ++g) candidate[g] = largest[g] / high * i / 100.0;
      const auto error = [=, data = x.data](double step, std::uint64_t e) {
        const double value = data[e], rounded = std::nearbyint(value / step);
        const double above = rounded > low ? rounded : low, code = above < high ? above : high;
        return std::array{(code * step - value) * (code * step - value)};
      };
      const std::vector<double> errors = sum_groups(x, scratch, entry_of(candidate), error);
      for (std::uint64_t g = 0; g < x.groups; ++g) {
        if (largest[g] == 0 || !(errors[g] < least[g])) continue;
        least[g] = errors[g];
        steps[g] = candidate[g];
      }
    }
    return steps;
  }

  std::int64_t width_;
  double first_step_;  // 0: init_ says how to find it
  std::string init_;
  bool finds_sign_, scales_gradient_, counts_features_;
  float step_min_;
  double rate_factor_;
  double factor_ = 1;                    // of the step's gradient
  std::int32_t has_negative_codes_ = 1;  // fixed by the first tensor
  std::vector<float> step_;              // learned; empty until the first tensor
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
