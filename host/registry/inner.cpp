// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/registry/inner.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "host/json/pointer.hpp"
#include "host/json/schema.hpp"
#include "host/tensor/error.hpp"

namespace qloom::registry {
namespace {

constexpr const char* kMark = "x-qloom-kind";

/// The method that a marked parameter names; null where it is left out.
const Method* method_at(const Registry& registry, const Json& params, const std::string& name,
                        const std::string& kind) {
  if (!params.is_object() || !params.contains(name)) return nullptr;
  const Json& object = params[name];
  if (!object.is_object() || !object.contains("plugin") || !object["plugin"].is_string()) {
    return nullptr;
  }
  return registry.find(kind, object["plugin"].get<std::string>());
}

}  // namespace

std::map<std::string, std::string> inner_parameters(const Json& manifest,
                                                    const std::string& where) {
  std::map<std::string, std::string> kinds;
  const Json schema = manifest.value("parameters", Json::object());
  json::for_each_schema(schema, [&](const Json& s, const std::string& at) {
    if (!s.is_object() || !s.contains(kMark)) return;
    const std::string prefix = "/properties/";
    if (!at.starts_with(prefix) || at.find('/', prefix.size()) != std::string::npos) {
      throw InputError(
          fmt::format("{}/parameters{}/{}: stands inside a parameter, expected it at "
                      "one of the method's own",
                      where, at, kMark));
    }
  });
  const Json properties = schema.value("properties", Json::object());
  for (const auto& [name, property] : properties.items()) {
    if (property.contains(kMark)) kinds[name] = property[kMark].get<std::string>();
  }
  return kinds;
}

Json resolve_inner(const Registry& registry, const Method& method, Json params,
                   const std::string& where, int depth) {
  for (const auto& [name, kind] : method.inner) {
    if (!params.contains(name) || params[name].is_null()) continue;
    const std::string place = where + json::pointer_part(name);
    if (depth == kMostInner) {
      throw InputError(fmt::format("{}: a method that lies in {} others, expected at most {}",
                                   place, depth + 1, kMostInner));
    }
    Json& object = params[name];
    if (!object.is_object() || !object.contains("plugin") || !object["plugin"].is_string()) {
      throw InputError(
          fmt::format("{}: {} is not an object with a \"plugin\"", place, object.dump()));
    }
    const auto id = object["plugin"].get<std::string>();
    const Method& inner = registry.require(kind, id, place + "/plugin");
    object.erase("plugin");
    object = registry.resolve_parameters(inner, object, place, depth + 1);
    object["plugin"] = id;
  }
  return params;
}

void for_each_inner(const Registry& registry, const Method& method, const Json& params,
                    const InnerVisit& visit) {
  for (const auto& [name, kind] : method.inner) {
    const Method* const inner = method_at(registry, params, name, kind);
    if (inner == nullptr) continue;
    const std::string pointer = json::pointer_part(name);
    visit(*inner, params[name], pointer);
    for_each_inner(registry, *inner, params[name],
                   [&](const Method& deeper, const Json& object, const std::string& at) {
                     visit(deeper, object, pointer + at);
                   });
  }
}

}  // namespace qloom::registry
