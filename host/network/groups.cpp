// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/network/groups.hpp"

namespace qloom::network {
namespace {

bool begins_group(const Layer& layer) {
  const layers::OfCodes of_codes = layer.type->of_codes;
  return layer.is_contraction() || of_codes == layers::OfCodes::kSum ||
         of_codes == layers::OfCodes::kMean;
}

bool continues_group(const Layer& layer) {
  const bool is_function = layer.type->elementwise.forward != nullptr && layer.inputs.size() == 1;
  return layer.is_norm() || is_function;
}

}  // namespace

std::vector<int> last_of_groups(const Model& model) {
  const std::size_t count = model.layers.size();
  std::vector<int> readers(count, 0), first(count), last(count);
  for (const Layer& layer : model.layers) {
    for (const int i : layer.inputs) {
      if (i >= 0) ++readers[static_cast<std::size_t>(i)];
    }
  }
  for (std::size_t i = 0; i < count; ++i) {  // the first layer of each group, and its last so far
    const Layer& layer = model.layers[i];
    const int input = layer.inputs[0];
    first[i] = last[i] = static_cast<int>(i);
    if (!continues_group(layer) || input < 0) continue;
    const auto before = static_cast<std::size_t>(input);
    const auto start = static_cast<std::size_t>(first[before]);
    if (readers[before] != 1 || !begins_group(model.layers[start])) continue;
    first[i] = first[before];
    last[start] = static_cast<int>(i);
  }
  for (std::size_t i = 0; i < count; ++i) last[i] = last[static_cast<std::size_t>(first[i])];
  return last;
}

}  // namespace qloom::network
