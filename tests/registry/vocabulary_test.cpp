// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// References to the vocabulary of parameters, and what may stand beside them.
#include "host/registry/vocabulary.hpp"

#include <gtest/gtest.h>

#include "host/data/json_file.hpp"
#include "host/json/schema.hpp"
#include "host/registry/registry.hpp"

namespace qloom::registry {
namespace {

const Json& tree_parameters() {
  static const Json text = data::read_json(schema_folder() / "parameters.schema.json");
  return text;
}

Json schema_with(const std::string& properties) {
  return Json::parse(R"({"type": "object", "properties": {)" + properties + "}}");
}

Json resolved(const std::string& property) {
  return resolve_vocabulary(tree_parameters(), schema_with(R"("p": )" + property), "m: /parameters")
      .at("properties")
      .at("p");
}

std::string refusal(const std::string& property) {
  try {
    return "accepted: " + resolved(property).dump();
  } catch (const InputError& e) {
    return e.what();
  }
}

TEST(Vocabulary, AReferenceBecomesTheParameter) {
  EXPECT_EQ(resolved(R"({"$ref": "qloom:parameters#/stochastic"})"), Json::parse(R"({
    "description": "Random values in training, by the method's own probabilities.",
    "type": "boolean", "default": false})"));
}

TEST(Vocabulary, WhatStandsBesideItMakesItNarrower) {
  const Json bits =
      resolved(R"({"$ref": "qloom:parameters#/bits", "minimum": 2, "maximum": 6, "default": 4})");
  EXPECT_EQ(bits["minimum"], 2);
  EXPECT_EQ(bits["maximum"], 6);
  EXPECT_EQ(bits["default"], 4);
  EXPECT_EQ(bits["type"], "integer");
  const Json two = resolved(R"({"$ref": "qloom:parameters#/granularity", "description": "Own.",
                                "enum": ["tensor", "channel"], "default": null})");
  EXPECT_EQ(two, Json::parse(R"({"description": "Own.", "enum": ["tensor", "channel"]})"));
  const Json level = resolved(R"({"$ref": "qloom:parameters#/minimum", "exclusiveMinimum": 1})");
  EXPECT_FALSE(level.contains("minimum"));
}

TEST(Vocabulary, IsReadWhereverASchemaStands) {
  const Json schema = resolve_vocabulary(
      tree_parameters(),
      schema_with(
          R"("list": {"type": "array", "items": {"oneOf": [{"$ref": "qloom:parameters#/bits"}]},
                      "default": [{"$ref": "qloom:parameters#/bits"}]})"),
      "");
  EXPECT_EQ(schema["/properties/list/items/oneOf/0/type"_json_pointer], "integer");
  EXPECT_TRUE(schema["/properties/list/default/0"_json_pointer].contains("$ref"));
}

TEST(Vocabulary, WhatMayNotDifferIsRefused) {
  const std::pair<const char*, const char*> faults[] = {
      {R"({"$ref": "qloom:parameters#/bitz"})",
       "m: /parameters/properties/p/$ref: \"bitz\" is no parameter of the vocabulary, did you mean "
       "\"bits\"?"},
      {R"({"$ref": "qloom:parameters#/title"})", "\"title\" is no parameter of the vocabulary"},
      {R"({"$ref": "qloom:parameters#/bits", "maximum": 64})",
       "m: /parameters/properties/p: allows more than the vocabulary, an integer from 1 to 48"},
      {R"({"$ref": "qloom:parameters#/granularity", "enum": ["tensor", "row"]})", "allows more"},
      {R"({"$ref": "qloom:parameters#/granularity", "default": "channel"})",
       "m: /parameters/properties/p/default: \"channel\" may not differ from the vocabulary's; "
       "what may: [\"description\",\"no_default\",\"values\"]"},
      {R"({"$ref": "qloom:parameters#/eps", "default": 1e-3})", "/p/default: 0.001 may not differ"},
      {R"({"$ref": "qloom:parameters#/eps", "maximum": 1})", "/p/maximum: 1 may not differ"},
      {R"({"$ref": "qloom:parameters#/bits", "title": "x"})", "/p/title: \"x\" may not differ"},
      {R"({"$ref": "qloom:parameters#/init_gain", "enum": [6]})", "/p/enum: [6] may"}};
  for (const auto& [property, part] : faults) {
    EXPECT_NE(refusal(property).find(part), std::string::npos) << refusal(property);
  }
}

TEST(Vocabulary, EveryParameterIsSoundAndExplained) {
  std::size_t count = 0;
  for (const auto& [name, shared] : tree_parameters().items()) {
    if (!shared.is_object()) continue;
    ++count;
    Json schema = shared;
    schema.erase("may_differ");
    EXPECT_NO_THROW(json::require_sound_schema(schema, name));
    EXPECT_NE(shared.value("description", ""), "") << name;
    for (const Json& what : shared.at("may_differ")) {
      EXPECT_TRUE(what == "description" || what == "default" || what == "no_default" ||
                  what == "values")
          << name << ": " << what;
    }
    json::for_each_schema(schema, [&name = name](const Json& s, const std::string&) {
      EXPECT_FALSE(s.is_object() && s.contains("$ref")) << name;
    });
  }
  EXPECT_GT(count, 20U);
}

}  // namespace
}  // namespace qloom::registry
