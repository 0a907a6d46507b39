// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/compile/repeatable.hpp"

#include <cstring>

namespace qloom::compile {

std::vector<Refusal> random_places(network::Network& network, const Tensor& images,
                                   const network::Pass& pass) {
  network.plan.fuse(false);
  network::Pass other = pass;
  ++other.phase.step;
  network.plan.forward(images, other);
  std::vector<Tensor> values;
  for (const auto& node : network.plan.nodes()) values.push_back(*node->value);
  network.plan.forward(images, pass);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Node& node = *network.plan.nodes()[i];
    const Tensor& now = *node.value;
    if (std::memcmp(values[i].data(), now.data(), now.size() * sizeof(float)) == 0) continue;
    const bool is_layer = node.type == Node::Type::kLayer;
    return {{is_layer ? node.layer->name : node.keys[0].layer,
             "its values differ from step to step of evaluation: a rounding at random at its "
             "weights, bias, input or statistics",
             {}}};
  }
  return {};
}

}  // namespace qloom::compile
