// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The network's state is named arrays:
//   parameter/<layer>/<role>, norm/<layer>/<array>, norm/<layer>/@version, removed/<layer>
// and with everything: velocity/, second/, shadow/, held/, importance/, control/<layer>/<role>,
// shadow_norm/<layer>/ as norm/, site/<site>/<array>, learned/<site>/<name>/{velocity,second},
// overflows/<site>.
// A quantize node's arrays stand under its first reader; site/<site>/@methods, for each reader, is
// JSON text: the node's rule, or {"shares": "<site>/<layer>"} with the first reader.
#include "host/network/network.hpp"

#include <algorithm>
#include <utility>

#include "host/network/plan/lowering.hpp"

namespace qloom::network {

Network::Network(Model model, const registry::Registry& registry, std::uint64_t seed,
                 TrainingLength length)
    : graph(std::move(model)),
      parameters(seed),
      sites(registry, seed, length),
      norms(registry),
      accumulators(registry, seed),
      plan(accumulators, seed),
      registry_(&registry) {}

void Network::lower(const Placement& placement) {
  placement_ = placement;
  accumulators.place(placement_.accumulators);
  plan.set_nodes({});
  plan.set_nodes(Lowering(*registry_, graph, placement_, parameters, sites, norms).run());
}

void Network::remove_norm(int norm_layer) {
  const Layer& producer = graph.remove_norm(norm_layer);
  parameters.drop_norm(graph.layer(norm_layer).name);
  parameters.get(producer, QLOOM_ROLE_BIAS, {producer.out.channels}, 0);
  parameters.order(graph.model());
}

void Network::update(const OptimizerSettings& settings, const Phase& phase, std::uint64_t count) {
  for (Parameter* parameter : parameters.list()) {
    network::update(*parameter, settings, phase, count);
  }
  if (plan.last_pass().rules != Pass::Rules::kOn) return;  // learned parameters have no gradient
  sites.update(settings, count);
}

void Network::reset_optimizer() {
  for (Parameter* parameter : parameters.list()) {
    parameter->velocity = Tensor();
    parameter->second_moment = Tensor();
  }
  sites.reset_optimizer();
}

void Network::renew(const std::set<const registry::Method*>& methods) {
  auto renewed_sites = sites.renewed(methods);
  auto renewed_norms = norms.renewed(methods, graph.model());
  accumulators.try_anew(methods);
  sites.replace(std::move(renewed_sites));
  norms.replace(std::move(renewed_norms));
  accumulators.forget(methods);
  lower(Placement(placement_));
}

std::string Network::first_non_finite() const {
  std::string name = plan.first_non_finite();
  if (name.empty()) name = parameters.first_non_finite(plan.has_gradients());
  return name.empty() ? sites.first_non_finite() : name;
}

data::Arrays Network::save(bool everything) const {
  data::Arrays all;
  parameters.save(all, everything);
  norms.save(all, everything);
  graph.save(all);
  if (!everything) return all;
  sites.save(all);
  accumulators.save(all);
  return all;
}

void Network::load_structure(data::ArrayReader& reader) {
  for (const int norm : graph.removed_in(reader)) remove_norm(norm);
}

void Network::load_weights(data::ArrayReader& reader) {
  parameters.load_weights(reader);
  norms.load_weights(reader);
}

void Network::load_everything(data::ArrayReader& reader) {
  parameters.load_everything(reader);
  norms.load_everything(reader);
  load_shadows(*this, reader);
  sites.load(reader);
  accumulators.load(reader);
}

bool has_shadows(const Network& network) {
  const auto& list = network.parameters.list();
  return std::any_of(list.begin(), list.end(),
                     [](const Parameter* p) { return !p->shadow.empty(); });
}

void drop_shadows(Network& network) {
  for (Parameter* parameter : network.parameters.list()) parameter->shadow = Tensor();
  network.norms.drop_shadows();
}

void load_shadows(Network& network, data::ArrayReader& reader) {
  network.parameters.load_shadows(reader);
  network.norms.load_shadows(reader);
}

const Tensor& last_seen(const Network& network, const Parameter& parameter) {
  const Pass& pass = network.plan.last_pass();
  const bool is_quantized =
      acting(parameter, pass.phase) != nullptr && pass.rules == Pass::Rules::kOn;
  return is_quantized && !parameter.quantized.empty() ? parameter.quantized : parameter.value;
}

const Tensor& quantized(const Network& network, Parameter& parameter) {
  Phase phase = network.plan.last_pass().phase;
  const SiteQuantizer* const site = acting(parameter, phase);
  if (site == nullptr || !site->is_initialised()) return parameter.value;
  phase.training = false;
  parameter.forward->tell(stored_of(parameter));
  parameter.forward->forward(parameter.value, parameter.quantized, phase);
  return parameter.quantized;
}

void quantize(const Network& network, Parameter& parameter, const Tensor& x, Tensor& y) {
  Phase phase = network.plan.last_pass().phase;
  SiteQuantizer& site = *parameter.forward;
  site.tell(stored_of(parameter));
  phase.training = true;
  if (!site.is_initialised()) site.forward(x, y, phase);
  phase.training = false;
  site.forward(x, y, phase);
}

}  // namespace qloom::network
