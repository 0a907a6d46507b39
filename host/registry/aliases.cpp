// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/registry/aliases.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "host/json/explain.hpp"
#include "host/json/names.hpp"
#include "host/json/pointer.hpp"
#include "host/json/printable.hpp"
#include "host/tensor/error.hpp"

namespace qloom::registry {
namespace {

std::string name_of(const Json& alias) {
  return (alias.is_string() ? alias : alias["name"]).get<std::string>();
}

/// What the old value is called now; InputError "<where>: ..." for one that never was.
Json present_value(const Json& alias, const Json& value, const std::string& where) {
  if (alias.is_string() || !alias.contains("values")) return value;
  std::string known;
  for (const Json& pair : alias["values"]) {
    if (pair["from"] == value) return pair["to"];
    known += (known.empty() ? "" : ", ") + json::shown(pair["from"]);
  }
  throw InputError(fmt::format("{}: {} is not one of {}", where, json::shown(value), known));
}

void require_value(const Json& schema, const std::string& name, const Json& value,
                   const std::string& where) {
  const json::Explainer explainer(schema);
  if (const auto fault = explainer.find(schema["properties"][name], value)) {
    throw InputError(fmt::format("{}{}: {}", where, fault->pointer, fault->text));
  }
}

}  // namespace

const std::string& CurrentNames::written(const std::string& name) const {
  for (const OldName& old : old_names) {
    if (old.name == name) return old.old_name;
  }
  return name;
}

CurrentNames current_names(const Method& method, const Json& params, const std::string& where) {
  CurrentNames now{params, {}};
  const Json aliases = method.manifest.value("aliases", Json::object());
  if (!params.is_object()) return now;
  for (const auto& [old_name, alias] : aliases.items()) {
    if (!params.contains(old_name)) continue;
    const std::string name = name_of(alias), place = where + json::pointer_part(old_name);
    if (now.params.contains(name)) {
      throw InputError(
          fmt::format("{}: \"{}\" is the old name of \"{}\", which is there too as "
                      "\"{}\"; expected one of them",
                      place, old_name, name, now.written(name)));
    }
    Json value = present_value(alias, params[old_name], place);
    require_value(method.manifest["parameters"], name, value, place);
    now.params.erase(old_name);
    now.params[name] = value;
    now.old_names.push_back({old_name, name, std::move(value)});
  }
  return now;
}

Json renewed(const Registry& registry, const std::string& kind, Json object) {
  if (!object.is_object() || !object.contains("plugin") || !object["plugin"].is_string()) {
    return object;
  }
  const auto id = object["plugin"].get<std::string>();
  const Method* method = registry.find(kind, id);
  if (method == nullptr) return object;
  Json params = object;
  params.erase("plugin");
  try {
    params = current_names(*method, params, "").params;
    params = registry.resolve_parameters(*method, params, "");
  } catch (const InputError&) {  // not what the method takes: it stays as far as it was read
  }
  params["plugin"] = id;
  return params;
}

void check_aliases(const Json& manifest, const std::string& where) {
  const Json schema = manifest.value("parameters", Json::object());
  const Json properties = schema.value("properties", Json::object());
  std::vector<std::string> known;
  for (const auto& [name, property] : properties.items()) known.push_back(name);
  const Json aliases = manifest.value("aliases", Json::object());
  for (const auto& [old_name, alias] : aliases.items()) {
    const std::string place = where + "/aliases" + json::pointer_part(old_name);
    if (properties.contains(old_name)) {
      throw InputError(
          fmt::format("{}: is a parameter itself; expected a name that is no longer "
                      "one",
                      place));
    }
    const std::string name = name_of(alias);
    if (!properties.contains(name)) {
      throw InputError(fmt::format("{}: \"{}\" is no parameter of \"{}\"{}", place,
                                   json::printable(name), manifest["id"].get<std::string>(),
                                   json::nearest_or_known(name, known)));
    }
    if (alias.is_string()) continue;
    const Json pairs = alias.value("values", Json::array());
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      require_value(schema, name, pairs[i]["to"], fmt::format("{}/values/{}/to", place, i));
    }
  }
}

}  // namespace qloom::registry
