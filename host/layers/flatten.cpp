// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/layers/common/reader.hpp"

namespace qloom::layers {
namespace {

void read(Reader&, Layer& layer) { layer.out = {1, 1, layer.in.size()}; }

}  // namespace

extern const LayerType kFlatten;
constinit const LayerType kFlatten{.name = "flatten",
                                   .read = read,
                                   .same_bytes = true,
                                   .sign = Sign::kOfInputs,
                                   .of_codes = OfCodes::kMoved,
                                   .hands_input_on = true};

}  // namespace qloom::layers
