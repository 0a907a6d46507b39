// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Quantized weights of any quantizer with the mean, or mean and norm, of the weights they stand
// for.
#include <qloom/grids/weight_repair.hpp>
#include <qloom/kinds/nested.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

struct Inside : NestedQuantizer {
  Inside(const Params& params, const qloom_site* site)
      : NestedQuantizer(params, "/quantizer", site) {}
};

}  // namespace

QLOOM_METHODS(Quantizer<Repaired<Inside>>)
