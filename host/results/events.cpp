// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/results/events.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace qloom::results {
namespace {

using json::Json;

/// "pact, bits 4": the method with the parameter that readers look for first.
std::string text_of(const sites::MethodSpec& spec) {
  const bool has_bits = spec.params.is_object() && spec.params.contains("bits");
  return has_bits ? fmt::format("{}, bits {}", spec.method->id, spec.params["bits"].dump())
                  : spec.method->id;
}
std::string text_of(const sites::QuantizerSpec& spec) {
  const std::string text = text_of(spec.quantizer);
  if (spec.requantizer.method == nullptr) return text;
  return text + ", requantizer " + spec.requantizer.method->id;
}
std::string text_of(const sites::AccumulatorSpec& spec) { return text_of(spec.accumulator); }
/// Where, as the report names it: norms are kept by layer.
std::string text_of(const sites::SiteKey& key) { return key.text(); }
std::string text_of(const std::string& norm) { return "norm/" + norm; }

/// One row per key whose method differs; "none" where there is no method.
template <class Specs>
void add_changes(const Specs& before, const Specs& after, Json& rows) {
  const auto add = [&rows](const auto& key, const std::string& from, const std::string& to) {
    rows.push_back({{"site", text_of(key)}, {"before", from}, {"after", to}});
  };
  for (const auto& [key, spec] : after) {
    const auto old = before.find(key);
    if (old == before.end()) {
      add(key, "none", text_of(spec));
    } else if (!(old->second == spec)) {
      const std::string from = text_of(old->second), to = text_of(spec);
      add(key, from, from == to ? to + ", changed" : to);
    }
  }
  for (const auto& [key, spec] : before) {
    if (!after.contains(key)) add(key, text_of(spec), "none");
  }
}

/// "activation: affine, bits 8 -> pact, bits 4 (conv2, conv3)", one part per kind of change.
std::string summary(const Json& rows) {
  std::map<std::string, std::vector<std::string>> layers;
  for (const Json& row : rows) {
    const auto key = row["site"].get<std::string>();
    const std::size_t slash = key.find('/');
    const std::string change =
        fmt::format("{}: {} -> {}", key.substr(0, slash), row["before"].get<std::string>(),
                    row["after"].get<std::string>());
    layers[change].push_back(key.substr(slash + 1));
  }
  std::vector<std::string> parts;
  for (const auto& [change, names] : layers) {
    parts.push_back(fmt::format("{} ({})", change, fmt::join(names, ", ")));
  }
  return fmt::format("{}", fmt::join(parts, "; "));
}

}  // namespace

Json events_of(const RunFacts& facts) {
  Json events = Json::array();
  for (const Swap& swap : facts.swaps) {
    Json rows = Json::array();
    add_changes(swap.before.quantizers, swap.after.quantizers, rows);
    add_changes(swap.before.accumulators, swap.after.accumulators, rows);
    add_changes(swap.before.norms, swap.after.norms, rows);
    if (rows.empty()) continue;
    events.push_back({{"type", "rules"},
                      {"epoch", swap.epoch},
                      {"step", swap.step},
                      {"what", summary(rows)},
                      {"changes", std::move(rows)}});
  }
  for (const Json& reload : facts.reloads) events.push_back(reload);
  std::stable_sort(events.begin(), events.end(), [](const Json& a, const Json& b) {
    return a["step"].get<std::uint64_t>() < b["step"].get<std::uint64_t>();
  });
  return events;
}

}  // namespace qloom::results
