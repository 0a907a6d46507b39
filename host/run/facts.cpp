// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/run/facts.hpp"

#include <algorithm>
#include <cmath>

#include "host/methods/encoding.hpp"
#include "host/placing/placing.hpp"
#include "host/results/formats/formats.hpp"
#include "host/results/layer_statistics.hpp"

namespace qloom::run {
namespace {

using results::Storage;
using results::TensorFact;

/// The tensor as this node last encoded it; float32 without one.
Storage storage_at(const sites::SiteQuantizer* site, std::int64_t elements, bool is_sample) {
  const auto n = static_cast<std::uint64_t>(elements);
  if (site == nullptr) return results::storage_of({}, n, 0);
  qloom_encoding e = site->encoding();
  const Json granularity = sites::granularity_of(site->spec().quantizer);
  const std::uint64_t group = granularity.is_object() ? granularity.value("group", 0U) : 0;
  if (is_sample) {  // the node has seen a batch
    e.stored_bits = 0;
    if (group > 0) e.groups = std::min(e.groups, (n + group - 1) / group);
    if (site->is_per_sample()) e.groups = 1;
  }
  return results::storage_of(e, n, group);
}

std::vector<TensorFact> parameter_facts(network::Network& network) {
  std::vector<TensorFact> facts;
  for (const network::Parameter* p : network.parameters.list()) {
    TensorFact fact;
    fact.name = p->name();
    fact.shape = p->value.shape();
    fact.elements = static_cast<std::int64_t>(p->value.size());
    // An averaged weight (shadow) is what evaluation uses, in float32.
    const sites::SiteQuantizer* site = p->shadow.empty() ? network::acting(*p, {}) : nullptr;
    if (site != nullptr) fact.bits = methods::mean_bits(site->encoding());
    if (p->on_update != nullptr) fact.stored_bits = p->on_update->bits();
    fact.is_weight = p->role == QLOOM_ROLE_WEIGHT;
    fact.storage = storage_at(site, fact.elements, false);
    if (p->control.storage_bits >= 0 && p->shadow.empty()) {
      fact.storage = {static_cast<std::uint64_t>(std::ceil(p->control.storage_bits)), 0};
    }
    facts.push_back(std::move(fact));
  }
  return facts;
}

std::vector<TensorFact> activation_facts(const network::Network& network) {
  std::vector<TensorFact> facts;
  const auto& nodes = network.plan.nodes();
  for (const auto& node : nodes) {
    if (node->weight == nullptr) continue;
    const network::Node& from = *nodes[static_cast<std::size_t>(node->inputs[0])];
    const sites::SiteQuantizer* site =
        from.type == network::Node::Type::kQuantize ? from.site.get() : from.grid;
    TensorFact fact;
    fact.name = "input of " + node->name;
    fact.elements = from.out_shape.size();
    if (site != nullptr) fact.bits = methods::mean_bits(site->encoding());
    fact.storage = storage_at(site, fact.elements, true);
    facts.push_back(std::move(fact));
  }
  return facts;
}

/// The moments at which rules with "from" began to act, up to where the run stands, and those at
/// which procedures added rules.
std::vector<results::Swap> swaps_of(const Setup& setup, const RunState& state) {
  std::vector<results::Swap> swaps;
  const Json& added = state.facts.added_rules;
  // With the first `rules` that procedures added.
  const auto placement_of = [&](placing::Moment done, std::size_t rules) {
    return placing::place(setup.pipeline, state.network->graph.model(), setup.registry, done,
                          std::span(state.added_rules).first(rules));
  };
  const auto placement = [&](placing::Moment done) {
    const auto rules = std::ranges::count_if(
        added, [&](const Json& rule) { return rule["step"].get<std::uint64_t>() < done.steps; });
    return placement_of(done, static_cast<std::size_t>(rules));
  };
  const std::uint64_t per_epoch = setup.batches.per_epoch();
  for (const placing::Moment now : placing::changes(setup.pipeline, per_epoch)) {
    if (now.steps == 0 || now.steps > state.cursor.steps) continue;
    const placing::Moment earlier{(now.steps - 1) / per_epoch, now.steps - 1};
    swaps.push_back({now.epochs, now.steps, placement(earlier), placement(now)});
  }
  for (std::size_t i = 0; i < added.size(); ++i) {
    const placing::Moment now{added[i]["epoch"], added[i]["step"]};
    swaps.push_back({now.epochs, now.steps, placement_of(now, i), placement_of(now, i + 1)});
  }
  return swaps;
}

}  // namespace

results::RunFacts facts_of(const Setup& setup, const RunState& state, int threads) {
  results::RunFacts facts = state.facts;
  const pipeline::Pipeline& pipeline = setup.pipeline;
  const data::Dataset& dataset = setup.batches.dataset;
  network::Network& network = *state.network;
  // First: its pass shows each grid once more.
  facts.layer_statistics =
      results::layer_statistics(network, dataset, pipeline.normalisation, state.cursor.epochs);
  for (network::Parameter* p : network.parameters.list()) {  // which the pass saw as averages
    if (!p->shadow.empty()) static_cast<void>(network::quantized(network, *p));
  }
  facts.name = pipeline.name;
  facts.pipeline_file = std::filesystem::absolute(pipeline.file).lexically_normal().string();
  facts.model = network.graph.model().name;
  facts.dataset = dataset.name;
  facts.seed = pipeline.seed;
  facts.steps = state.cursor.steps;
  facts.steps_per_epoch = setup.batches.per_epoch();
  facts.recipe = pipeline.recipe;
  facts.configuration = pipeline::configuration(pipeline, setup.registry);
  facts.warnings = state.warnings.list();
  facts.swaps = swaps_of(setup, state);
  facts.parameters = parameter_facts(network);
  facts.activations = activation_facts(network);
  facts.formats = results::formats_of(network, results::FormatsOf::kForward);
  facts.formats.update(facts.formats_of_training);
  for (const auto& [key, site] : network.sites.all()) {
    facts.sites[key.text()] = {site->spec().quantizer.method->id, site->bits()};
  }
  facts.overflows = network.accumulators.overflows();
  facts.threads = threads;
  return facts;
}

}  // namespace qloom::run
