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
/// Until mask_epoch training epochs are done dx = dy everywhere.
class BnnAct : public UnitSign {
 public:
  explicit BnnAct(const Params& params)
      : UnitSign(StraightThrough("hard_tanh", 1.0F, true)),
        is_stochastic_(params.flag("/stochastic")),
        mask_epoch_(static_cast<std::uint64_t>(params.integer("/mask_epoch"))) {}

  void prepare(const qloom_prepare& in) {
    UnitSign::prepare(in);
    masks_ = in.epoch >= mask_epoch_;
  }

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
  void backward(const qloom_call& call, const qloom_block& block, const float* x, const float* dy,
                float* dx, double* sums) const noexcept {
    if (!masks_) return pass_through(dy, dx, block.n);
    UnitSign::backward(call, block, x, dy, dx, sums);
  }

 private:
  [[nodiscard]] bool draws(const qloom_call& call) const noexcept {
    return is_stochastic_ && call.training != 0;
  }

  bool is_stochastic_;
  std::uint64_t mask_epoch_;
  bool masks_ = true;  // of the last prepare()
};

}  // namespace

QLOOM_METHODS(Quantizer<BnnAct>)
