// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// XNOR-Net (Rastegari, Ordonez, Redmon, Farhadi, 2016): binary activations.
#include <qloom/grids/sign_grid.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// y = sign(x), sign(0) = +1;  dx = dy where |x| < 1, else 0.
/// Deviation: without the scale map K, as in the authors' code.
class XnorAct : public UnitSign {
 public:
  explicit XnorAct(const Params&) : UnitSign(StraightThrough("hard_tanh", 1.0F, false)) {}
};

}  // namespace

QLOOM_METHODS(Quantizer<XnorAct>)
