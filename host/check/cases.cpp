// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/check/cases.hpp"

#include <algorithm>

#include "host/methods/method.hpp"
#include "host/tensor/error.hpp"
#include "host/tensor/random.hpp"

namespace qloom::check {
namespace {

constexpr std::size_t kCombinations = 4;
constexpr std::size_t kMostCases = 24;

// Large integers are sizes of tables: greater ones take time and show nothing new.
constexpr std::int64_t kLargest = 4096;

std::vector<Json> integers_of(const Json& s) {
  std::vector<Json> out;
  if (s.contains("minimum")) out.push_back(s["minimum"]);
  if (s.contains("maximum")) {
    const auto least = s.value("minimum", Json(0)).get<std::int64_t>();
    out.push_back(std::max(least, std::min(kLargest, s["maximum"].get<std::int64_t>())));
  }
  if (s.contains("default") && s["default"].is_number_integer()) {
    out.push_back(s["default"].get<std::int64_t>() + 1);
  }
  if (s.contains("minimum") && s.contains("maximum")) {  // a middle one is the first to take
    const auto low = s["minimum"].get<std::int64_t>(), high = s["maximum"].get<std::int64_t>();
    out.insert(out.begin(), std::clamp<std::int64_t>(4, low, high));
  }
  if (out.empty()) out = {1, 2, 16};
  return out;
}

std::vector<Json> numbers_of(const Json& s) {
  std::vector<Json> out;
  if (s.contains("default") && s["default"].is_number()) {
    out.push_back(s["default"].get<double>() * 0.5);
    out.push_back(s["default"].get<double>() * 2.0);
  }
  if (s.contains("minimum")) out.push_back(s["minimum"]);
  if (s.contains("maximum")) out.push_back(s["maximum"]);
  if (out.empty()) out = {0.5, 1.0};
  return out;
}

/// An object with each of its properties at its first value.
std::vector<Json> objects_of(const Json& s) {
  if (!s.contains("properties")) return {};
  Json object = Json::object();
  for (const auto& [key, member] : s["properties"].items()) {
    const auto values = values_of(member);
    if (!values.empty()) object[key] = key == "group" ? Json(16) : values.front();
  }
  return {object};
}

class Maker {
 public:
  Maker(const registry::Registry& registry, const registry::Method& method)
      : registry_(registry), method_(method) {}

  void add(const Json& params) {
    if (cases_.size() >= kMostCases) return;
    try {
      Case made = case_of(registry_, method_, params);
      for (const Case& c : cases_) {
        if (c.resolved == made.resolved) return;
      }
      cases_.push_back(std::move(made));
    } catch (const InputError&) {  // not what the schema allows
    }
  }
  [[nodiscard]] std::vector<Case> take() { return std::move(cases_); }
  [[nodiscard]] const std::vector<Case>& cases() const { return cases_; }

 private:
  const registry::Registry& registry_;
  const registry::Method& method_;
  std::vector<Case> cases_;
};

Json plainest(const Json& schema, const Json& properties) {
  Json base = Json::object();
  for (const Json& key : schema.value("required", Json::array())) {
    const std::string name = key.get<std::string>();
    if (!properties.contains(name)) continue;
    const auto values = values_of(properties[name]);
    if (!values.empty()) base[name] = values.front();
  }
  return base;
}

void add_combinations(Maker& maker, const Json& properties, std::uint64_t seed) {
  const std::size_t base_count = maker.cases().size();
  std::uint64_t draw = 0;
  const auto next = [&](std::size_t n) {
    return random_word(seed, stream_id("check/cases"), 0, draw++) % n;
  };
  for (std::size_t i = 0; base_count > 0 && i < kCombinations; ++i) {
    Json params = maker.cases()[next(base_count)].params;
    for (const auto& [key, member] : properties.items()) {
      const auto values = values_of(member);
      if (!values.empty() && next(2) == 0) params[key] = values[next(values.size())];
    }
    maker.add(params);
  }
}

}  // namespace

Case case_of(const registry::Registry& registry, const registry::Method& method,
             const Json& params) {
  Json object = params;
  object["plugin"] = method.id;
  methods::MethodSpec spec = methods::resolve(registry, method.kind, object, "case");
  return {params, std::move(spec.params), std::move(spec.grid)};
}

std::vector<Json> values_of(const Json& s) {
  std::vector<Json> out;
  if (!s.is_object()) return out;
  for (const char* branches : {"oneOf", "anyOf"}) {
    if (!s.contains(branches)) continue;
    for (const Json& branch : s[branches]) {
      for (Json& value : values_of(branch)) out.push_back(std::move(value));
    }
  }
  if (!out.empty()) return out;
  if (s.contains("const")) return {s["const"]};
  if (s.contains("enum")) return s["enum"].get<std::vector<Json>>();
  const Json type = s.value("type", Json());
  if (type == "boolean") return {true, false};
  if (type == "integer") return integers_of(s);
  if (type == "number") return numbers_of(s);
  if (type == "object") return objects_of(s);
  if (s.contains("default")) return {s["default"]};
  return out;
}

std::vector<Case> cases_of(const registry::Registry& registry, const registry::Method& method,
                           std::uint64_t seed) {
  const Json schema = method.manifest.value("parameters", Json::object());
  const Json properties = schema.value("properties", Json::object());
  Maker maker(registry, method);
  if (schema.value("required", Json::array()).empty()) maker.add(Json::object());
  for (const Json& example : schema.value("examples", Json::array())) maker.add(example);
  maker.add(plainest(schema, properties));
  const std::vector<Case> bases = maker.cases();
  if (!bases.empty()) {
    for (const auto& [key, member] : properties.items()) {
      for (const Json& value : values_of(member)) {
        Json params = bases.front().params;
        params[key] = value;
        maker.add(params);
      }
    }
  }
  add_combinations(maker, properties, seed);
  return maker.take();
}

}  // namespace qloom::check
