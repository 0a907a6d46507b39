// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The sign of activations, with a choice of straight-through estimators.
#include <qloom/grids/sign_grid.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// y = sign(x), sign(0) = +1;  dx = dy * slope(x), the slope as StraightThrough defines it.
class SignAct : public UnitSign {
 public:
  explicit SignAct(const Params& params) : UnitSign(StraightThrough(params)) {}
};

}  // namespace

QLOOM_METHODS(Quantizer<SignAct>)
