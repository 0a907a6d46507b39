// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Which methods a quantize node has: a rule against the registry.
#include "host/sites/site_quantizer.hpp"

#include <fmt/format.h>

#include "host/sites/parts.hpp"
#include "host/tensor/error.hpp"

namespace qloom::sites {
using json::Json;

void read_keys(const Json& rule, QuantizerSpec& spec) {
  if (rule.contains("clamp")) {
    spec.clamp = {rule["clamp"].at("low").get<double>(), rule["clamp"].at("high").get<double>()};
  }
  const std::string word = rule.value("when", "always");
  spec.when = word == "training"     ? When::kTraining
              : word == "evaluation" ? When::kEvaluation
                                     : When::kAlways;
  spec.pad = rule.value("pad", 0.0);
  spec.is_dynamic = rule.value("dynamic", false);
}

registry::Instance probe_of(const registry::Registry& registry, const MethodSpec& spec,
                            const SiteKey* at) {
  if (at == nullptr) return methods::create(registry, spec);
  const qloom_site record = record_of(*at);
  return methods::create(registry, spec, &record);
}

QuantizerSpec resolve_quantizer(const registry::Registry& registry, const Json& rule,
                                const std::string& where, const SiteKey* at) {
  QuantizerSpec spec;
  Json quantizer = rule.at("quantizer");
  if (at != nullptr) take_part(registry, *at->site, quantizer);
  spec.quantizer = methods::resolve(registry, "quantizer", quantizer, where + "/quantizer");
  const Json rounding = rule.value("rounding", Json{{"plugin", "nearest_even"}});
  spec.rounding = methods::resolve(registry, "rounding", rounding, where + "/rounding");
  if (rule.contains("requantizer")) {
    spec.requantizer =
        methods::resolve(registry, "requantizer", rule["requantizer"], where + "/requantizer");
  }
  read_keys(rule, spec);
  // Whether a range is wanted is known to the instance alone (it may depend on its parameters).
  const registry::Instance probe = probe_of(registry, spec.quantizer, at);
  const bool wants_range = (probe.ops<qloom_quantizer>().caps & QLOOM_QUANTIZER_WANTS_RANGE) != 0;
  if (!wants_range) {
    if (rule.contains("range") || spec.is_dynamic) {
      throw InputError(fmt::format("{}/{}: quantizer \"{}\" takes no range estimator", where,
                                   spec.is_dynamic ? "dynamic" : "range",
                                   spec.quantizer.method->id));
    }
    return spec;
  }
  const Json range = rule.value("range", Json{{"plugin", "min_max"}});
  spec.range = methods::resolve(registry, "range", range, where + "/range");
  const Json granularity = granularity_of(spec.quantizer);
  if (range.contains("granularity") && range["granularity"] != granularity) {
    throw InputError(fmt::format("{}/range/granularity: {} differs from the quantizer's {}", where,
                                 range["granularity"].dump(), granularity.dump()));
  }
  if (methods::accepts(spec.range, "granularity")) {
    spec.range.params["granularity"] = granularity;
  } else if (granularity != "tensor") {
    throw InputError(fmt::format("{}/range: \"{}\" knows no granularity {}", where,
                                 spec.range.method->id, granularity.dump()));
  }
  return spec;
}

}  // namespace qloom::sites
