// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A bias at the scale of its contraction's products (Jacob et al., 2018).
#include <cmath>

#include <qloom/grids/integer_grid.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// s = float32(scale of the inputs * scale of the weights), one per output channel
/// code = clamp(round(x / s), -2^(bits-1), 2^(bits-1) - 1), the quotient in double
/// y = float32(code * s)
///
/// backward:  dx = dy where the rounded code was not clipped, else 0; ste identity: dx = dy
/// encoding:  affine, scale s, zero point 0
/// errors:    QLOOM_E_STATE without the scales of products; QLOOM_E_NUMERIC for one that is no
///            normal float32
class Product : public IntegerGrid {
 public:
  static constexpr std::uint32_t kCaps =
      QLOOM_QUANTIZER_WANTS_PRODUCTS | QLOOM_QUANTIZER_USES_ROUNDING;

  explicit Product(const Params& params) : is_clipped_(params.text("/ste") == "clipped") {
    constexpr std::int64_t kNarrow = 0;  // all quotients in double
    set_integer_codes(params.integer("/bits"), true, false, false, kNarrow);
  }

  void prepare(const qloom_prepare& in) {
    if (in.product_scales == nullptr) {
      throw Error(QLOOM_E_STATE, "no scales of products, expected the bias of a contraction");
    }
    resize(in.x.groups);
    for (std::size_t g = 0; g < in.x.groups; ++g) {
      const auto scale = static_cast<float>(in.product_scales[g]);
      if (!std::isnormal(scale) || !(scale > 0)) {
        throw Error(QLOOM_E_NUMERIC, concat("the products of channel ", g, " have the scale ",
                                            in.product_scales[g], ", which is no normal float32"));
      }
      set(g, scale, 1.0F / scale);
    }
  }

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

QLOOM_METHODS(Quantizer<Product>)
