// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A blend of x and Q(x), whose share of Q rises in training until nothing else is left.
#include <algorithm>
#include <array>
#include <cstdint>

#include <qloom/kinds/nested.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// y = (1 - alpha) x + alpha Q(x) in double, rounded once: x itself at alpha 0, Q(x) at 1.
///
/// backward:  dx = (1 - alpha) dy, or dy with use_ste; what Q learns has alpha times its gradient
/// state:     alpha of the last training step, and that of Q
/// errors:    no codes and no encoding while alpha is below 1
class AlphaBlend : public NestedQuantizer {
 public:
  AlphaBlend(const Params& params, const qloom_site* site)
      : NestedQuantizer(params, "/quantizer", site),
        start_(static_cast<std::uint64_t>(params.integer("/start_step"))),
        ends_with_run_(!params.is_number("/finish_step")),
        exponent_(params.integer("/exponent")),
        update_every_(static_cast<std::uint64_t>(params.integer("/update_every"))),
        uses_ste_(params.flag("/use_ste")) {
    finish_ = ends_with_run_ ? start_ : static_cast<std::uint64_t>(params.integer("/finish_step"));
    if (finish_ < start_) {
      throw Error(QLOOM_E_INVALID, concat("/finish_step: ", finish_,
                                          " is before start_step, expected ", start_, " or more"));
    }
  }

  void prepare(const qloom_prepare& in) {
    NestedQuantizer::prepare(in);
    if (in.training != 0) {
      trained_ = alpha_ = at(in.step, in.total_steps);
    } else {
      alpha_ = trained_ >= 0.0 && trained_ <= 1.0 ? trained_ : at(0, in.total_steps);
    }
  }
  qloom_status apply(const qloom_call& call, const qloom_block& block, const float* x,
                     float* y) const noexcept {
    if (alpha_ == 0.0) {
      pass_through(x, y, block.n);
      return QLOOM_OK;
    }
    const qloom_status status = NestedQuantizer::apply(call, block, x, y);
    if (status != QLOOM_OK || alpha_ == 1.0) return status;
    vectorized([x, y, n = block.n, share = alpha_] {
      QLOOM_INDEPENDENT_STEPS
      for (std::uint64_t i = 0; i < n; ++i) {
        y[i] = static_cast<float>((1.0 - share) * double{x[i]} + share * double{y[i]});
      }
    });
    return QLOOM_OK;
  }
  qloom_status encode(const qloom_call& call, const qloom_block& block, const float* x,
                      std::int32_t* code) const noexcept {
    if (alpha_ == 1.0) return NestedQuantizer::encode(call, block, x, code);
    write_error(call.error, QLOOM_E_UNSUPPORTED, "a blend has no codes, alpha is below 1");
    return QLOOM_E_UNSUPPORTED;
  }
  void encoding(qloom_encoding& out) const {
    if (alpha_ != 1.0) {
      throw Error(QLOOM_E_UNSUPPORTED, concat("a blend has no encoding, alpha is ", alpha_));
    }
    NestedQuantizer::encoding(out);
  }

  qloom_status backward(const qloom_call& call, const qloom_block& block, const float* x,
                        const float* dy, float* dx, double* sums) const noexcept {
    if (learns() && alpha_ > 0.0) {
      const qloom_status status = add_sums(call, block, x, dy, sums);
      if (status != QLOOM_OK) return status;
    }
    if (uses_ste_ || alpha_ == 0.0) {
      pass_through(dy, dx, block.n);
      return QLOOM_OK;
    }
    vectorized([dy, dx, n = block.n, keep = static_cast<float>(1.0 - alpha_)] {
      QLOOM_INDEPENDENT_STEPS
      for (std::uint64_t i = 0; i < n; ++i) dx[i] = keep * dy[i];
    });
    return QLOOM_OK;
  }
  void learned_gradients(const double* sums, std::uint64_t groups, float* const* gradients) {
    NestedQuantizer::learned_gradients(sums, groups, gradients);
    qloom_learned one{};
    one.struct_size = sizeof one;
    for (std::uint32_t i = 0; learned(i, one); ++i) {
      for (std::uint64_t j = 0; j < one.count; ++j) {
        gradients[i][j] = static_cast<float>(alpha_ * double{gradients[i][j]});
      }
    }
  }

  template <class Archive>
  void state(Archive& archive) {
    archive("alpha", trained_);
    NestedQuantizer::state(archive);
  }

 private:
  /// alpha of a training step.
  [[nodiscard]] double at(std::uint64_t step, std::uint64_t total_steps) const noexcept {
    const std::uint64_t last = total_steps > 0 ? total_steps - 1 : 0;
    const std::uint64_t finish = ends_with_run_ ? std::max(start_, last) : finish_;
    if (step >= finish) return 1.0;
    if (step < start_) return 0.0;
    const std::uint64_t moved = step - (step - start_) % update_every_;
    const double left = static_cast<double>(finish - moved) / static_cast<double>(finish - start_);
    double power = left;
    for (std::int64_t i = 1; i < exponent_; ++i) power *= left;
    return 1.0 - power;
  }
  [[nodiscard]] bool learns() const noexcept {
    return ops().learned != nullptr && ops().backward != nullptr;
  }
  /// What Q learns from; its gradient of x goes nowhere. One call for a block of the host.
  qloom_status add_sums(const qloom_call& call, const qloom_block& block, const float* x,
                        const float* dy, double* sums) const noexcept {
    std::array<float, kMostAtOnce> nowhere;
    for (std::uint64_t i = 0; i < block.n; i += kMostAtOnce) {
      qloom_block part = block;
      part.first += i;
      part.n = std::min(block.n - i, kMostAtOnce);
      const qloom_status status =
          NestedQuantizer::backward(call, part, x + i, dy + i, nowhere.data(), sums);
      if (status != QLOOM_OK) return status;
    }
    return QLOOM_OK;
  }

  static constexpr std::uint64_t kMostAtOnce = 4096;

  std::uint64_t start_;
  bool ends_with_run_;  // alpha reaches 1 in the run's last step
  std::int64_t exponent_;
  std::uint64_t update_every_, finish_ = 0;
  bool uses_ste_;
  double trained_ = -1.0;  // below 0: no training step yet
  double alpha_ = 0.0;
};

}  // namespace

QLOOM_METHODS(Quantizer<AlphaBlend>)
