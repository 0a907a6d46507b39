// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/json/explain.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <regex>
#include <set>
#include <vector>

#include <fmt/format.h>

#include "host/json/expected.hpp"
#include "host/json/names.hpp"
#include "host/json/pointer.hpp"

namespace qloom::json {
namespace {

bool has_type(const std::string& type, const Json& v) {
  if (type == "integer") return v.is_number_integer();
  if (type == "number") return v.is_number();
  if (type == "string") return v.is_string();
  if (type == "boolean") return v.is_boolean();
  if (type == "array") return v.is_array();
  if (type == "object") return v.is_object();
  return type == "null" && v.is_null();
}

/// The largest integer that the checker of schemas knows, and most that reads the value.
constexpr std::int64_t kMostInteger = INT64_MAX;

bool is_too_large(const Json& v) {
  return v.is_number_unsigned() &&
         v.get<std::uint64_t>() > static_cast<std::uint64_t>(kMostInteger);
}

std::vector<std::string> keys_of(const Json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  return keys;
}

/// What a schema says under this word; null where it says nothing.
const Json& word_of(const Json& schema, const char* word) {
  static const Json kNothing;
  const auto found = schema.find(word);
  return found == schema.end() ? kNothing : *found;
}

/// Characters of UTF-8 text.
std::size_t length_of(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned>(c) & 0xC0U) != 0x80U;
  }));
}

/// A key of the object that no property has and that is near to the missing one.
std::string misspelt(const std::string& missing, const Json& properties,
                     std::vector<std::string> present) {
  std::erase_if(present, [&](const std::string& key) { return properties.contains(key); });
  const std::string nearest = nearest_name(missing, present);
  return nearest.empty() ? "" : fmt::format(", did you mean it by \"{}\"?", nearest);
}

std::string unknown_key(const std::string& key, const std::vector<std::string>& known) {
  const std::string nearest = nearest_name(key, known);
  if (!nearest.empty()) {
    return fmt::format("unknown key \"{}\", did you mean \"{}\"?", key, nearest);
  }
  if (known.empty()) return fmt::format("unknown key \"{}\": no keys are expected here", key);
  return fmt::format("unknown key \"{}\"; known keys: {}", key, quoted_list(known));
}

}  // namespace

std::optional<Finding> Explainer::find(const Json& schema, const Json& value,
                                       const std::string& pointer) const {
  const Json& s = resolve(schema);
  if (s.is_boolean()) {
    if (s.get<bool>()) return {};
    return Finding{pointer, fmt::format("{} is not allowed here", shown(value))};
  }
  if (auto found = check_scalar(s, value, pointer)) return found;
  if (value.is_object()) {
    if (auto found = check_object(s, value, pointer)) return found;
  }
  if (value.is_array()) {
    if (auto found = check_array(s, value, pointer)) return found;
  }
  return check_combined(s, value, pointer);
}

Explainer::Result Explainer::check_scalar(const Json& s, const Json& v,
                                          const std::string& at) const {
  const auto types = types_of(s);
  const bool fits = std::any_of(types.begin(), types.end(),
                                [&](const std::string& type) { return has_type(type, v); });
  if (!types.empty() && !fits) {
    return Finding{at, fmt::format("{} is not {}", shown(v), expected(s))};
  }
  if (s.contains("const") && s["const"] != v) {
    return Finding{at, fmt::format("{} is not {}", shown(v), expected(s))};
  }
  if (s.contains("enum") && std::find(s["enum"].begin(), s["enum"].end(), v) == s["enum"].end()) {
    std::vector<std::string> names;
    for (const Json& item : s["enum"]) {
      if (item.is_string()) names.push_back(item.get<std::string>());
    }
    return Finding{at, fmt::format("{} is not {}{}", shown(v), expected(s),
                                   v.is_string() ? did_you_mean(v.get<std::string>(), names) : "")};
  }
  if (v.is_number()) return check_number(s, v, at);
  if (v.is_string()) return check_string(s, v, at);
  return {};
}

