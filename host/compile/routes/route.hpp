// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The way of a value from an exact integer to the next integer code, by the host's own functions.
#pragma once

#include <cstdint>
#include <vector>

#include "host/network/network.hpp"
#include "host/steps/proof.hpp"

namespace qloom::compile {

using network::Node;
using sites::SiteQuantizer;
using steps::Interval;

/// What bytes of an image mean: (256, channels), float32. Empty: images are no bytes.
struct Pixels {
  std::vector<float> values;
  std::int64_t channels = 1;
};

/// From the sums of a contraction, an add or an average pool, from codes that one of them has
/// become, or from the bytes of the image, over nodes that work element by element, to the codes of
/// a quantizer. Nodes that only choose or move elements are passed over.
struct Route {
  const Node* contraction = nullptr;  ///< whose sums it begins with
  const Node* start = nullptr;        ///< or the add, pool or node of codes
  bool begins_at_codes = false;       ///< of start
  std::vector<double> scale{};        ///< of the integers of start, less zero_point: one, or one
                                      ///< for each channel
  std::int64_t zero_point = 0;
  const Pixels* pixels = nullptr;
  std::vector<const Node*> nodes;  ///< in order
  SiteQuantizer* site = nullptr;
  network::Phase phase;  ///< of the evaluation that the program stands for

  /// The node whose integers it begins with; null: the image.
  [[nodiscard]] const Node* begins_with() const {
    return contraction != nullptr ? contraction : start;
  }
  /// Channels of what it begins with.
  [[nodiscard]] std::int64_t channels() const;
  /// Number of the first node behind a pool, or that of all nodes.
  [[nodiscard]] std::size_t nodes_before_pool() const;
};

/// The codes that the site makes of values in such a pass, as contractions take them.
void encode(SiteQuantizer& site, const Tensor& values, const network::Phase& phase,
            std::vector<std::int32_t>& codes);

/// Nodes of a route that choose or move elements.
[[nodiscard]] std::vector<const Node*> movers_of(const Route& route);
/// Nodes of a route from mover number i on.
[[nodiscard]] std::vector<const Node*> behind(const Route& route,
                                              const std::vector<const Node*>& movers,
                                              std::size_t i);

/// One node in place on (rows, channels), as a pass of evaluation does it; nodes that choose or
/// move elements leave them.
void pass_node(const Node& node, std::int64_t rows, std::int64_t channels, float* y);
/// Real values behind the first `count` nodes, of sums or bytes v, (rows, channels).
void values_of(const Route& route, std::size_t count, std::int64_t rows, const std::int64_t* v,
               Tensor& values);
/// The codes of v; `values` is work memory. `step`: of the evaluation, which only random words
/// depend on.
void codes_of(const Route& route, std::int64_t rows, const std::int64_t* v, std::uint64_t step,
              Tensor& values, std::vector<std::int32_t>& codes);

}  // namespace qloom::compile
