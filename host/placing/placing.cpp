// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/placing/placing.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "host/placing/candidates.hpp"
#include "host/tensor/error.hpp"

namespace qloom::placing {
namespace {

using json::Json;
using sites::Owner;
using sites::Site;
using sites::SiteKey;
using sites::Value;

class Placer {
 public:
  Placer(const registry::Registry& registry, sites::Placement& out)
      : registry_(registry), out_(out) {}

  void apply(const pipeline::Rule& rule, const std::vector<Candidate>& layers) {
    rule_ = &rule;
    quantizers_.clear();
    check_selection(rule, layers);
    for (const Candidate& c : layers) {
      if (!pipeline::matches_layer(rule, c.names)) continue;
      if (rule.body.contains("norm") && c.layer->is_norm()) {
        out_.norms[c.layer->name] =
            methods::resolve(registry_, "norm", rule.body["norm"], rule.where + "/norm");
      }
      for (const std::string& site : rule.sites) place(c, *sites::find(site));
    }
  }

 private:
  void place(const Candidate& c, const Site& site) {
    if (!has_site(c, site)) return;
    const bool is_of_group = site.owner == Owner::kLayer;  // whichever member the rule names
    const std::string& layer = is_of_group ? c.output->name : c.layer->name;
    if (site.takes_accumulator()) return place_accumulator({site, layer});
    const bool is_clamp_only = rule_->body.contains("clamp") && !rule_->body.contains("quantizer");
    if (!rule_->body.contains("quantizer") && !is_clamp_only) return;
    if (!is_clamp_only && site.is_use_of_error() && rule_->body["quantizer"].is_null()) {
      split_error(site, layer);
    }
    for (const SiteKey& key : keys_of(site, layer)) {
      if (is_clamp_only) {
        clamp(key);
      } else if (rule_->body["quantizer"].is_null()) {
        out_.quantizers.erase(key);
      } else {
        out_.quantizers[key] = quantizer(key);
      }
    }
    // A quantizer for "error" is about both of its uses: it replaces earlier ones for one of them.
    if (site.owner == Owner::kContraction && site.value == Value::kError && !is_clamp_only) {
      out_.quantizers.erase({sites::at(Owner::kContraction, Value::kErrorDx), layer});
      out_.quantizers.erase({sites::at(Owner::kContraction, Value::kErrorDw), layer});
    }
  }

  /// One key, or one for each internal of a norm that the rule is for.
  [[nodiscard]] std::vector<SiteKey> keys_of(const Site& site, const std::string& layer) const {
    if (site.value != Value::kSlot) return {{site, layer}};
    std::vector<SiteKey> keys;
    for (const char* slot : sites::kNormSlots) {
      if (!rule_->slot || *rule_->slot == slot) keys.emplace_back(site, layer, slot);
    }
    return keys;
  }

  /// Clearing one use of an error leaves an earlier rule for both to the other use alone.
  void split_error(const Site& cleared, const std::string& layer) {
    const auto both = out_.quantizers.find({sites::at(Owner::kContraction, Value::kError), layer});
    if (both == out_.quantizers.end()) return;
    const Value other = cleared.value == Value::kErrorDx ? Value::kErrorDw : Value::kErrorDx;
    out_.quantizers.try_emplace({sites::at(Owner::kContraction, other), layer}, both->second);
    out_.quantizers.erase(both);
  }

  /// A clamp without a quantizer is a setting of the quantizer that stands there already.
  void clamp(const SiteKey& key) {
    const auto found = out_.quantizers.find(key);
    if (found == out_.quantizers.end()) {
      throw InputError(fmt::format("{}/clamp: no earlier rule puts a quantizer at \"{}\"",
                                   rule_->where, key.text()));
    }
    if (found->second.requantizer.method != nullptr) {
      throw InputError(
          fmt::format("{}/clamp: the codes at \"{}\" are those of a requantizer, which "
                      "has no real values to clip",
                      rule_->where, key.text()));
    }
    const Json& bounds = rule_->body["clamp"];
    found->second.clamp = {bounds.at("low").get<double>(), bounds.at("high").get<double>()};
  }