Explainer::Result Explainer::check_number(const Json& s, const Json& v,
                                          const std::string& at) const {
  const auto finding = [&](const char* relation, const Json& bound) {
    const bool is_integer = types_of(s) == std::vector<std::string>{"integer"};
    return Finding{at, fmt::format("{} is {} {}; expected {}", shown(v), relation, shown(bound),
                                   expected_number(s, is_integer ? "an integer" : "a number"))};
  };
  if (is_too_large(v) && types_of(s) == std::vector<std::string>{"integer"}) {
    return finding("above the maximum", s.value("maximum", Json(kMostInteger)));
  }
  if (s.contains("minimum") && v < s["minimum"]) return finding("below the minimum", s["minimum"]);
  if (s.contains("maximum") && v > s["maximum"]) return finding("above the maximum", s["maximum"]);
  if (s.contains("exclusiveMinimum") && v <= s["exclusiveMinimum"]) {
    return finding("not above", s["exclusiveMinimum"]);
  }
  if (s.contains("exclusiveMaximum") && v >= s["exclusiveMaximum"]) {
    return finding("not below", s["exclusiveMaximum"]);
  }
  if (s.contains("multipleOf")) {
    const double step = s["multipleOf"].get<double>();
    if (std::remainder(v.get<double>(), step) != 0.0) {
      return finding("not a multiple of", s["multipleOf"]);
    }
  }
  return {};
}

Explainer::Result Explainer::check_string(const Json& s, const Json& v,
                                          const std::string& at) const {
  const auto& text = v.get_ref<const std::string&>();
  const std::size_t length = length_of(text);
  if (s.contains("minLength") && length < s["minLength"].get<std::size_t>()) {
    if (length == 0) return Finding{at, "the text is empty"};
    return Finding{at, fmt::format("{} has {} characters; expected at least {}", shown(v), length,
                                   shown(s["minLength"]))};
  }
  if (s.contains("maxLength") && length > s["maxLength"].get<std::size_t>()) {
    return Finding{at, fmt::format("{} has {} characters; expected at most {}", shown(v), length,
                                   shown(s["maxLength"]))};
  }
  if (s.contains("pattern")) {
    if (length > kMostMatched) {
      return Finding{at, fmt::format("{} has {} characters; a text with a pattern has at most {}",
                                     shown(v), length, kMostMatched)};
    }
    const std::regex pattern(s["pattern"].get<std::string>());
    if (!std::regex_search(text, pattern)) {
      return Finding{at, fmt::format("{} is not a string that matches {}", shown(v),
                                     s["pattern"].get<std::string>())};
    }
  }
  return {};
}

Explainer::Result Explainer::check_member(const Json& s, const std::string& key, const Json& v,
                                          const std::string& at) const {
  const std::string place = at + pointer_part(key);
  bool is_known = false;
  const Json& properties = word_of(s, "properties");
  if (properties.contains(key)) {
    is_known = true;
    if (auto found = find(s["properties"][key], v, place)) return found;
  }
  const Json& patterns = word_of(s, "patternProperties");
  for (const auto& [pattern, member] : patterns.items()) {
    if (key.size() > kMostMatched) {
      return Finding{at, fmt::format("the key {} has {} bytes; expected at most {}", shown(key),
                                     key.size(), kMostMatched)};
    }
    if (!std::regex_search(key, std::regex(pattern))) continue;
    is_known = true;
    if (auto found = find(member, v, place)) return found;
  }
  if (is_known || !s.contains("additionalProperties")) return {};
  const Json& rest = s["additionalProperties"];
  if (rest == Json(false)) return Finding{place, unknown_key(key, keys_of(properties))};
  return find(rest, v, place);
}

Explainer::Result Explainer::check_object(const Json& s, const Json& v,
                                          const std::string& at) const {
  for (const auto& [key, member] : v.items()) {  // first: a misspelt key also makes one missing
    if (auto found = check_member(s, key, member, at)) return found;
    if (s.contains("propertyNames")) {
      if (auto found = find(s["propertyNames"], Json(key), at + pointer_part(key))) return found;
    }
  }
  for (const Json& name : word_of(s, "required")) {
    const auto& key = name.get_ref<const std::string&>();
    if (v.contains(key)) continue;
    const Json& properties = word_of(s, "properties");
    const std::string what =
        properties.contains(key) ? "; expected " + expected(s["properties"][key]) : "";
    return Finding{at, fmt::format("missing key \"{}\"{}{}", key, what,
                                   misspelt(key, properties, keys_of(v)))};
  }
  if (s.contains("minProperties") && v.size() < s["minProperties"].get<std::size_t>()) {
    return Finding{at, fmt::format("{} has {} keys; expected at least {}", shown(v), v.size(),
                                   shown(s["minProperties"]))};
  }
  if (s.contains("maxProperties") && v.size() > s["maxProperties"].get<std::size_t>()) {
    return Finding{at, fmt::format("{} has {} keys; expected at most {}", shown(v), v.size(),
                                   shown(s["maxProperties"]))};
  }
  const Json& dependencies = word_of(s, "dependencies");
  for (const auto& [key, needs] : dependencies.items()) {
    if (!v.contains(key)) continue;
    if (!needs.is_array()) {
      if (auto found = find(needs, v, at)) return found;
      continue;
    }
    for (const Json& other : needs) {
      if (!v.contains(other.get_ref<const std::string&>())) {
        return Finding{at, fmt::format("key \"{}\" needs the key {} beside it", key, shown(other))};
      }
    }
  }
  return {};
}

