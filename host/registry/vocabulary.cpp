// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/registry/vocabulary.hpp"

#include <algorithm>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "host/json/explain.hpp"
#include "host/json/names.hpp"
#include "host/json/pointer.hpp"
#include "host/json/schema.hpp"
#include "host/tensor/error.hpp"

namespace qloom::registry {
namespace {

using json::Json;

constexpr std::string_view kPrefix = "qloom:parameters#/";
constexpr const char* kMayDiffer = "may_differ";
constexpr const char* kLow[] = {"minimum", "exclusiveMinimum"};
constexpr const char* kHigh[] = {"maximum", "exclusiveMaximum"};
constexpr const char* kOfTheValue[] = {"type",      "enum",
                                       "oneOf",     "minimum",
                                       "maximum",   "exclusiveMinimum",
                                       "minLength", "exclusiveMaximum"};

bool is_reference(const Json& schema) {
  return schema.is_object() && schema.contains("$ref") && schema["$ref"].is_string() &&
         schema["$ref"].get_ref<const std::string&>().starts_with(kPrefix);
}

/// The parameter that a reference names.
const Json& shared_parameter(const Json& vocabulary, const std::string& ref,
                             const std::string& where) {
  const std::string name = ref.substr(kPrefix.size());
  std::vector<std::string> known;
  for (const auto& [key, schema] : vocabulary.items()) {
    if (schema.is_object()) known.push_back(key);
  }
  if (std::find(known.begin(), known.end(), name) != known.end()) return vocabulary[name];
  throw InputError(fmt::format("{}/$ref: \"{}\" is no parameter of the vocabulary{}", where, name,
                               json::nearest_or_known(name, known)));
}

/// Which of the things that may differ a key beside a reference changes.
bool may_stand(const Json& shared, const std::string& key, const Json& value) {
  const Json& may = shared[kMayDiffer];
  const auto lists = [&may](const char* what) {
    return std::find(may.begin(), may.end(), what) != may.end();
  };
  if (key == "description") return lists("description");
  if (key == "default") return lists("default") || (value.is_null() && lists("no_default"));
  return lists("values") &&
         std::find(std::begin(kOfTheValue), std::end(kOfTheValue), key) != std::end(kOfTheValue);
}

template <class Words>
void make_room(Json& schema, const Json& beside, const Words& words) {
  const bool is_new = std::any_of(std::begin(words), std::end(words),
                                  [&](const char* word) { return beside.contains(word); });
  for (const char* word : words) {
    if (is_new) schema.erase(word);
  }
}

Json merged(const Json& shared, const Json& beside, const std::string& where) {
  Json result = shared;
  result.erase(kMayDiffer);
  const Json wide = result;
  make_room(result, beside, kLow);
  make_room(result, beside, kHigh);
  if (beside.contains("enum") || beside.contains("oneOf")) {
    for (const char* word : kOfTheValue) result.erase(word);
  } else if (beside.contains("type")) {
    result.erase("oneOf");
  }
  for (const auto& [key, value] : beside.items()) {
    if (key == "$ref") continue;
    if (!may_stand(shared, key, value)) {
      throw InputError(fmt::format("{}{}: {} may not differ from the vocabulary's; what may: {}",
                                   where, json::pointer_part(key), json::shown(value),
                                   shared[kMayDiffer].dump()));
    }
    if (value.is_null()) {
      result.erase(key);
    } else {
      result[key] = value;
    }
  }
  if (!json::is_narrower(result, wide)) {
    throw InputError(fmt::format("{}: allows more than the vocabulary, {}", where,
                                 json::Explainer(wide).expected(wide)));
  }
  return result;
}

}  // namespace

Json resolve_vocabulary(const Json& vocabulary, Json parameters, const std::string& where) {
  std::vector<std::string> places;
  json::for_each_schema(parameters, [&places](const Json& schema, const std::string& at) {
    if (is_reference(schema)) places.push_back(at);
  });
  for (const std::string& place : places) {
    Json& schema = parameters[Json::json_pointer(place)];
    schema =
        merged(shared_parameter(vocabulary, schema["$ref"], where + place), schema, where + place);
  }
  return parameters;
}

}  // namespace qloom::registry
