// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// LSQ (Esser et al., 2020): a uniform grid whose step size is learned.
#include <algorithm>
#include <cmath>
#include <string>

#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// t = x * (1 / step);  y = step * clamp(round(t), -Qn, Qp)
///
/// backward:  inside (-Qn < t < Qp): dx = dy, d step = dy * (round(t) - t); at t <= -Qn: dx = 0,
///            d step = -dy * Qn; at t >= Qp: dx = 0, d step = dy * Qp. The sum over the elements
///            that share the step is multiplied by 1 / sqrt(N * Qp).
/// encoding:  affine, scale = step, zero point 0
/// state:     step, one per group, from the first tensor; is_signed
class Lsq : public UniformGrid {
 public:
  static constexpr std::uint32_t kCaps =
      QLOOM_QUANTIZER_WANTS_FIRST_TENSOR | QLOOM_QUANTIZER_USES_ROUNDING;
  static constexpr std::uint64_t kSumsPerGroup = 1;  // d step

  explicit Lsq(const Params& params)
      : width_(params.integer("/bits")),
        first_step_(params.is_number("/init") ? params.number("/init") : 0.0),
        init_(first_step_ > 0 ? "" : params.text("/init")),
        finds_sign_(!params.is_flag("/signed")),
        scales_gradient_(params.flag("/grad_scale")),
        counts_features_(params.text("/act_grad_n") == "features"),
        step_min_(static_cast<float>(params.number("/s_min"))),
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
    for (std::size_t g = 0; g < step_.size(); ++g) set(g, step_[g], 1.0F / step_[g]);
    double elements = static_cast<double>(in.x.outer * in.x.inner);
    if (counts_features_ && in.x.rank > 0) elements /= static_cast<double>(in.x.shape[0]);
    factor_ = scales_gradient_ ? 1.0 / std::sqrt(std::max(elements, 1.0) * max_) : 1.0;
  }

  qloom_status backward(const qloom_call& call, const qloom_block& block, const float* x,
                        const float* dy, float* dx, double* sums) const noexcept {
    qloom_status status = QLOOM_OK;
    for_each_piece(block, [&](const qloom_block& piece, std::uint64_t first) {
      std::int32_t code[kPieceElements];
      float slope[kPieceElements];
      if (status == QLOOM_OK) status = encode(call, piece, x + first, code);
      if (status != QLOOM_OK) return;
      for_each_run(piece, [&](std::uint64_t begin, std::uint64_t count, std::uint64_t group) {
        const float inverse = inv_scale_[group], low = min_, high = max_;
        for (std::uint64_t i = begin; i < begin + count; ++i) {
          const float t = x[first + i] * inverse, g = dy[first + i];
          const bool is_inside = t > low && t < high;
          const float rounding = static_cast<float>(code[i]) - t;
          slope[i] = g * (is_inside ? rounding : t <= low ? low : high);
          dx[first + i] = is_inside ? g : 0.0F;
        }
        sums[group - block.group_first] += lane_sum(slope + begin, count);
      });
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
  void initialise(const qloom_tensor& x) {
    if (x.data == nullptr) throw Error(QLOOM_E_ORDER, "the first tensor was not given");
    require_finite(x);
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
      step_[g] = steps[g] > 0 ? std::max(static_cast<float>(steps[g]), step_min_) : 1.0F;
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
    constexpr std::uint64_t kCandidates = 120;
    const std::vector<double> largest = reduce(x, QLOOM_REDUCE_ABS_MAX);
    const auto candidate = [&](std::uint64_t i) {
      return largest[i / kCandidates] / max_ * static_cast<double>(i % kCandidates + 1) / 100.0;
    };
    std::vector<double> errors(x.groups * kCandidates, 0.0);
    for_each(errors.size(), [&](std::uint64_t i) noexcept {
      const double step = candidate(i);
      if (step == 0) return;
      for_each_in_group(x, i / kCandidates, [&](float value) {
        const double code = std::clamp(std::nearbyint(value / step), double{min_}, double{max_});
        errors[i] += (code * step - value) * (code * step - value);
      });
    });
    std::vector<double> steps(x.groups);
    for (std::uint64_t g = 0; g < x.groups; ++g) {
      const auto begin = errors.begin() + static_cast<std::ptrdiff_t>(g * kCandidates);
      const auto best = std::min_element(begin, begin + kCandidates) - errors.begin();
      steps[g] = candidate(static_cast<std::uint64_t>(best));
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
};

}  // namespace

QLOOM_METHODS(Quantizer<Lsq>)
