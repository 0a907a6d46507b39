// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/methods/method.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "host/registry/aliases.hpp"
#include "host/registry/inner.hpp"
#include "host/tensor/error.hpp"

namespace qloom::methods {
namespace {

/// MethodSpec::grid of a method with these parameters.
std::string grid_of(const registry::Registry& registry, const registry::Method* method,
                    const Json& params) {
  std::string grid;
  const auto has_own = [&params](const std::string& at) {
    const Json& own = params.at(Json::json_pointer(at));
    return own.contains("granularity") || own.contains("block");
  };
  if (method == nullptr || !params.is_object() || has_own("")) return grid;
  registry::for_each_inner(registry, *method, params,
                           [&](const registry::Method& inner, const Json&, const std::string& at) {
                             if (grid.empty() && inner.kind == "quantizer" && has_own(at))
                               grid = at;
                           });
  return grid;
}

/// The parameters that `grid` leads to; null where there are none.
const Json& grid_parameters(const MethodSpec& spec) {
  return spec.params.at(Json::json_pointer(spec.grid));
}

}  // namespace

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
  Json params = registry.resolve_parameters(method, parameters_of(object), where);
  std::string grid = grid_of(registry, &method, params);
  return {&method, std::move(params), where, std::move(grid)};
}

Json to_json(const MethodSpec& spec) {
  Json object = spec.params.is_object() ? spec.params : Json::object();
  object["plugin"] = spec.method->id;
  return object;
}

MethodSpec spec_of(const registry::Registry& registry, const std::string& kind,
                   const Json& object) {
  const Json now = registry::renewed(registry, kind, object);
  const registry::Method* const method = registry.find(kind, now.value("plugin", ""));
  Json params = parameters_of(now);
  std::string grid = grid_of(registry, method, params);
  return {method, std::move(params), "", std::move(grid)};
}

void add_methods(const registry::Registry& registry, const MethodSpec& spec,
                 std::set<const registry::Method*>& all) {
  all.insert(spec.method);
  registry::for_each_inner(
      registry, *spec.method, spec.params,
      [&](const registry::Method& inner, const Json&, const std::string&) { all.insert(&inner); });
}

bool is_of(const registry::Registry& registry, const MethodSpec& spec,
           const std::set<const registry::Method*>& methods) {
  if (spec.method == nullptr) return false;
  std::set<const registry::Method*> own;
  add_methods(registry, spec, own);
  return std::any_of(own.begin(), own.end(),
                     [&](const registry::Method* method) { return methods.contains(method); });
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
  const Json& params = grid_parameters(spec);
  return params.is_object() && params.contains("granularity") ? params["granularity"]
                                                              : Json("tensor");
}

Json encoding_groups_of(const MethodSpec& spec) {
  const Json& params = grid_parameters(spec);
  if (!params.is_object() || !params.contains("block")) return granularity_of(spec);
  return {{"block", params["block"]}, {"axis", params["axis"]}};
}

}  // namespace qloom::methods
