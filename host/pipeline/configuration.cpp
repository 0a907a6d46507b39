// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What a pipeline says, for comparison with what was said before.
#include "host/json/edit.hpp"
#include "host/pipeline/pipeline.hpp"

namespace qloom::pipeline {

Json configuration(const Pipeline& pipeline, const registry::Registry& registry) {
  Json all{{"pipeline", pipeline.as_used}, {"model", pipeline.model}};
  if (!pipeline.start_from.empty()) {
    all["start_from"] = configuration(load(pipeline.start_from, {}, registry), registry);
  }
  return all;
}

Json current_configuration(Json configuration, const registry::Registry& registry) {
  if (!configuration.is_object()) return configuration;
  Json& pipeline = configuration["pipeline"];
  if (pipeline.contains("norm")) {
    pipeline["norm"] = registry::renewed(registry, "norm", pipeline["norm"]);
  }
  for (const char* list : {"rules", "procedures"}) {
    if (!pipeline.contains(list) || !pipeline[list].is_array()) continue;
    for (Json& entry : pipeline[list]) {
      if (!entry.is_object()) continue;
      if (entry.contains("plugin")) entry = registry::renewed(registry, "procedure", entry);
      for (auto& [kind, object] : entry.items()) {
        object = registry::renewed(registry, kind, object);
      }
    }
  }
  if (configuration.contains("start_from")) {
    configuration["start_from"] = current_configuration(configuration["start_from"], registry);
  }
  return configuration;
}

std::string upgraded(const std::string& text, const Pipeline& pipeline) {
  const std::string file = pipeline.file.string() + ": ";
  std::vector<json::MemberEdit> edits;
  for (const Renamed& r : pipeline.notes.renamed) {
    if (!r.where.starts_with(file)) continue;  // of a recipe
    const std::string object = r.where.substr(file.size());
    edits.push_back({object, r.name.old_name, r.name.name, {}});
    const Json::json_pointer place(object);
    const Json& written = pipeline.as_written.at(place).at(r.name.old_name);
    if (written != r.name.value) edits.back().value = r.name.value;
  }
  return json::edited(text, edits);
}

}  // namespace qloom::pipeline
