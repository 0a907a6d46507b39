// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/json/validate.hpp"

#include <cstdint>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "host/json/explain.hpp"
#include "host/json/pointer.hpp"
#include "host/tensor/error.hpp"

namespace qloom::json {
namespace {

/// The value with a real number for each integer above 2^63 - 1, which valijson takes for a
/// negative one.
Json without_large(Json value) {
  constexpr auto kMost = static_cast<std::uint64_t>(INT64_MAX);
  if (value.is_structured()) {
    for (Json& part : value) part = without_large(std::move(part));
  } else if (value.is_number_unsigned() && value.get<std::uint64_t>() > kMost) {
    value = value.get<double>();
  }
  return value;
}

/// valijson's verdict: nothing, or its own words for the first fault.
std::optional<Finding> verdict(const Json& schema, const Json& value) {
  valijson::Schema compiled;
  valijson::SchemaParser parser(valijson::SchemaParser::kDraft7);
  parser.populateSchema(valijson::adapters::NlohmannJsonAdapter(schema), compiled);
  valijson::Validator validator(valijson::Validator::kStrongTypes);
  valijson::ValidationResults results;
  const Json checked = without_large(value);
  if (validator.validate(compiled, valijson::adapters::NlohmannJsonAdapter(checked), &results)) {
    return {};
  }
  Finding finding;
  valijson::ValidationResults::Error error;
  if (results.popError(error)) {
    finding.text = error.description;
    for (std::size_t i = 1; i < error.context.size(); ++i) {  // "<root>", "[key]", ...
      const std::string& part = error.context[i];
      finding.pointer += pointer_part(part.size() > 1 ? part.substr(1, part.size() - 2) : part);
    }
  }
  return finding;
}

constexpr int kMostDefaults = 100;  // of a value with its defaults; parse() reads no more either

void fill_defaults(const Explainer& explainer, const Json& schema, Json& value, int level);

/// The only branch that fits fills in its defaults; with several it is not clear which is meant.
void fill_from_branches(const Explainer& explainer, const Json& branches, Json& value, int level) {
  const Json* fitting = nullptr;
  for (const Json& branch : branches) {
    if (!explainer.matches(branch, value)) continue;
    if (fitting != nullptr) return;
    fitting = &branch;
  }
  if (fitting != nullptr) fill_defaults(explainer, *fitting, value, level);
}

void fill_object(const Explainer& explainer, const Json& s, Json& value, int level) {
  if (s.contains("properties")) {
    for (const auto& [key, member] : s["properties"].items()) {
      const Json& resolved = explainer.resolve(member);
      if (!value.contains(key)) {
        if (!resolved.is_object()) continue;
        if (member.contains("default")) {
          value[key] = member["default"];
        } else if (resolved.contains("default")) {
          value[key] = resolved["default"];
        }
      }
      if (value.contains(key)) fill_defaults(explainer, member, value[key], level + 1);
    }
  }
  if (!s.contains("additionalProperties") || !s["additionalProperties"].is_object()) return;
  for (auto& [key, member] : value.items()) {
    if (s.contains("properties") && s["properties"].contains(key)) continue;
    fill_defaults(explainer, s["additionalProperties"], member, level + 1);
  }
}

void fill_array(const Explainer& explainer, const Json& s, Json& value, int level) {
  if (!s.contains("items")) return;
  const Json& items = s["items"];
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (!items.is_array()) {
      fill_defaults(explainer, items, value[i], level + 1);
    } else if (i < items.size()) {
      fill_defaults(explainer, items[i], value[i], level + 1);
    }
  }
}

void fill_defaults(const Explainer& explainer, const Json& schema, Json& value, int level) {
  if (level > kMostDefaults) throw std::runtime_error("its defaults lead to ever more of them");
  const Json& s = explainer.resolve(schema);
  if (!s.is_object()) return;
  if (value.is_object()) fill_object(explainer, s, value, level);
  if (value.is_array()) fill_array(explainer, s, value, level);
  if (s.contains("allOf")) {
    for (const Json& part : s["allOf"]) fill_defaults(explainer, part, value, level);
  }
  if (s.contains("if")) {
    const char* branch = explainer.matches(s["if"], value) ? "then" : "else";
    if (s.contains(branch)) fill_defaults(explainer, s[branch], value, level);
  }
  if (s.contains("oneOf")) fill_from_branches(explainer, s["oneOf"], value, level);
  if (s.contains("anyOf")) fill_from_branches(explainer, s["anyOf"], value, level);
}

/// "<where><pointer>: <text>"; the colon that ends a bare "file: " is not doubled.
std::string message(std::string where, const Finding& finding) {
  if (finding.pointer.empty()) {
    while (!where.empty() && (where.back() == ' ' || where.back() == ':')) where.pop_back();
  }
  const std::string place = where + finding.pointer;
  return place.empty() ? finding.text : fmt::format("{}: {}", place, finding.text);
}

}  // namespace

void fill_defaults(const Explainer& explainer, const Json& schema, Json& value) {
  fill_defaults(explainer, schema, value, 0);
}

Json validate(const Json& schema, const Json& value, const std::string& where) {
  Json local = schema;  // names of other documents would make valijson look for them
  if (local.is_object()) {
    local.erase("$id");
    local.erase("$schema");
  }
  const Explainer explainer(local);
  try {
    // First in our words; it also looks at no text that is too long for <regex>.
    auto fault = explainer.find(local, value);
    if (!fault) fault = verdict(local, value);
    if (fault) throw InputError(message(where, *fault));
    Json filled = value;
    fill_defaults(explainer, local, filled);
    return filled;
  } catch (const InputError&) {
    throw;
  } catch (const std::exception& error) {  // of valijson or <regex>: the schema is at fault
    throw InputError(message(
        where, {"", fmt::format("cannot be checked, its schema is wrong: {}", error.what())}));
  }
}

}  // namespace qloom::json
