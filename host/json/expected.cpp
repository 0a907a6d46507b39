// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What a schema allows, in words.
#include "host/json/expected.hpp"

#include <fmt/format.h>

#include "host/json/explain.hpp"

namespace qloom::json {
namespace {

std::string noun_of(const std::string& type) {
  if (type == "boolean") return "true or false";
  if (type == "null") return "null";
  const bool vowel = type == "integer" || type == "array" || type == "object";
  return (vowel ? "an " : "a ") + type;
}

}  // namespace

std::string joined(const std::vector<std::string>& items, const char* separator) {
  std::string text;
  for (const auto& item : items) text += (text.empty() ? "" : separator) + item;
  return text;
}

std::vector<std::string> types_of(const Json& schema) {
  if (!schema.contains("type")) return {};
  const Json& type = schema["type"];
  return type.is_array() ? type.get<std::vector<std::string>>()
                         : std::vector<std::string>{type.get<std::string>()};
}

std::string quoted_list(const std::vector<std::string>& names) {
  std::vector<std::string> quoted;
  for (const auto& name : names) quoted.push_back('"' + name + '"');
  return joined(quoted, ", ");
}

std::string shown(const Json& value) {
  constexpr std::size_t kMost = 80;  // one line of a terminal
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > kMost) text = text.substr(0, kMost) + "...";
  return text;
}

const Json& Explainer::resolve(const Json& schema) const {
  const Json* at = &schema;
  for (int hops = 0; at->is_object() && at->contains("$ref") && hops < 16; ++hops) {
    const auto& ref = (*at)["$ref"].get_ref<const std::string&>();
    if (ref.empty() || ref[0] != '#') break;
    const Json::json_pointer pointer(ref.substr(1));
    if (!root_.contains(pointer)) break;
    at = &root_.at(pointer);
  }
  return *at;
}

std::string Explainer::expected_number(const Json& s, const std::string& noun) const {
  std::string text = noun;
  if (s.contains("multipleOf")) {
    text += fmt::format(" that is a multiple of {}", shown(s["multipleOf"]));
  }
  const bool low = s.contains("minimum"), high = s.contains("maximum");
  if (low && high) {
    text += fmt::format(" from {} to {}", shown(s["minimum"]), shown(s["maximum"]));
  } else if (low) {
    text += fmt::format(" of at least {}", shown(s["minimum"]));
  } else if (high) {
    text += fmt::format(" of at most {}", shown(s["maximum"]));
  }
  if (s.contains("exclusiveMinimum")) {
    text += fmt::format(" above {}", shown(s["exclusiveMinimum"]));
  }
  if (s.contains("exclusiveMaximum")) {
    text += fmt::format("{} below {}", s.contains("exclusiveMinimum") ? " and" : "",
                        shown(s["exclusiveMaximum"]));
  }
  return text;
}

std::string Explainer::expected(const Json& schema, int levels) const {
  if (levels == 0) return "a value that follows the schema";  // which may contain itself
  const Json& s = resolve(schema);
  if (!s.is_object()) return s == Json(false) ? "nothing" : "any value";
  if (s.contains("const")) return shown(s["const"]);
  if (s.contains("enum")) {
    std::vector<std::string> values;
    for (const Json& value : s["enum"]) values.push_back(shown(value));
    return values.size() == 1 ? values[0] : "one of " + joined(values, ", ");
  }
  std::vector<std::string> parts;
  for (const std::string& type : types_of(s)) {
    if (type == "integer" || type == "number") {
      parts.push_back(expected_number(s, noun_of(type)));
    } else if (type == "string" && s.contains("pattern")) {
      parts.push_back(fmt::format("a string that matches {}", s["pattern"].get<std::string>()));
    } else if (type == "array" && s.contains("items") && s["items"].is_object()) {
      parts.push_back("an array, each item " + expected(s["items"], levels - 1));
    } else if (type == "object" && s.contains("required") && !s["required"].empty()) {
      const auto keys = s["required"].get<std::vector<std::string>>();
      parts.push_back("an object with " + quoted_list(keys));
    } else {
      parts.push_back(noun_of(type));
    }
  }
  for (const char* word : {"oneOf", "anyOf"}) {
    if (!s.contains(word) || !parts.empty()) continue;
    for (const Json& branch : s[word]) parts.push_back(expected(branch, levels - 1));
  }
  return parts.empty() ? "a value that follows the schema" : joined(parts, " or ");
}

}  // namespace qloom::json
