// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/compile/routes/route.hpp"

#include <algorithm>

#include "host/tensor/parallel.hpp"

namespace qloom::compile {
namespace {

void start_values(const Route& route, std::int64_t rows, const std::int64_t* v, float* y) {
  const std::int64_t channels = route.channels();
  if (route.contraction != nullptr) {
    const Node& from = *route.contraction;
    return contraction::scale_integer_sums(from.input_operand, from.weight_operand, from.added(),
                                           channels, rows, v, y);
  }
  if (route.start != nullptr) {
    const bool has_one = route.scale.size() == 1;
    for (std::int64_t i = 0; i < rows * channels; ++i) {
      const double scale = route.scale[has_one ? 0 : static_cast<std::size_t>(i % channels)];
      y[i] = static_cast<float>(static_cast<double>(v[i] - route.zero_point) * scale);
    }
    return;
  }
  for (std::int64_t i = 0; i < rows * channels; ++i) {
    y[i] = route.pixels->values[static_cast<std::size_t>(v[i] * channels + i % channels)];
  }
}

}  // namespace

void encode(SiteQuantizer& site, const Tensor& values, const network::Phase& phase,
            std::vector<std::int32_t>& codes) {
  site.begin_forward(values, phase);
  site.encode(values, codes);
  const auto step = static_cast<std::int32_t>(site.coding().step());
  if (step == 1) return;
  for (std::int32_t& code : codes) code *= step;
}

std::vector<const Node*> movers_of(const Route& route) {
  std::vector<const Node*> movers;
  for (const Node* node : route.nodes) {
    const layers::LayerType& type = *node->layer->type;
    if (type.takes_largest() || type.same_bytes) movers.push_back(node);
  }
  return movers;
}

std::vector<const Node*> behind(const Route& route, const std::vector<const Node*>& movers,
                                std::size_t i) {
  if (i >= movers.size()) return {};
  return {std::find(route.nodes.begin(), route.nodes.end(), movers[i]), route.nodes.end()};
}

void pass_node(const Node& node, std::int64_t rows, std::int64_t channels, float* y) {
  if (node.norm != nullptr) return node.norm->apply(0, static_cast<std::uint64_t>(rows), y, y);
  if (node.type != Node::Type::kLayer) return;
  const layers::Elementwise& layer = node.layer->type->elementwise;
  if (layer.forward == nullptr) return;  // chooses or moves elements
  layer.forward(*node.layer, {}, {0, static_cast<std::uint64_t>(rows * channels)}, y, nullptr, y);
}

std::int64_t Route::channels() const {
  return begins_with() == nullptr ? pixels->channels : begins_with()->out_shape.channels;
}

std::size_t Route::nodes_before_pool() const {
  const auto pool = std::find_if(nodes.begin(), nodes.end(), [](const Node* node) {
    return node->type == Node::Type::kLayer && node->layer->type->takes_largest();
  });
  return static_cast<std::size_t>(pool - nodes.begin());
}

void values_of(const Route& route, std::size_t count, std::int64_t rows, const std::int64_t* v,
               Tensor& values) {
  const std::int64_t channels = route.channels();
  values.resize({rows, 1, 1, channels});
  constexpr std::int64_t kRows = 256;  // stay in the cache on their way
  for_each(static_cast<std::uint64_t>((rows + kRows - 1) / kRows), [&](std::uint64_t block) {
    const std::int64_t first = static_cast<std::int64_t>(block) * kRows;
    const std::int64_t n = std::min(kRows, rows - first);
    float* y = values.data() + first * channels;
    start_values(route, n, v + first * channels, y);
    for (std::size_t i = 0; i < count; ++i) pass_node(*route.nodes[i], n, channels, y);
  });
}

void codes_of(const Route& route, std::int64_t rows, const std::int64_t* v, std::uint64_t step,
              Tensor& values, std::vector<std::int32_t>& codes) {
  values_of(route, route.nodes.size(), rows, v, values);
  network::Phase phase = route.phase;
  phase.step = step;
  encode(*route.site, values, phase, codes);
}

}  // namespace qloom::compile
