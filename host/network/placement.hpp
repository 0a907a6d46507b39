// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Which method acts where: the result of the rules for one epoch, the input of lowering.
#pragma once

#include <map>
#include <string>

#include "host/network/site_quantizer.hpp"

namespace qloom::network {

struct AccumulatorSpec {
  MethodSpec accumulator, rounding;
  bool operator==(const AccumulatorSpec&) const = default;
};

/// Keys are "<site>/<layer>", for instance "weight/conv1", "accumulator.dx/conv1"; "norm/<layer>"
/// for all internals of a norm, "norm/<layer>/<slot>" for one. norms: by layer name, one for each
/// norm layer of the model.
struct Placement {
  std::map<std::string, QuantizerSpec> quantizers;
  std::map<std::string, AccumulatorSpec> accumulators;
  std::map<std::string, MethodSpec> norms;
};

}  // namespace qloom::network
