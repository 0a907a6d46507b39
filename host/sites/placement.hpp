// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Which method acts where: the result of the rules for one epoch, the input of lowering.
#pragma once

#include <map>
#include <string>

#include "host/methods/accumulator.hpp"
#include "host/sites/site_quantizer.hpp"

namespace qloom::sites {

using methods::AccumulatorSpec;

struct Placement {
  std::map<SiteKey, QuantizerSpec> quantizers;  ///< site "norm": one for each slot
  std::map<SiteKey, AccumulatorSpec> accumulators;
  std::map<std::string, MethodSpec> norms;  ///< by layer name, one for each norm of the model
};

}  // namespace qloom::sites
