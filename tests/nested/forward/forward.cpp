// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <qloom/kinds/nested.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

struct Forward : NestedQuantizer {
  Forward(const Params& params, const qloom_site* site)
      : NestedQuantizer(params, "/quantizer", site) {}
};

}  // namespace

QLOOM_METHODS(Quantizer<Forward>)
