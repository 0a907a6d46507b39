// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// WRPN (Mishra et al., 2018): fixed grids for weights in [-1, 1] and activations in [0, 1].
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// weight:      n = 2^(bits-1) - 1, codes -n .. n;  activation: n = 2^bits - 1, codes 0 .. n
/// y = code / n, code = clamp(round(n x));  dx = dy where x lies between the ends, else 0
class Wrpn : public UniformGrid {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_USES_ROUNDING;

  explicit Wrpn(const Params& params) {
    const bool is_weight = params.text("/part") == "weight";
    if (is_weight && params.integer("/bits") == 1) {
      throw Error(QLOOM_E_INVALID, "/bits: 1 leaves weights no step, expected 2 or more");
    }
    set_codes(params.integer("/bits"), is_weight, is_weight);
    low_ = is_weight ? -1.0F : 0.0F;
  }
  void prepare(const qloom_prepare& in) {
    resize(in.x.groups);
    for (std::uint64_t g = 0; g < in.x.groups; ++g) set(g, 1.0F / max_, max_);
  }
  void backward(const qloom_call&, const qloom_block& block, const float* x, const float* dy,
                float* dx, double*) const noexcept {
    const float low = low_;
    for_each_element(block, entry_of(scale_), [=](float, std::uint64_t i) {
      dx[i] = x[i] >= low && x[i] <= 1.0F ? dy[i] : 0.0F;
    });
  }

 private:
  float low_;
};

}  // namespace

QLOOM_METHODS(Quantizer<Wrpn>)
