// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// From a graph and a placement to nodes; quantize nodes stand between the layers, which know
// nothing of them. The only place that knows where they stand.
#pragma once

#include <vector>

#include "host/network/graph.hpp"
#include "host/network/norms.hpp"
#include "host/network/parameters.hpp"
#include "host/network/plan/node.hpp"
#include "host/network/site_table.hpp"

namespace qloom::network {

class Lowering {
 public:
  Lowering(const registry::Registry& registry, const Graph& graph, const Placement& placement,
           Parameters& parameters, SiteTable& sites, Norms& norms);
  /// Once. Each reader of a quantize node keeps what its node held before, whether it had that node
  /// for itself or shared it, where keeps_state() allows it.
  [[nodiscard]] Nodes run();

 private:
  /// The node that quantizes what node `input` hands on, or at sites of errors what comes back to
  /// it, for one reader; `input` without a rule.
  int add_quantize(const SiteKey& key, int input, std::int64_t fan_in = 0);
  void add_layer(int index);
  /// Node `last` of the layer, or behind it the one that codes it for all readers.
  int add_output(const Layer& layer, int last);
  /// Whose codes a layer's node may hand on, and whether it reads codes.
  void find_grid(Node& node) const;
  void count_readers();
  void lower_contraction(Node& node);
  void lower_norm(Node& node, int index);
  /// InputError when an integer accumulator would get operands without integer codes.
  void check_accumulators(const Node& node) const;
  /// InputError when a bias would be coded by the scale of sums that are no integers.
  void check_bias(const Node& node, const SiteKey& read, int input) const;
  /// InputError when groups of a weight, or of what becomes of it, reach over an output channel.
  /// InputError where a requantizer stands behind sums whose accumulator adds no integers.
  void check_register(const Node& quantize) const;
  void check_weight_groups(const Parameter& weight, const Layer& layer) const;
  void attach_update_sites(Parameter& parameter, const Layer& layer);
  [[nodiscard]] bool is_after_relu(int node) const;
  [[nodiscard]] bool is_network_input(int node) const;

  const registry::Registry& registry_;
  const Graph& graph_;
  const Placement& placement_;
  Parameters& parameters_;
  SiteTable& sites_;
  Norms& norms_;
  Nodes nodes_;
  std::vector<int> node_of_layer_;
};

}  // namespace qloom::network