  void place_accumulator(const SiteKey& key) {
    if (!rule_->body.contains("accumulator")) return;
    const Json& object = rule_->body["accumulator"];
    if (object.is_null()) {
      out_.accumulators.erase(key);
      return;
    }
    out_.accumulators[key] = methods::resolve_accumulator(registry_, rule_->body, rule_->where);
  }

  const sites::QuantizerSpec& quantizer(const SiteKey& key) {
    auto& spec = quantizers_[key.site];
    if (!spec) spec = sites::resolve_quantizer(registry_, rule_->body, rule_->where, &key);
    return *spec;
  }

  const registry::Registry& registry_;
  sites::Placement& out_;
  const pipeline::Rule* rule_ = nullptr;
  /// As the rule gives it to a site, resolved once.
  std::map<const Site*, std::optional<sites::QuantizerSpec>> quantizers_;
};

/// The layer whose output the contraction reads, moved or chosen from.
const network::Layer* read_by(const network::Layer& contraction, const network::Model& model,
                              const sites::Placement& placement) {
  for (int i = contraction.inputs[0]; i >= 0;) {
    const network::Layer& layer = model.layers[static_cast<std::size_t>(i)];
    if (placement.quantizers.contains({sites::at(Owner::kLayer, Value::kOutput), layer.name})) {
      return &layer;
    }
    if (!layer.type->takes_largest() && !layer.type->same_bytes) return nullptr;
    i = layer.inputs[0];
  }
  return nullptr;
}

/// InputError where a rule codes for one reader what another rule has coded for all.
void check_readers(const network::Model& model, const sites::Placement& placement) {
  for (const auto& [key, spec] : placement.quantizers) {
    if (!key.site->is_read_by_contraction()) continue;
    const std::string& name = key.layer;
    const auto is_reader = [&name](const network::Layer& l) { return l.name == name; };
    const auto reader = std::find_if(model.layers.begin(), model.layers.end(), is_reader);
    const network::Layer* const read = read_by(*reader, model, placement);
    if (read == nullptr) continue;
    const auto& output =
        placement.quantizers.at({sites::at(Owner::kLayer, Value::kOutput), read->name});
    throw InputError(fmt::format(
        "{}: \"{}\" reads codes that the rule at site output of \"{}\" has made ({}); expected one "
        "of the two rules, or a later one with \"quantizer\": null at site {} of \"{}\"",
        spec.quantizer.where, name, read->name, output.quantizer.where, key.site->name, name));
  }
}

}  // namespace

sites::Placement place(const pipeline::Pipeline& pipeline, const network::Model& model,
                       const registry::Registry& registry, Moment done,
                       std::span<const pipeline::Rule> added) {
  sites::Placement placement;
  const std::vector<Candidate> layers = candidates(pipeline, model);
  const std::string norm_where = pipeline.file.string() + ": /norm";
  for (const Candidate& c : layers) {
    if (c.layer->is_norm()) {
      placement.norms[c.layer->name] =
          methods::resolve(registry, "norm", pipeline.norm, norm_where);
    }
  }
  Placer placer(registry, placement);
  for (const pipeline::Rule& rule : pipeline.rules) {
    const bool is_active = rule.from_epoch <= done.epochs && rule.from_step <= done.steps;
    if (is_active) placer.apply(rule, layers);
  }
  for (const pipeline::Rule& rule : added) placer.apply(rule, layers);
  check_readers(model, placement);
  return placement;
}

std::uint64_t start_of(const pipeline::Rule& rule, std::uint64_t steps_per_epoch) {
  std::uint64_t steps = 0;
  if (__builtin_mul_overflow(rule.from_epoch, steps_per_epoch, &steps)) steps = UINT64_MAX;
  return std::max(steps, rule.from_step);
}

std::vector<Moment> changes(const pipeline::Pipeline& pipeline, std::uint64_t steps_per_epoch) {
  std::map<std::uint64_t, std::uint64_t> epochs{{0, 0}};  // by steps
  for (const pipeline::Rule& rule : pipeline.rules) {
    const std::uint64_t start = start_of(rule, steps_per_epoch);
    std::uint64_t& done = epochs[start];
    done = std::max({done, start / steps_per_epoch, rule.from_epoch});
  }
  std::vector<Moment> moments;
  for (const auto& [steps, done] : epochs) moments.push_back({done, steps});
  return moments;
}

}  // namespace qloom::placing
