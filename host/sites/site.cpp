// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/sites/site.hpp"

#include <algorithm>
#include <cstring>

namespace qloom::sites {
namespace {

constexpr Site kTable[] = {
    // name, owner, value, role, in "*", like
    {"weight", Owner::kContraction, Value::kWeight, QLOOM_SITE_WEIGHT, true, ""},
    {"bias", Owner::kContraction, Value::kBias, QLOOM_SITE_WEIGHT, true, ""},
    {"activation", Owner::kContraction, Value::kInput, QLOOM_SITE_ACTIVATION, true, ""},
    {"error", Owner::kContraction, Value::kError, QLOOM_SITE_ERROR, true, ""},
    {"error.dx", Owner::kContraction, Value::kErrorDx, QLOOM_SITE_ERROR, false, ""},
    {"error.dw", Owner::kContraction, Value::kErrorDw, QLOOM_SITE_ERROR, false, ""},
    {"gradient", Owner::kContraction, Value::kGradient, QLOOM_SITE_GRADIENT, true, ""},
    {"update", Owner::kContraction, Value::kUpdate, QLOOM_SITE_UPDATE, true, ""},
    {"momentum", Owner::kContraction, Value::kMomentum, QLOOM_SITE_UPDATE, true, ""},
    {"norm", Owner::kNorm, Value::kSlot, QLOOM_SITE_STATISTIC, true, ""},
    {"input", Owner::kContraction, Value::kNetworkInput, QLOOM_SITE_ACTIVATION, true, ""},
    {"logits", Owner::kNetwork, Value::kOutput, QLOOM_SITE_ACTIVATION, true, ""},
    {"accumulator.forward", Owner::kContraction, Value::kSumForward, QLOOM_SITE_SUM, false, ""},
    {"accumulator.dx", Owner::kContraction, Value::kSumDx, QLOOM_SITE_SUM, false, ""},
    {"accumulator.dw", Owner::kContraction, Value::kSumDw, QLOOM_SITE_SUM, false, ""},
    {"norm.input", Owner::kNorm, Value::kInput, QLOOM_SITE_ACTIVATION, false, "activation"},
    {"norm.output", Owner::kNorm, Value::kOutput, QLOOM_SITE_ACTIVATION, false, "activation"},
    {"norm.error", Owner::kNorm, Value::kError, QLOOM_SITE_ERROR, false, "error"},
    {"output", Owner::kLayer, Value::kOutput, QLOOM_SITE_ACTIVATION, false, "activation"},
};

/// The name as its texts are ordered: in them '/' follows it.
std::strong_ordering order(const char* a, const char* b) {
  for (; *a == *b && *a != '\0'; ++a, ++b) {
  }
  const char left = *a == '\0' ? '/' : *a, right = *b == '\0' ? '/' : *b;
  return left <=> right;
}

}  // namespace

std::span<const Site> table() { return kTable; }

const Site* find(std::string_view name) {
  const auto* found = std::find_if(std::begin(kTable), std::end(kTable),
                                   [&](const Site& s) { return s.name == name; });
  return found == std::end(kTable) ? nullptr : found;
}

const Site& at(Owner owner, Value value) {
  return *std::find_if(std::begin(kTable), std::end(kTable),
                       [&](const Site& s) { return s.owner == owner && s.value == value; });
}

std::optional<SiteKey> SiteKey::parse(std::string_view text) {
  const std::size_t first = text.find('/');
  const Site* site = find(text.substr(0, first));
  if (site == nullptr || first == std::string_view::npos) return std::nullopt;
  text.remove_prefix(first + 1);
  const std::size_t last = site->value == Value::kSlot ? text.rfind('/') : std::string_view::npos;
  SiteKey key(*site, std::string(text.substr(0, last)));
  if (last != std::string_view::npos) key.slot = text.substr(last + 1);
  return key;
}

std::string SiteKey::text() const {
  std::string text = std::string(site->name) + "/" + layer;
  return slot.empty() ? text : text + "/" + slot;
}

std::strong_ordering SiteKey::operator<=>(const SiteKey& other) const {
  if (site != other.site) return order(site->name, other.site->name);
  if (const auto by_layer = layer <=> other.layer; by_layer != 0) return by_layer;
  return slot <=> other.slot;
}

qloom_site record_of(const SiteKey& key, std::uint64_t channels, std::uint64_t fan_in) {
  const bool is_parameter = key.slot == "gamma" || key.slot == "beta";
  return {.struct_size = sizeof(qloom_site),
          .role = is_parameter ? std::uint32_t{QLOOM_SITE_WEIGHT} : key.site->role,
          .name = key.site->name,
          .layer = key.layer.c_str(),
          .slot = key.slot.empty() ? nullptr : key.slot.c_str(),
          .channels = channels,
          .fan_in = fan_in};
}

}  // namespace qloom::sites
