// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/run/settings/agreement.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>

namespace qloom::run {
namespace {

using json::Json;

/// A method of the run, and the site of a quantizer.
struct Use {
  methods::MethodSpec spec;
  std::string site{};
};

std::vector<Use> uses_of(const pipeline::Pipeline& pipeline, const sites::Placement& placement,
                         const registry::Registry& registry) {
  std::vector<Use> uses;
  for (const pipeline::Procedure& p : pipeline.procedures) {
    uses.push_back({{&registry.require("procedure", p.id, p.where), p.params, p.where}});
  }
  for (const auto& [layer, spec] : placement.norms) uses.push_back({spec});
  for (const auto& [key, spec] : placement.quantizers) {
    uses.push_back({spec.quantizer, key.site->name});
  }
  return uses;
}

/// Has the parameter an effect beside the others ("only_with" of the manifest)?
bool has_effect(const methods::MethodSpec& spec, const std::string& name) {
  const Json only_with = spec.method->manifest.value("only_with", Json::object());
  const Json conditions = only_with.value(name, Json::object());
  return std::all_of(conditions.items().begin(), conditions.items().end(), [&](const auto& one) {
    const Json& values = one.value();
    return std::find(values.begin(), values.end(), spec.params.value(one.key(), Json())) !=
           values.end();
  });
}

/// Is this the method that an entry of "agrees_with" names?
bool is_meant(const Use& use, const Json& entry) {
  return entry["kind"] == use.spec.method->kind && entry["id"] == use.spec.method->id &&
         entry.value("site", use.site) == use.site;
}

void compare(const Use& use, const std::string& name, const Use& other, const std::string& its,
             results::Warnings& warnings) {
  if (!has_effect(use.spec, name) || !has_effect(other.spec, its)) return;
  const Json mine = use.spec.params.value(name, Json()),
             that = other.spec.params.value(its, Json());
  if (mine == that) return;
  warnings.add({use.spec.where + "/" + name,
                fmt::format("{} contradicts {} of {}/{}: the recipe has one value for both",
                            mine.dump(), that.dump(), other.spec.where, its)});
}

}  // namespace

void check_agreement(const pipeline::Pipeline& pipeline, const sites::Placement& placement,
                     const registry::Registry& registry, results::Warnings& warnings) {
  const std::vector<Use> uses = uses_of(pipeline, placement, registry);
  for (const Use& use : uses) {
    const Json agrees_with = use.spec.method->manifest.value("agrees_with", Json::object());
    for (const auto& [name, entries] : agrees_with.items()) {
      for (const Json& entry : entries) {
        for (const Use& other : uses) {
          if (!is_meant(other, entry)) continue;
          compare(use, name, other, entry["parameter"].get<std::string>(), warnings);
        }
      }
    }
  }
}

}  // namespace qloom::run
