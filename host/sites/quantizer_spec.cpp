// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Which methods a quantize node has: a rule against the registry.
#include "host/sites/site_quantizer.hpp"

#include <fmt/format.h>

#include "host/sites/parts.hpp"
#include "host/tensor/error.hpp"

namespace qloom::network {
namespace {

using json::Json;

MethodSpec resolve_method(const registry::Registry& registry, const std::string& kind,
                          const Json& object, const std::string& where) {
  if (!object.is_object() || !object.contains("plugin") || !object["plugin"].is_string()) {
    throw InputError(
        fmt::format("{}: {} is not an object with a \"plugin\"", where, object.dump()));
  }
  const registry::Method& method =
      registry.require(kind, object["plugin"].get<std::string>(), where + "/plugin");
  Json params = object;
  params.erase("plugin");
  return {&method, registry.resolve_parameters(method, params, where), where};
}

bool accepts(const MethodSpec& spec, const char* parameter) {
  const Json& manifest = spec.method->manifest;
  return manifest.contains("parameters") && manifest["parameters"].contains("properties") &&
         manifest["parameters"]["properties"].contains(parameter);
}

}  // namespace

registry::Instance probe_of(const registry::Registry& registry, const MethodSpec& spec,
                            const SiteKey* at) {
  if (at == nullptr) return registry.create(*spec.method, spec.params);
  const qloom_site record = sites::record_of(*at);
  return registry.create(*spec.method, spec.params, &record);
}

json::Json granularity_of(const MethodSpec& spec) {
  return spec.params.is_object() && spec.params.contains("granularity") ? spec.params["granularity"]
                                                                        : Json("tensor");
}

QuantizerSpec resolve_quantizer(const registry::Registry& registry, const Json& rule,
                                const std::string& where, const SiteKey* at) {
  QuantizerSpec spec;
  Json quantizer = rule.at("quantizer");
  if (at != nullptr) sites::take_part(registry, *at->site, quantizer);
  spec.quantizer = resolve_method(registry, "quantizer", quantizer, where + "/quantizer");
  const Json rounding = rule.value("rounding", Json{{"plugin", "nearest_even"}});
  spec.rounding = resolve_method(registry, "rounding", rounding, where + "/rounding");
  if (rule.contains("clamp")) {
    spec.clamp = {rule["clamp"].at("low").get<double>(), rule["clamp"].at("high").get<double>()};
  }
  // Whether a range is wanted is known to the instance alone (it may depend on its parameters).
  const registry::Instance probe = probe_of(registry, spec.quantizer, at);
  const bool wants_range = (probe.ops<qloom_quantizer>().caps & QLOOM_QUANTIZER_WANTS_RANGE) != 0;
  if (!wants_range) {
    if (rule.contains("range")) {
      throw InputError(fmt::format("{}/range: quantizer \"{}\" takes no range estimator", where,
                                   spec.quantizer.method->id));
    }
    return spec;
  }
  const Json range = rule.value("range", Json{{"plugin", "min_max"}});
  spec.range = resolve_method(registry, "range", range, where + "/range");
  const Json granularity = granularity_of(spec.quantizer);
  if (range.contains("granularity") && range["granularity"] != granularity) {
    throw InputError(fmt::format("{}/range/granularity: {} differs from the quantizer's {}", where,
                                 range["granularity"].dump(), granularity.dump()));
  }
  if (accepts(spec.range, "granularity")) {
    spec.range.params["granularity"] = granularity;
  } else if (granularity != "tensor") {
    throw InputError(fmt::format("{}/range: \"{}\" knows no granularity {}", where,
                                 spec.range.method->id, granularity.dump()));
  }
  return spec;
}

qloom_rounding_ref rounding_ref(const registry::Instance& rounding) {
  const auto& ops = rounding.ops<qloom_rounding>();
  qloom_rounding_ref ref{rounding.self(), &ops, QLOOM_ROUND_GENERIC, 0};
  std::uint32_t rule = 0, argument = 0;
  const auto lower = [&] { return ops.lower(rounding.self(), &rule, &argument); };
  if (ops.lower != nullptr &&
      registry::recorded(rounding.method(), "lower", "", lower) == QLOOM_OK) {
    ref.rule = rule;
    ref.argument = argument;
  }
  return ref;
}

}  // namespace qloom::network
