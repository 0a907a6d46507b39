// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/network/graph.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "host/tensor/error.hpp"

namespace qloom::network {

Graph::Graph(Model model) : model_(std::move(model)), is_removed_(model_.layers.size(), false) {}

int Graph::producer_of(int norm_layer) const {
  const int producer = model_.layers[static_cast<std::size_t>(norm_layer)].inputs[0];
  if (producer < 0 || !model_.layers[static_cast<std::size_t>(producer)].is_contraction())
    return -1;
  int readers = 0;
  for (const Layer& layer : model_.layers) {
    readers += static_cast<int>(std::count(layer.inputs.begin(), layer.inputs.end(), producer));
  }
  return readers == 1 ? producer : -1;
}

const Layer& Graph::remove_norm(int norm_layer) {
  const int producer = producer_of(norm_layer);
  if (producer < 0) {
    throw RunError(fmt::format("norm \"{}\" has no contraction of its own to be folded into",
                               layer(norm_layer).name));
  }
  is_removed_[static_cast<std::size_t>(norm_layer)] = true;
  Layer& contraction = model_.layers[static_cast<std::size_t>(producer)];
  contraction.has_bias = true;
  return contraction;
}

void Graph::save(data::Arrays& all) const {
  for (std::size_t i = 0; i < is_removed_.size(); ++i) {
    if (!is_removed_[i]) continue;
    all["removed/" + model_.layers[i].name] = {{1}, std::vector<std::int32_t>{1}};
  }
}

std::vector<int> Graph::removed_in(data::ArrayReader& reader) const {
  std::vector<int> norms;
  for (std::size_t i = 0; i < model_.layers.size(); ++i) {
    const std::string name = "removed/" + model_.layers[i].name;
    if (!reader.contains(name)) continue;
    const bool is_set = reader.read<std::int32_t>(name, {1})[0] != 0;
    if (!model_.layers[i].is_norm()) reader.refuse(name, "the name of a norm layer");
    if (is_set && !is_removed_[i]) norms.push_back(static_cast<int>(i));
  }
  return norms;
}

}  // namespace qloom::network
