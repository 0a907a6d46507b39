// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Whoever has only JSON must understand every method: each manifest of the tree, and of the
// templates, has a formula and a reference, and for each parameter a description, a unit where it
// is a number, and what holds when it is not given.
#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "host/data/arrays/array_file.hpp"
#include "host/data/json_file.hpp"
#include "host/registry/registry.hpp"
#include "host/registry/vocabulary.hpp"

namespace qloom::registry {
namespace {
namespace fs = std::filesystem;

bool is_type(const Json& schema, const char* type) {
  const Json t = schema.value("type", Json());
  return t == type || (t.is_array() && std::find(t.begin(), t.end(), type) != t.end());
}

/// The alternatives of a schema, itself first.
std::vector<Json> alternatives(const Json& schema) {
  std::vector<Json> all{schema};
  for (const char* key : {"oneOf", "anyOf"}) {
    for (const Json& one : schema.value(key, Json::array())) all.push_back(one);
  }
  return all;
}

bool may_be_number(const Json& schema) {
  const std::vector<Json> all = alternatives(schema);
  return std::any_of(all.begin(), all.end(),
                     [](const Json& s) { return is_type(s, "number") || is_type(s, "integer"); });
}

bool says_what_holds_without_it(const std::string& description) {
  for (const char* words : {"Without it", "without it", "by default", "Default: "}) {
    if (description.find(words) != std::string::npos) return true;
  }
  return false;
}

void expect_explained(const Json& schema, const std::string& where) {
  const Json required = schema.value("required", Json::array());
  const Json properties = schema.value("properties", Json::object());
  for (const auto& [name, parameter] : properties.items()) {
    const std::string place = where + "/" + name;
    const std::string description = parameter.value("description", "");
    EXPECT_NE(description, "") << place << ": no description";
    if (may_be_number(parameter)) {
      EXPECT_NE(description.find("Unit: "), std::string::npos) << place << ": no unit";
    }
    const bool is_required = std::find(required.begin(), required.end(), name) != required.end();
    EXPECT_TRUE(is_required || parameter.contains("default") ||
                says_what_holds_without_it(description))
        << place << ": neither required nor a default, and no word on what holds without it";
    for (const Json& one : alternatives(parameter)) expect_explained(one, place);
  }
}

/// Values of the parameter "part" and names of parameters in the other keys are those of the
/// schema.
void expect_names_parameters(const Json& method, const std::string& place) {
  const Json properties = method["parameters"].value("properties", Json::object());
  const Json sites = method.value("sites", Json());
  if (sites.is_object()) {
    Json parts = Json::array();
    for (const auto& [part, list] : sites.items()) parts.push_back(part);
    Json known = properties.at("part").at("enum");
    std::sort(known.begin(), known.end());
    EXPECT_EQ(parts, known) << place << ": sites";
  }
  const Json only_with = method.value("only_with", Json::object());
  for (const auto& [name, conditions] : only_with.items()) {
    EXPECT_TRUE(properties.contains(name)) << place << ": only_with/" << name;
    for (const auto& [other, values] : conditions.items()) {
      EXPECT_TRUE(properties.contains(other)) << place << ": only_with/" << name << "/" << other;
    }
  }
  const Json agrees_with = method.value("agrees_with", Json::object());
  for (const auto& [name, others] : agrees_with.items()) {
    EXPECT_TRUE(properties.contains(name)) << place << ": agrees_with/" << name;
    for (const Json& other : others) {
      const fs::path manifest = fs::path(QLOOM_SOURCE_DIR) / "plugins" /
                                (other["kind"].get<std::string>() + "s") /
                                other["id"].get<std::string>() / "plugin.json";
      EXPECT_TRUE(
          data::read_json(manifest)["parameters"]["properties"].contains(other["parameter"]))
          << place << ": agrees_with/" << name << ": " << other.dump();
    }
  }
  for (const Json& pointer : method.value("epochs", Json::array())) {
    const auto text = pointer.get<std::string>();
    EXPECT_TRUE(properties.contains(text.substr(1, text.find('/', 1) - 1))) << place << text;
  }
}

void expect_explained_method(const Json& method, const std::string& where) {
  const std::string place = where + ": " + method.value("id", "");
  EXPECT_NE(method.value("summary", ""), "") << place << ": no summary";
  EXPECT_NE(method.value("formula", ""), "") << place << ": no formula";
  const Json reference = method.value("reference", Json());
  const Json first = reference.is_array() && !reference.empty() ? reference[0] : reference;
  EXPECT_TRUE(first.is_object() && first.value("title", "") != "") << place << ": no reference";
  ASSERT_TRUE(method.contains("parameters")) << place;
  EXPECT_EQ(method["parameters"].value("additionalProperties", true), false)
      << place << ": a misspelt parameter would pass";
  expect_explained(method["parameters"], place);
  expect_names_parameters(method, place);
}

TEST(TreeManifests, ExplainEveryMethodAndParameter) {
  const fs::path root = QLOOM_SOURCE_DIR;
  const Json vocabulary = data::read_json(schema_folder() / "parameters.schema.json");
  std::set<std::string> kinds;
  for (const fs::path& folder : {root / "plugins", root / "sdk" / "template" / "kinds"}) {
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (entry.path().filename() != "plugin.json") continue;
      const Json manifest = Json::parse(data::read_text(entry.path()));
      const Json methods = manifest.value("methods", Json::array({manifest}));
      for (Json method : methods) {
        const std::string file = fs::relative(entry.path(), root).string();
        if (method.contains("parameters")) {
          method["parameters"] =
              resolve_vocabulary(vocabulary, std::move(method["parameters"]), file);
        }
        kinds.insert(method["kind"].get<std::string>());
        expect_explained_method(method, file);
      }
    }
  }
  EXPECT_EQ(kinds.size(), 8U);
}

}  // namespace
}  // namespace qloom::registry
