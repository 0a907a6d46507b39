// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/layers/common/reader.hpp"

namespace qloom::layers {
namespace {

void read(Reader& reader, Layer& layer) {
  layer.has_bias = reader.value("bias", true);
  layer.initialisation = reader.value<std::string>("initialisation", "he");
  const auto& units = reader.required("units");
  layer.out = {1, 1, units.is_string() ? reader.classes() : units.get<std::int64_t>()};
}

ContractionShape contraction(const Layer& layer, std::int64_t batch) {
  return {.batch = batch, .in_c = layer.in.size(), .out_c = layer.out.channels};
}

}  // namespace

extern const LayerType kDense;
constinit const LayerType kDense{.name = "dense",
                                 .keys = {"units", "bias", "initialisation"},
                                 .read = read,
                                 .contraction = contraction};

}  // namespace qloom::layers
