// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/json/schema.hpp"

#include <regex>
#include <stdexcept>
#include <vector>

#include <fmt/format.h>

#include "host/json/expected.hpp"
#include "host/json/explain.hpp"
#include "host/json/pointer.hpp"
#include "host/json/validate.hpp"
#include "host/tensor/error.hpp"

namespace qloom::json {
namespace {

using Visit = SchemaVisit;

/// Schemas of the same value, not of a part of it.
void for_same_value(const Json& s, const std::string& at, const Visit& visit) {
  for (const char* word : {"not", "if", "then", "else"}) {
    if (s.contains(word)) visit(s[word], at + "/" + word);
  }
  for (const char* word : {"allOf", "anyOf", "oneOf"}) {
    if (!s.contains(word)) continue;
    for (std::size_t i = 0; i < s[word].size(); ++i) {
      visit(s[word][i], fmt::format("{}/{}/{}", at, word, i));
    }
  }
}

/// Schemas of parts of the value.
void for_parts(const Json& s, const std::string& at, const Visit& visit) {
  for (const char* word : {"properties", "patternProperties", "definitions", "dependencies"}) {
    if (!s.contains(word)) continue;
    for (const auto& [key, part] : s[word].items()) {
      if (!part.is_array()) visit(part, at + "/" + word + pointer_part(key));
    }
  }
  for (const char* word :
       {"additionalProperties", "propertyNames", "contains", "additionalItems"}) {
    if (s.contains(word)) visit(s[word], at + "/" + word);
  }
  if (!s.contains("items")) return;
  const Json& items = s["items"];
  if (!items.is_array()) return visit(items, at + "/items");
  for (std::size_t i = 0; i < items.size(); ++i) visit(items[i], fmt::format("{}/items/{}", at, i));
}

class SchemaCheck {
 public:
  SchemaCheck(const Json& root, std::string where)
      : root_(root), where_(std::move(where)), explainer_(root) {}

  /// The words of this schema and of all below it.
  void words(const Json& s, const std::string& at) const {
    if (!s.is_object()) return;
    if (s.contains("$ref")) static_cast<void>(target(s, at));
    if (s.contains("pattern")) pattern(s["pattern"].get<std::string>(), at + "/pattern");
    const Json patterns = s.value("patternProperties", Json::object());
    for (const auto& [text, part] : patterns.items()) {
      pattern(text, at + "/patternProperties" + pointer_part(text));
    }
    const auto below = [this](const Json& part, const std::string& place) { words(part, place); };
    for_same_value(s, at, below);
    for_parts(s, at, below);
  }

  /// A value that is checked again and again by the same schema would never be done.
  void ends(const Json& s, const std::string& at) const {
    std::vector<const Json*> path;
    follow(s, at, path);
    if (!s.is_object()) return;
    const auto below = [this](const Json& part, const std::string& place) { ends(part, place); };
    for_same_value(s, at, below);
    for_parts(s, at, below);
  }

  void defaults(const Json& s, const std::string& at) const {
    if (!s.is_object()) return;
    if (s.contains("default")) {
      if (const auto fault = explainer_.find(s, s["default"])) {
        refuse(at + "/default" + fault->pointer, fault->text);
      }
      ends_with_defaults(s, s["default"], at + "/default");
    }
    const auto below = [this](const Json& part, const std::string& place) {
      defaults(part, place);
    };
    for_same_value(s, at, below);
    for_parts(s, at, below);
  }

  /// Of what is filled in, defaults may be filled in: a value that never ends is refused.
  void ends_with_defaults(const Json& s, Json value, const std::string& at) const {
    try {
      fill_defaults(explainer_, s, value);
    } catch (const std::runtime_error& error) {
      refuse(at, error.what());
    }
  }

 private:
  /// All schemas that check the value which `s` checks; `path` leads to it.
  void follow(const Json& s, const std::string& at, std::vector<const Json*>& path) const {
    if (!s.is_object()) return;
    if (++followed_ > kMostFollowed) {
      refuse(at, fmt::format("leads to more than {} schemas of the same values", kMostFollowed));
    }
    for (const Json* before : path) {
      if (before == &s) refuse(at, "leads back to itself without end");
    }
    path.push_back(&s);
    const auto next = [&](const Json& part, const std::string& place) {
      follow(part, place, path);
    };
    if (s.contains("$ref")) {
      next(target(s, at), at + "/$ref");
    } else {
      for_same_value(s, at, next);
    }
    path.pop_back();
  }
  [[noreturn]] void refuse(const std::string& at, const std::string& what) const {
    throw InputError(fmt::format("{}{}: {}", where_, at, what));
  }
  [[nodiscard]] const Json& target(const Json& s, const std::string& at) const {
    const auto& ref = s["$ref"].get_ref<const std::string&>();
    try {
      if (ref.starts_with('#')) return root_.at(Json::json_pointer(ref.substr(1)));
    } catch (const Json::exception&) {  // no pointer, or it points to nothing
    }
    refuse(at + "/$ref", fmt::format("\"{}\" is not the pointer of a place in this schema", ref));
  }
  void pattern(const std::string& text, const std::string& at) const {
    if (text.size() > kMostMatched) {
      refuse(at,
             fmt::format("a pattern of {} bytes; expected at most {}", text.size(), kMostMatched));
    }
    try {
      const std::regex compiled(text);
    } catch (const std::regex_error& error) {
      refuse(at, fmt::format("\"{}\" is no regular expression: {}", text, error.what()));
    }
  }

  static constexpr std::size_t kMostFollowed =
      100'000;  // two references each lead to twice as many
  const Json& root_;
  std::string where_;
  Explainer explainer_;
  mutable std::size_t followed_ = 0;
};

void walk(const Json& s, const std::string& at, const Visit& visit) {
  visit(s, at);
  if (!s.is_object()) return;
  const Visit below = [&visit](const Json& part, const std::string& place) {
    walk(part, place, visit);
  };
  for_same_value(s, at, below);
  for_parts(s, at, below);
}

}  // namespace

void for_each_schema(const Json& schema, const SchemaVisit& visit) { walk(schema, "", visit); }

void require_sound_schema(const Json& schema, const std::string& where) {
  const SchemaCheck check(schema, where);
  check.words(schema, "");
  check.ends(schema, "");
  check.defaults(schema, "");
  check.ends_with_defaults(schema, Json::object(), "");
}

}  // namespace qloom::json
