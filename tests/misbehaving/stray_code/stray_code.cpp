// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Integers from -8 to 7, and from step 5 on a code that its encoding does not have, or a refusal;
// or an encoding with groups that the tensor does not have.
#include <algorithm>
#include <array>
#include <cmath>

#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

class StrayCode {
 public:
  StrayCode(const Params& params, const qloom_site*)
      : refuses_(params.flag("/refuses")),
        groups_(static_cast<std::uint64_t>(params.integer("/groups"))) {}

  void prepare(const qloom_prepare& in) { is_due_ = in.step >= 5; }
  void apply(const qloom_call&, const qloom_block& block, const float* x, float* y) const noexcept {
    for (std::uint64_t i = 0; i < block.n; ++i) y[i] = std::clamp(std::rint(x[i]), -8.0F, 7.0F);
  }
  qloom_status encode(const qloom_call& call, const qloom_block& block, const float* x,
                      std::int32_t* code) const noexcept {
    if (is_due_ && refuses_) return QLOOM_E_INVALID;
    for (std::uint64_t i = 0; i < block.n; ++i) {
      float y = 0;
      apply(call, {.n = 1}, x + i, &y);
      code[i] = is_due_ && block.first + i == 3 ? 99 : static_cast<std::int32_t>(y);
    }
    return QLOOM_OK;
  }
  void decode(const qloom_block& block, const std::int32_t* code, float* y) const noexcept {
    for (std::uint64_t i = 0; i < block.n; ++i) y[i] = static_cast<float>(code[i]);
  }
  void encoding(qloom_encoding& out) const {
    out.kind = QLOOM_ENCODING_AFFINE;
    out.bits = 4;
    out.is_signed = 1;
    out.groups = groups_;
    out.grid = {&one_, &one_, nullptr, &zero_, &lo_, &hi_};
  }

 private:
  bool refuses_, is_due_ = false;
  std::uint64_t groups_;
  float one_ = 1;
  std::int32_t zero_ = 0, lo_ = -8, hi_ = 7;
};

}  // namespace

QLOOM_METHODS(Quantizer<StrayCode>)