Explainer::Result Explainer::check_array(const Json& s, const Json& v,
                                         const std::string& at) const {
  if (s.contains("minItems") && v.size() < s["minItems"].get<std::size_t>()) {
    return Finding{at, fmt::format("{} has {} items; expected at least {}", shown(v), v.size(),
                                   shown(s["minItems"]))};
  }
  if (s.contains("maxItems") && v.size() > s["maxItems"].get<std::size_t>()) {
    return Finding{at, fmt::format("{} has {} items; expected at most {}", shown(v), v.size(),
                                   shown(s["maxItems"]))};
  }
  const Json& items = word_of(s, "items");
  std::set<Json> seen;
  for (std::size_t i = 0; i < v.size(); ++i) {
    const std::string place = at + "/" + std::to_string(i);
    Result found;
    if (!items.is_array()) {
      found = s.contains("items") ? find(s["items"], v[i], place) : Result{};
    } else if (i < items.size()) {
      found = find(s["items"][i], v[i], place);
    } else if (s.contains("additionalItems")) {
      found = find(s["additionalItems"], v[i], place);
    }
    if (found) return found;
    if (s.value("uniqueItems", false) && !seen.insert(v[i]).second) {
      return Finding{place, fmt::format("{} is there twice", shown(v[i]))};
    }
  }
  if (s.contains("contains")) {
    const bool is_there = std::any_of(
        v.begin(), v.end(), [&](const Json& item) { return matches(s["contains"], item); });
    if (!is_there) {
      return Finding{at, fmt::format("no item is {}", expected(s["contains"]))};
    }
  }
  return {};
}

Explainer::Result Explainer::check_combined(const Json& s, const Json& v,
                                            const std::string& at) const {
  if (s.contains("allOf")) {
    for (const Json& part : s["allOf"]) {
      if (auto found = find(part, v, at)) return found;
    }
  }
  if (s.contains("anyOf")) {
    if (auto found = check_branches(s["anyOf"], false, v, at)) return found;
  }
  if (s.contains("oneOf")) {
    if (auto found = check_branches(s["oneOf"], true, v, at)) return found;
  }
  if (s.contains("not") && matches(s["not"], v)) {
    return Finding{at, fmt::format("{} must not be {}", shown(v), expected(s["not"]))};
  }
  if (s.contains("if")) {
    const char* branch = matches(s["if"], v) ? "then" : "else";
    if (s.contains(branch)) return find(s[branch], v, at);
  }
  return {};
}

/// When no branch fits, the one whose first fault lies deepest is what the writer meant.
Explainer::Result Explainer::check_branches(const Json& branches, bool exactly_one, const Json& v,
                                            const std::string& at) const {
  std::size_t fitting = 0;
  std::vector<std::string> options;
  Result deepest;
  bool is_clear = false;
  for (const Json& branch : branches) {
    const Result found = find(branch, v, at);
    options.push_back(expected(branch));
    if (!found) {
      ++fitting;
      continue;
    }
    const std::size_t depth = found->pointer.size();
    const bool is_guess = found->text.find("did you mean") != std::string::npos;
    if (!deepest || depth > deepest->pointer.size()) {
      deepest = found;
      is_clear = depth > at.size();
    } else if (depth == deepest->pointer.size() && found->text != deepest->text) {
      if (is_guess) deepest = found;
      is_clear = deepest->text.find("did you mean") != std::string::npos;
    }
  }
  if (fitting == 1 || (fitting > 1 && !exactly_one)) return {};
  if (fitting > 1) {
    const std::string all = joined(options, "; ");
    return Finding{at, fmt::format("{} fits more than one of: {}", shown(v), all)};
  }
  if (is_clear || (branches.size() == 1 && deepest)) return deepest;
  return Finding{at, fmt::format("{} is not {}", shown(v), joined(options, " or "))};
}

}  // namespace qloom::json
