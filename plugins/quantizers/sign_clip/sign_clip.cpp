// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Binary networks from scratch (Bethge, Yang, Bornstein, Meinel, 2019): the plain sign.
#include <qloom/grids/sign_grid.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// y = sign(x), sign(0) = +1;  dx = dy where |x| <= end, else 0.
class SignClip : public UnitSign {
 public:
  explicit SignClip(const Params& params)
      : UnitSign(StraightThrough("hard_tanh", static_cast<float>(params.number("/end")), true)) {}
};

}  // namespace

QLOOM_METHODS(Quantizer<SignClip>)
