// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/registry/presets.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "host/json/explain.hpp"
#include "host/json/names.hpp"
#include "host/json/pointer.hpp"
#include "host/json/printable.hpp"
#include "host/tensor/error.hpp"

namespace qloom::registry {
namespace {

constexpr const char* kPresets = "presets";
constexpr const char* kPreset = "preset";

std::vector<std::string> names_in(const Json& object) {
  std::vector<std::string> names;
  for (const auto& [name, value] : object.items()) names.push_back(name);
  return names;
}

/// The values that the parameter "preset" may have have to be the names of the presets.
void require_names(const Json& properties, const Json& presets, const std::string& where) {
  const Json parameter = properties.value(kPreset, Json::object());
  std::vector<std::string> values;
  for (const Json& value : parameter.value("enum", Json::array())) {
    if (value.is_string()) values.push_back(value.get<std::string>());
  }
  std::sort(values.begin(), values.end());
  if (values == names_in(presets)) return;
  throw InputError(
      fmt::format("{}: expected a parameter \"preset\" whose values are the presets' names, {}",
                  where, Json(names_in(presets)).dump()));
}

}  // namespace

Json with_preset(const Method& method, Json params, const std::string& where) {
  if (!method.manifest.contains(kPresets) || !params.is_object()) return params;
  if (!params.contains(kPreset) || !params[kPreset].is_string()) return params;
  const auto name = params[kPreset].get<std::string>();
  const Json& presets = method.manifest[kPresets];
  if (!presets.contains(name)) return params;  // the schema says so
  for (const auto& [parameter, value] : presets[name].items()) {
    if (!params.contains(parameter)) params[parameter] = value;
    if (params[parameter] == value) continue;
    throw InputError(fmt::format("{}{}: {}, but the preset \"{}\" has {}; expected one of the two",
                                 where, json::pointer_part(parameter),
                                 json::shown(params[parameter]), name, json::shown(value)));
  }
  return params;
}

void check_presets(const Json& manifest, const std::string& where) {
  if (!manifest.contains(kPresets)) return;
  const Json schema = manifest.value("parameters", Json::object());
  const Json properties = schema.value("properties", Json::object());
  require_names(properties, manifest[kPresets], where + "/presets");
  const json::Explainer explainer(schema);
  for (const auto& [name, preset] : manifest[kPresets].items()) {
    const std::string of_preset = where + "/presets" + json::pointer_part(name);
    for (const auto& [parameter, value] : preset.items()) {
      const std::string place = of_preset + json::pointer_part(parameter);
      if (!properties.contains(parameter) || parameter == kPreset) {
        throw InputError(fmt::format("{}: \"{}\" is no parameter that a preset of \"{}\" has{}",
                                     place, json::printable(parameter),
                                     manifest["id"].get<std::string>(),
                                     json::nearest_or_known(parameter, names_in(properties))));
      }
      if (const auto fault = explainer.find(properties[parameter], value)) {
        throw InputError(fmt::format("{}{}: {}", place, fault->pointer, fault->text));
      }
    }
  }
}

}  // namespace qloom::registry
