// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/methods/method.hpp"

#include <fmt/format.h>

#include "host/registry/aliases.hpp"
#include "host/tensor/error.hpp"

namespace qloom::methods {

Json parameters_of(const Json& object) {
  Json params = object;
  params.erase("plugin");
  return params;
}

MethodSpec resolve(const registry::Registry& registry, const std::string& kind, const Json& object,
                   const std::string& where) {
  if (!object.is_object() || !object.contains("plugin") || !object["plugin"].is_string()) {
    throw InputError(
        fmt::format("{}: {} is not an object with a \"plugin\"", where, object.dump()));
  }
  const registry::Method& method =
      registry.require(kind, object["plugin"].get<std::string>(), where + "/plugin");
  return {&method, registry.resolve_parameters(method, parameters_of(object), where), where};
}

Json to_json(const MethodSpec& spec) {
  Json object = spec.params.is_object() ? spec.params : Json::object();
  object["plugin"] = spec.method->id;
  return object;
}

MethodSpec spec_of(const registry::Registry& registry, const std::string& kind,
                   const Json& object) {
  const Json now = registry::renewed(registry, kind, object);
  return {registry.find(kind, now.value("plugin", "")), parameters_of(now), ""};
}

bool accepts(const MethodSpec& spec, const char* parameter) {
  const Json& manifest = spec.method->manifest;
  return manifest.contains("parameters") && manifest["parameters"].contains("properties") &&
         manifest["parameters"]["properties"].contains(parameter);
}

bool keeps_state(const MethodSpec& now, const MethodSpec& before) {
  if (now.method == nullptr || now.method != before.method) return false;
  Json a = now.params, b = before.params;
  for (const Json& name : now.method->manifest.value("keeps_state", Json::array())) {
    a.erase(name.get<std::string>());
    b.erase(name.get<std::string>());
  }
  return a == b;
}

Json granularity_of(const MethodSpec& spec) {
  return spec.params.is_object() && spec.params.contains("granularity") ? spec.params["granularity"]
                                                                        : Json("tensor");
}

Json encoding_groups_of(const MethodSpec& spec) {
  if (!spec.params.is_object() || !spec.params.contains("block")) return granularity_of(spec);
  return {{"block", spec.params["block"]}, {"axis", spec.params["axis"]}};
}

}  // namespace qloom::methods
