// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/experiment/placing.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/tensor/error.hpp"

namespace qloom::experiment {
namespace {

using network::Layer;
using network::LayerType;
using registry::Json;

constexpr const char* kNormSlots[] = {"mean", "inv_scale", "gamma", "beta"};

/// What a layer offers to rules.
struct Candidate {
  const Layer* layer;
  bool is_first, is_last;  // among the contractions
  bool reads_input;        // the network's input reaches it without a contraction between
  bool gives_logits;       // the model's last layer
};

bool reads_input(const network::Model& model, const Layer& layer) {
  int i = layer.inputs[0];
  while (i >= 0) {
    const Layer& below = model.layers[static_cast<std::size_t>(i)];
    if (below.type != LayerType::kFlatten && below.type != LayerType::kMaxPool &&
        below.type != LayerType::kAveragePool) {
      return false;
    }
    i = below.inputs[0];
  }
  return true;
}

std::vector<Candidate> candidates(const network::Model& model) {
  std::vector<Candidate> list;
  const Layer *first = nullptr, *last = nullptr;
  for (const Layer& layer : model.layers) {
    if (!layer.is_contraction()) continue;
    if (first == nullptr) first = &layer;
    last = &layer;
  }
  for (const Layer& layer : model.layers) {
    list.push_back({&layer, &layer == first, &layer == last,
                    layer.is_contraction() && reads_input(model, layer),
                    &layer == &model.layers.back()});
  }
  return list;
}

bool has_site(const Candidate& c, const std::string& site) {
  if (site == "norm") return c.layer->type == LayerType::kNorm;
  if (site == "logits") return c.gives_logits;
  if (!c.layer->is_contraction()) return false;
  if (site == "input") return c.reads_input;
  if (site == "activation") return !c.reads_input;
  if (site == "bias") return true;  // a bias may appear later, when a norm is folded
  return true;
}

network::MethodSpec method(const registry::Registry& registry, const std::string& kind,
                           const Json& object, const std::string& where) {
  Json params = object;
  const std::string id = params.at("plugin").get<std::string>();
  params.erase("plugin");
  const registry::Method& found = registry.require(kind, id, where + "/plugin");
  return {&found, registry.resolve_parameters(found, params, where), where};
}

class Placer {
 public:
  Placer(const registry::Registry& registry, network::Placement& out)
      : registry_(registry), out_(out) {}

  void apply(const pipeline::Rule& rule, const std::vector<Candidate>& layers) {
    rule_ = &rule;
    quantizer_.reset();
    bool any_layer = false, any_site = false;
    for (const Candidate& c : layers) {
      if (!pipeline::matches_layer(rule, c.layer->name, network::name(c.layer->type), c.is_first,
                                   c.is_last)) {
        continue;
      }
      any_layer = true;
      if (rule.body.contains("norm") && c.layer->type == LayerType::kNorm) {
        out_.norms[c.layer->name] =
            method(registry_, "norm", rule.body["norm"], rule.where + "/norm");
        any_site = true;
      }
      for (const std::string& site : rule.sites) any_site |= place(c, site);
    }
    if (!any_layer) {
      std::vector<std::string> names{"first", "last"};
      for (const Candidate& c : layers) names.push_back(c.layer->name);
      const std::string nearest =
          rule.layers.size() == 1 ? registry::nearest_name(rule.layers[0], names) : "";
      throw InputError(fmt::format("{}/layers: [{}] match no layer of the model{}", rule.where,
                                   fmt::join(rule.layers, ", "),
                                   nearest.empty() ? "" : ", did you mean \"" + nearest + "\"?"));
    }
    if (!any_site) {
      throw InputError(fmt::format("{}/site: none of the layers that the rule names has site [{}]",
                                   rule.where, fmt::join(rule.sites, ", ")));
    }
  }

