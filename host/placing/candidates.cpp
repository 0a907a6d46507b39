// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/placing/candidates.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "host/json/names.hpp"
#include "host/network/groups.hpp"
#include "host/registry/registry.hpp"
#include "host/tensor/error.hpp"

namespace qloom::placing {
namespace {

using network::Layer;
using pipeline::Rule;
using pipeline::Written;
using sites::Owner;
using sites::Site;
using sites::Value;
using Names = std::vector<std::string>;

bool reads_input(const network::Model& model, const Layer& layer) {
  int i = layer.inputs[0];
  while (i >= 0) {
    const Layer& below = model.layers[static_cast<std::size_t>(i)];
    if (!below.type->hands_input_on) return false;
    i = below.inputs[0];
  }
  return true;
}

/// Does the layer have a place for the rule at all?
bool has_place(const Candidate& c, const Rule& rule) {
  if (rule.body.contains("norm")) return c.layer->is_norm();
  return std::any_of(rule.sites.begin(), rule.sites.end(),
                     [&c](const std::string& site) { return has_site(c, *sites::find(site)); });
}

bool writes(const Rule& rule, const std::string& site) {
  return std::any_of(rule.site_names.begin(), rule.site_names.end(),
                     [&](const Written& w) { return w.name == site; });
}

/// has_site(), or the site that takes its place in the rule: "input" and "activation" are both what
/// a contraction reads.
bool serves(const Candidate& c, const Rule& rule, const std::string& name) {
  const Site& site = *sites::find(name);
  if (has_site(c, site)) return true;
  const Site& input = sites::at(Owner::kContraction, Value::kNetworkInput);
  const Site& activation = sites::at(Owner::kContraction, Value::kInput);
  const Site* other = &site == &input ? &activation : &site == &activation ? &input : nullptr;
  return other != nullptr && writes(rule, other->name) && has_site(c, *other);
}

Names sites_of(const Candidate& c) {
  Names names;
  for (const Site& site : sites::table()) {
    if (has_site(c, site)) names.emplace_back(site.name);
  }
  return names;
}

/// What the rule puts somewhere, for messages.
std::string wanted(const Rule& rule) {
  if (rule.body.contains("norm")) return "a norm";
  std::string list;
  for (const std::string& site : rule.sites) list += (list.empty() ? "\"" : ", \"") + site + "\"";
  return (rule.sites.size() == 1 ? "the site " : "one of the sites ") + list;
}

/// What a message names in place of a site that a layer has not.
std::string instead_of(const std::string& site, const Names& sites) {
  if (sites::find(site)->owner != Owner::kLayer) return json::nearest_or_known(site, sites);
  return ": what it hands on are the logits; expected the site \"logits\"";
}

/// The entry names a layer, and one that has a place for the rule.
void check_entry(const Rule& rule, const Written& entry, const std::vector<Candidate>& layers) {
  const Site& output = sites::at(Owner::kLayer, Value::kOutput);
  Names known, with_place;
  bool matches = false;
  for (const Candidate& c : layers) {
    known.push_back(c.names.name);
    if (has_place(c, rule)) with_place.push_back(c.names.name);
    if (!pipeline::matches_layer(entry, c.names)) continue;
    if (has_place(c, rule)) return;
    matches = true;
  }
  known.insert(known.end(), {"first", "last"});
  if (!matches) {
    throw InputError(fmt::format("{}: \"{}\" matches no layer of the model{}", entry.where,
                                 entry.name, json::nearest_or_known(entry.name, known)));
  }
  throw InputError(fmt::format("{}: \"{}\" matches no layer with {}{}", entry.where, entry.name,
                               wanted(rule),
                               writes(rule, output.name) && rule.sites.size() == 1
                                   ? instead_of(output.name, {})
                                   : json::nearest_or_known(entry.name, with_place)));
}

/// A layer that is written out has every site that is written out.
void check_named(const Rule& rule, const Written& entry, const std::vector<Candidate>& layers) {
  for (const Candidate& c : layers) {
    const bool may_be_type = c.names.type == entry.name && !entry.is_exact;
    if (c.names.name != entry.name || may_be_type) continue;
    for (const Written& site : rule.site_names) {
      if (serves(c, rule, site.name)) continue;
      throw InputError(fmt::format("{}: layer \"{}\" has no site \"{}\"{}", site.where, entry.name,
                                   site.name, instead_of(site.name, sites_of(c))));
    }
  }
}

/// Some layer that the rule names has the site.
void check_site(const Rule& rule, const Written& site, const std::vector<Candidate>& layers) {
  Names known;
  for (const Candidate& c : layers) {
    if (!pipeline::matches_layer(rule, c.names)) continue;
    if (serves(c, rule, site.name)) return;
    for (const std::string& other : sites_of(c)) {
      if (std::find(known.begin(), known.end(), other) == known.end()) known.push_back(other);
    }
  }
  throw InputError(fmt::format("{}: none of the layers that the rule names has the site \"{}\"{}",
                               site.where, site.name, json::nearest_or_known(site.name, known)));
}

}  // namespace

std::vector<Candidate> candidates(const pipeline::Pipeline& pipeline, const network::Model& model) {
  // What may fold a norm, now or in a run before.
  const bool may_fold =
      !pipeline.procedures.empty() || !pipeline.start_from.empty() || !pipeline.weights.empty();
  std::vector<Candidate> list;
  const Layer *first = nullptr, *last = nullptr;
  for (const Layer& layer : model.layers) {
    if (!layer.is_contraction()) continue;
    if (first == nullptr) first = &layer;
    last = &layer;
  }
  const std::vector<int> last_of = network::last_of_groups(model);
  for (const Layer& layer : model.layers) {
    const Layer& output = model.layers[static_cast<std::size_t>(last_of[list.size()])];
    const bool contracts = layer.is_contraction();
    list.push_back({.layer = &layer,
                    .names = {layer.name, layer.type->name, &layer == first, &layer == last},
                    .reads_input = contracts && reads_input(model, layer),
                    .gives_logits = &layer == &model.layers.back(),
                    .output = &output == &model.layers.back() ? nullptr : &output,
                    .has_bias = contracts && (layer.has_bias || may_fold)});
  }
  return list;
}

bool has_site(const Candidate& c, const Site& site) {
  switch (site.owner) {
    case Owner::kNorm:
      return c.layer->is_norm();
    case Owner::kNetwork:
      return c.gives_logits;
    case Owner::kLayer:
      return c.output != nullptr;
    case Owner::kContraction:
      break;
  }
  if (!c.layer->is_contraction()) return false;
  if (site.value == Value::kNetworkInput) return c.reads_input;
  if (site.value == Value::kInput) return !c.reads_input;
  return site.value != Value::kBias || c.has_bias;
}

void check_selection(const Rule& rule, const std::vector<Candidate>& layers) {
  for (const Written& entry : rule.layers) check_entry(rule, entry, layers);
  for (const Written& entry : rule.layers) check_named(rule, entry, layers);
  for (const Written& site : rule.site_names) check_site(rule, site, layers);
}

}  // namespace qloom::placing
