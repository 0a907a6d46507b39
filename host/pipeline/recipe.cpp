// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/pipeline/recipe.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "host/json/names.hpp"
#include "host/json/pointer.hpp"
#include "host/json/validate.hpp"
#include "host/pipeline/rules.hpp"
#include "host/tensor/error.hpp"

namespace qloom::pipeline {
namespace {

/// What a recipe may say, as the pipeline's schema has it.
Json fragment_schema() {
  const Json schema = registry::read_schema("pipeline");
  const auto at = [&](const char* pointer) { return schema.at(Json::json_pointer(pointer)); };
  const std::string train = "/properties/stages/items/properties/train/properties";
  return {{"type", "object"},
          {"additionalProperties", false},
          {"properties",
           {{"norm", at("/properties/norm")},
            {"rules", at("/properties/rules")},
            {"procedures", at("/properties/procedures")},
            {"optimizer", at((train + "/optimizer").c_str())},
            {"loss", at((train + "/loss").c_str())}}}};
}

/// Does the recipe, with these parameters, have an entry that is there only for some? What says so
/// is taken off it. A name or a value that no parameter has makes the recipe unsound.
bool is_there(Json& entry, const Json& parameters, const std::string& where) {
  if (!entry.is_object() || !entry.contains("only_for")) return true;
  const Json only_for = entry["only_for"];
  entry.erase("only_for");
  bool is_there = only_for.is_object();
  for (const auto& [name, values] : only_for.items()) {
    if (!parameters.contains(name) || !values.is_array()) {
      throw InputError(
          fmt::format("{}/only_for: \"{}\", expected parameters of the recipe that have "
                      "a value, and lists of values",
                      where, name));
    }
    is_there &= std::find(values.begin(), values.end(), parameters[name]) != values.end();
  }
  return is_there;
}

/// The text with "$name" replaced by the parameter's value.
Json filled_in(Json text, const Json& parameters, const std::string& where) {
  if (text.is_string()) {
    const auto word = text.get<std::string>();
    if (word.empty() || word[0] != '$') return text;
    const std::string name = word.substr(1);
    if (parameters.contains(name)) return parameters[name];
    std::vector<std::string> known;
    for (const auto& [parameter, value] : parameters.items()) known.push_back(parameter);
    throw InputError(fmt::format("{}: \"{}\" is no parameter of the recipe that has a value{}",
                                 where, word, json::nearest_or_known(name, known)));
  }
  if (!text.is_structured()) return text;
  if (text.is_array()) {
    Json kept = Json::array();
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (is_there(text[i], parameters, fmt::format("{}/{}", where, i))) kept.push_back(text[i]);
    }
    text = std::move(kept);
  }
  for (const auto& [key, value] : text.items()) {
    value = filled_in(value, parameters, where + json::pointer_part(key));
  }
  return text;
}

}  // namespace

Recipe resolve_recipe(const registry::Registry& registry, const Json& object,
                      const std::string& where, Notes& notes) {
  Recipe recipe;
  recipe.used = resolve_method(registry, "recipe", object, where, notes);
  const registry::Method& method =
      registry.require("recipe", recipe.used["plugin"].get<std::string>(), where);
  recipe.file = method.manifest_file.string();
  recipe.pointer = method.manifest_pointer + "/pipeline";
  const std::string place = recipe.file + ": " + recipe.pointer;
  const Json text =
      filled_in(method.manifest.value("pipeline", Json::object()), recipe.used, place);
  recipe.pipeline = json::validate(fragment_schema(), text, place);
  for (const char* key : {"optimizer", "loss"}) {  // defaults are the stage's
    if (!text.contains(key)) recipe.pipeline.erase(key);
  }
  return recipe;
}

Json with_recipe(Json document, const Recipe& recipe) {
  if (!document.is_object()) return document;
  if (recipe.pipeline.contains("norm") && !document.contains("norm")) {
    document["norm"] = recipe.pipeline["norm"];
  }
  if (!document.contains("stages") || !document["stages"].is_array()) return document;
  for (Json& stage : document["stages"]) {
    if (!stage.is_object() || !stage.contains("train") || !stage["train"].is_object()) continue;
    for (const char* key : {"optimizer", "loss"}) {
      if (recipe.pipeline.contains(key) && !stage["train"].contains(key)) {
        stage["train"][key] = recipe.pipeline[key];
      }
    }
  }
  return document;
}

}  // namespace qloom::pipeline