 private:
  bool place(const Candidate& c, const std::string& site) {
    if (!has_site(c, site)) return false;
    const std::string key = site + "/" + c.layer->name;
    if (site.starts_with("accumulator")) {
      place_accumulator(key);
      return true;
    }
    const bool is_clamp_only = rule_->body.contains("clamp") && !rule_->body.contains("quantizer");
    if (!rule_->body.contains("quantizer") && !is_clamp_only) return true;
    std::vector<std::string> keys{key};
    if (site == "norm") {
      keys.clear();
      for (const char* slot : kNormSlots) {
        if (!rule_->slot || *rule_->slot == slot) keys.push_back(key + "/" + slot);
      }
    }
    if (!is_clamp_only && site.starts_with("error.") && rule_->body["quantizer"].is_null()) {
      split_error(site, c.layer->name);
    }
    for (const std::string& k : keys) {
      if (is_clamp_only) {
        clamp(k);
      } else if (rule_->body["quantizer"].is_null()) {
        out_.quantizers.erase(k);
      } else {
        out_.quantizers[k] = quantizer();
      }
    }
    // A quantizer for "error" is about both of its uses: it outdoes earlier ones for one of them.
    if (site == "error" && !is_clamp_only) {
      out_.quantizers.erase("error.dx/" + c.layer->name);
      out_.quantizers.erase("error.dw/" + c.layer->name);
    }
    return true;
  }

  /// Clearing one use of an error leaves an earlier rule for both to the other use alone.
  void split_error(const std::string& cleared, const std::string& layer) {
    const auto both = out_.quantizers.find("error/" + layer);
    if (both == out_.quantizers.end()) return;
    const std::string other = cleared == "error.dx" ? "error.dw/" : "error.dx/";
    out_.quantizers.try_emplace(other + layer, both->second);
    out_.quantizers.erase(both);
  }

  /// A clamp without a quantizer is a setting of the quantizer that stands there already.
  void clamp(const std::string& key) {
    const auto found = out_.quantizers.find(key);
    if (found == out_.quantizers.end()) {
      throw InputError(fmt::format("{}/clamp: no earlier rule puts a quantizer at \"{}\"",
                                   rule_->where, key));
    }
    const Json& bounds = rule_->body["clamp"];
    found->second.clamp = {bounds.at("low").get<double>(), bounds.at("high").get<double>()};
  }

  void place_accumulator(const std::string& key) {
    if (!rule_->body.contains("accumulator")) return;
    const Json& object = rule_->body["accumulator"];
    if (object.is_null()) {
      out_.accumulators.erase(key);
      return;
    }
    const Json rounding = rule_->body.value("rounding", Json{{"plugin", "nearest_even"}});
    out_.accumulators[key] = {
        method(registry_, "accumulator", object, rule_->where + "/accumulator"),
        method(registry_, "rounding", rounding, rule_->where + "/rounding")};
  }

  const network::QuantizerSpec& quantizer() {
    if (!quantizer_) {
      quantizer_ = network::resolve_quantizer(registry_, rule_->body, rule_->where);
    }
    return *quantizer_;
  }

  const registry::Registry& registry_;
  network::Placement& out_;
  const pipeline::Rule* rule_ = nullptr;
  std::optional<network::QuantizerSpec> quantizer_;
};

}  // namespace

network::Placement place(const pipeline::Pipeline& pipeline, const network::Model& model,
                         const registry::Registry& registry, Moment done) {
  network::Placement placement;
  const std::vector<Candidate> layers = candidates(model);
  const std::string norm_where = pipeline.file.string() + ": /norm";
  for (const Candidate& c : layers) {
    if (c.layer->type == LayerType::kNorm) {
      placement.norms[c.layer->name] = method(registry, "norm", pipeline.norm, norm_where);
    }
  }
  Placer placer(registry, placement);
  for (const pipeline::Rule& rule : pipeline.rules) {
    const bool is_active = rule.from_epoch <= done.epochs && rule.from_step <= done.steps;
    if (is_active) placer.apply(rule, layers);
  }
  return placement;
}

std::vector<Moment> changes(const pipeline::Pipeline& pipeline, std::uint64_t steps_per_epoch) {
  std::set<std::uint64_t> steps{0};
  for (const pipeline::Rule& rule : pipeline.rules) {
    steps.insert(std::max(rule.from_epoch * steps_per_epoch, rule.from_step));
  }
  std::vector<Moment> moments;
  for (const std::uint64_t step : steps) moments.push_back({step / steps_per_epoch, step});
  return moments;
}

}  // namespace qloom::experiment
