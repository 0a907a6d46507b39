// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Fixed point (Gupta et al., 2015): s<bits>.<fraction_bits> or u<bits>.<fraction_bits>.
#include <cmath>

#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// s = 2^-fraction_bits;  y = s * clamp(round(x / s), code_min, code_max): saturates.
///
/// x / s is exact: s is a power of two. Needs no range and no data; granularity has no meaning.
/// backward:  dx = dy where the rounded code was not clipped, else 0; ste identity: dx = dy
/// encoding:  affine, scale s, zero point 0
class FixedPoint : public UniformGrid {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_USES_ROUNDING;

  explicit FixedPoint(const Params& params) : is_clipped_(params.text("/ste") == "clipped") {
    const bool is_symmetric = params.flag("/signed") && params.flag("/symmetric");
    set_codes(params.integer("/bits"), params.flag("/signed"), is_symmetric);
    if (min_ >= max_) {
      throw Error(QLOOM_E_INVALID, "/bits: 1 signed symmetric bit has one code, expected 2 bits");
    }
    const auto fraction_bits = static_cast<int>(params.integer("/fraction_bits"));
    resize(1);
    set(0, std::ldexp(1.0F, -fraction_bits), std::ldexp(1.0F, fraction_bits));
  }

  void prepare(const qloom_prepare&) {}

  qloom_status backward(const qloom_call& call, const qloom_block& block, const float* x,
                        const float* dy, float* dx, double*) const noexcept {
    if (is_clipped_) return masked_backward(call, block, x, dy, dx);
    pass_through(dy, dx, block.n);
    return QLOOM_OK;
  }

 private:
  bool is_clipped_;
};

}  // namespace

QLOOM_METHODS(Quantizer<FixedPoint>)
