// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <limits>
#include <utility>

#include "host/json/explain.hpp"
#include "host/json/schema.hpp"

namespace qloom::json {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Where the allowed numbers begin: a larger pair is a narrower schema.
std::pair<double, bool> lower_end(const Json& s) {
  return std::max(std::pair(s.value("minimum", -kInfinity), false),
                  std::pair(s.value("exclusiveMinimum", -kInfinity), true));
}

/// Where they end: a smaller pair is a narrower schema.
std::pair<double, bool> upper_end(const Json& s) {
  return std::min(std::pair(s.value("maximum", kInfinity), true),
                  std::pair(s.value("exclusiveMaximum", kInfinity), false));
}

bool is_narrower_type(const Json& narrow, const Json& wide) {
  const Json n = narrow.value("type", Json()), w = wide.value("type", Json());
  return w.is_null() || n == w || (n == "integer" && w == "number");
}

/// What says neither how a value is explained nor between which bounds it lies.
Json other_words(Json s) {
  for (const char* word : {"description", "default", "type", "minimum", "maximum",
                           "exclusiveMinimum", "exclusiveMaximum"}) {
    s.erase(word);
  }
  return s;
}

}  // namespace

bool is_narrower(const Json& narrow, const Json& wide) {
  if (narrow.contains("enum")) {
    const Explainer explainer(wide);
    return std::all_of(narrow["enum"].begin(), narrow["enum"].end(),
                       [&](const Json& value) { return explainer.matches(wide, value); });
  }
  if (narrow.contains("oneOf")) {
    return std::all_of(narrow["oneOf"].begin(), narrow["oneOf"].end(),
                       [&](const Json& branch) { return is_narrower(branch, wide); });
  }
  if (wide.contains("oneOf")) {
    return std::any_of(wide["oneOf"].begin(), wide["oneOf"].end(),
                       [&](const Json& branch) { return is_narrower(narrow, branch); });
  }
  return is_narrower_type(narrow, wide) && lower_end(narrow) >= lower_end(wide) &&
         upper_end(narrow) <= upper_end(wide) && other_words(narrow) == other_words(wide);
}

}  // namespace qloom::json
