// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Binarized Neural Networks (Courbariaux, Hubara, Soudry, El-Yaniv, Bengio, 2016): activations.
#include <qloom/grids/sign_grid.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// y = sign(x), sign(0) = +1;  dx = dy where |x| <= 1, else 0.
/// stochastic, in training: y = +1 with the probability clip((x + 1) / 2, 0, 1), else -1.
class BnnAct : public UnitSign {
 public:
  explicit BnnAct(const Params& params)
      : UnitSign(StraightThrough("hard_tanh", 1.0F, true)),
        is_stochastic_(params.flag("/stochastic")) {}

  qloom_status encode(const qloom_call& call, const qloom_block& block, const float* x,
                      std::int32_t* code) const noexcept {
    if (!draws(call)) return UnitSign::encode(call, block, x, code);
    encode_random(call, block, x, code);
    return QLOOM_OK;
  }
  qloom_status apply(const qloom_call& call, const qloom_block& block, const float* x,
                     float* y) const noexcept {
    if (draws(call)) return apply_by_codes(*this, call, block, x, y);
    UnitSign::apply(call, block, x, y);
    return QLOOM_OK;
  }

 private:
  [[nodiscard]] bool draws(const qloom_call& call) const noexcept {
    return is_stochastic_ && call.training != 0;
  }

  bool is_stochastic_;
};

}  // namespace

QLOOM_METHODS(Quantizer<BnnAct>)
