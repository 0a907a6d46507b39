// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What a quantize node takes over from the one that stood at its reader before.
#include <algorithm>

#include "host/sites/site_quantizer.hpp"

namespace qloom::sites {
namespace {

using json::Json;

/// The arrays of one part, "quantizer/" for instance, by the names that the method gave them.
data::Arrays part_of(const data::Arrays& arrays, const std::string& prefix) {
  data::Arrays part;
  for (auto it = arrays.lower_bound(prefix); it != arrays.end() && it->first.starts_with(prefix);
       ++it) {
    part[it->first.substr(prefix.size())] = it->second;
  }
  return part;
}

/// The values of an array, or none when it is missing or of another type.
template <class T>
std::vector<T> values_of(const data::Arrays& arrays, const std::string& key) {
  const auto found = arrays.find(key);
  if (found == arrays.end()) return {};
  const auto* values = std::get_if<std::vector<T>>(&found->second.values);
  return values == nullptr ? std::vector<T>{} : *values;
}

/// What "site/flags" and "site/versions" hold, 0 where there is nothing.
std::int32_t entry(const data::Arrays& arrays, const char* key, std::size_t index) {
  const auto values = values_of<std::int32_t>(arrays, key);
  return index < values.size() ? values[index] : 0;
}

enum Flag : std::size_t { kHasRange = 0, kIsInitialised = 1, kRoundIsOpen = 2 };
enum Part : std::size_t { kQuantizer = 0, kRange = 1, kRounding = 2 };

}  // namespace

Json to_json(const QuantizerSpec& spec) {
  Json rule{{"quantizer", methods::to_json(spec.quantizer)},
            {"rounding", methods::to_json(spec.rounding)}};
  if (spec.requantizer.method != nullptr) {
    rule["requantizer"] = methods::to_json(spec.requantizer);
  }
  if (spec.range.method != nullptr) rule["range"] = methods::to_json(spec.range);
  if (spec.clamp) rule["clamp"] = {{"low", spec.clamp->first}, {"high", spec.clamp->second}};
  if (spec.when != When::kAlways) {
    rule["when"] = spec.when == When::kTraining ? "training" : "evaluation";
  }
  if (spec.pad != 0) rule["pad"] = spec.pad;
  if (spec.is_dynamic) rule["dynamic"] = true;
  return rule;
}

QuantizerSpec quantizer_spec_of(const registry::Registry& registry, const Json& rule) {
  QuantizerSpec spec;
  const auto take = [&](const char* kind, MethodSpec& own) {
    if (rule.contains(kind)) own = methods::spec_of(registry, kind, rule[kind]);
  };
  take("quantizer", spec.quantizer);
  take("range", spec.range);
  take("rounding", spec.rounding);
  take("requantizer", spec.requantizer);
  read_keys(rule, spec);
  return spec;
}

bool holds_state_for(const SiteState& before, const QuantizerSpec& now) {
  const bool has_values = entry(before.arrays, "site/flags", kIsInitialised) != 0 &&
                          before.arrays.lower_bound("learned/") !=
                              before.arrays.lower_bound("range/");  // or "quantizer/"
  const bool has_range = entry(before.arrays, "site/flags", kHasRange) != 0 ||
                         entry(before.arrays, "site/flags", kRoundIsOpen) != 0;
  return (has_values && keeps_state(now.quantizer, before.spec.quantizer)) ||
         (has_range && keeps_state(now.range, before.spec.range));
}

/// Ranges belong to the groups of a granularity, and those of several passes to one grid.
bool SiteQuantizer::keeps_range(const SiteState& before) const {
  if (!range_ || !keeps_state(spec_.range, before.spec.range)) return false;
  if (granularity_of(spec_.quantizer) != granularity_of(before.spec.quantizer)) return false;
  if (range_.passes() == 1) return true;
  const qloom_range_context c = quantizer_.grid(context_.after_relu);
  return values_of<std::int64_t>(before.arrays, "site/grid") ==
         std::vector<std::int64_t>{c.bits, c.is_signed, static_cast<std::int64_t>(c.levels),
                                   c.symmetric};
}

void SiteQuantizer::adopt(const SiteState& before) {
  const auto take = [&before](methods::Driver& own, const char* prefix, Part part) {
    if (!own || !own.instance().has_state()) return;
    own.instance().load(part_of(before.arrays, prefix),
                        static_cast<std::uint32_t>(entry(before.arrays, "site/versions", part)));
  };
  if (keeps_learned(before) && entry(before.arrays, "site/flags", kIsInitialised) != 0) {
    take(quantizer_, "quantizer/", kQuantizer);
    is_initialised_ = true;
    quantizer_.read_learned(learned_);
    for (LearnedParameter& own : learned_) {
      const auto values = values_of<float>(before.arrays, "learned/" + own.name);
      if (values.size() == own.gradient.size()) std::copy(values.begin(), values.end(), own.value);
    }
  }
  if (keeps_state(spec_.rounding, before.spec.rounding)) take(rounding_, "rounding/", kRounding);
  if (!keeps_range(before)) return;
  take(range_, "range/", kRange);
  has_range_ = entry(before.arrays, "site/flags", kHasRange) != 0;
  const bool has_round = entry(before.arrays, "site/flags", kRoundIsOpen) != 0;
  round_ = has_round ? Round::kOpen : Round::kNone;
  const auto ranges = values_of<double>(before.arrays, "site/ranges");
  ranges_.resize(ranges.size() / 2);
  for (std::size_t i = 0; i < ranges_.size(); ++i) ranges_[i] = {ranges[2 * i], ranges[2 * i + 1]};
}

}  // namespace qloom::sites
