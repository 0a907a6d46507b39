// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/pipeline/recipe.hpp"

#include "tests/pipeline/workspace.hpp"

namespace qloom::test {
namespace {

class RecipeFile : public Workspace {
 protected:
  void SetUp() override {
    Workspace::SetUp();
    put(R"({"norm": {"plugin": "range_bn"},
            "rules": [{"site": "weight", "quantizer": {"plugin": "affine", "bits": "$bits"}},
                      {"site": "activation", "quantizer": {"plugin": "affine", "bits": 8}}],
            "procedures": [{"plugin": "swalp", "start_epoch": 3}],
            "optimizer": {"type": "adam", "learning_rate": 0.25}, "loss": "sum_of_squares"})");
  }
  /// The recipe "paper" with this piece.
  void put(const std::string& piece) const {
    std::filesystem::create_directories(folder_ / "plugins/recipe.paper");
    write("plugins/recipe.paper/plugin.json",
          R"({"id": "paper", "kind": "recipe", "version": "1.0.0", "summary": "s", "pipeline": )" +
              piece + R"(, "parameters": {"type": "object", "additionalProperties": false,
                "properties": {"bits": {"type": "integer", "minimum": 1, "default": 5}}}})");
  }
  [[nodiscard]] std::string error_of(const Json& patch) const {
    return input_error([&] { return load(patch); });
  }
  [[nodiscard]] std::string manifest() const { return path("plugins/recipe.paper/plugin.json"); }
};

TEST_F(RecipeFile, StandsForItsPieceWithTheValuesOfItsParameters) {
  const auto p = load(Json::parse(R"({"recipe": {"plugin": "paper", "bits": 3},
                                      "stages": [{"train": {}}]})"));
  ASSERT_EQ(p.rules.size(), 2U);
  EXPECT_EQ(p.rules[0].body["quantizer"]["bits"], 3);
  EXPECT_EQ(p.rules[0].where, manifest() + ": /pipeline/rules/0");
  ASSERT_EQ(p.procedures.size(), 1U);
  EXPECT_EQ(p.procedures[0].params["start_epoch"], 3);
  EXPECT_EQ(p.norm["plugin"], "range_bn");
  EXPECT_EQ(p.stages[0].optimizer.type, "adam");
  EXPECT_EQ(p.stages[0].optimizer.learning_rate, 0.25);
  EXPECT_EQ(p.stages[0].loss, "sum_of_squares");
  EXPECT_EQ(
      load(Json::parse(R"({"recipe": {"plugin": "paper"}})")).rules[0].body["quantizer"]["bits"],
      5);
}

TEST_F(RecipeFile, ThePipelinesRulesComeAfterItAndItsOwnWordsWin) {
  const auto p =
      load(Json::parse(R"({"recipe": {"plugin": "paper"}, "norm": {"plugin": "batch_norm"},
      "rules": [{"site": "weight", "quantizer": null}], "procedures": [{"plugin": "swalp"}],
      "stages": [{"train": {"optimizer": {"learning_rate": 0.5}, "loss": "softmax_cross_entropy"}}]})"));
  ASSERT_EQ(p.rules.size(), 3U);
  EXPECT_TRUE(p.rules[2].body["quantizer"].is_null());
  EXPECT_EQ(p.rules[2].where, path("p.json") + ": /rules/0");  // as the file has it
  ASSERT_EQ(p.procedures.size(), 2U);
  EXPECT_EQ(p.procedures[1].where, path("p.json") + ": /procedures/0");
  EXPECT_EQ(p.norm["plugin"], "batch_norm");
  EXPECT_EQ(p.stages[0].optimizer.type, "sgd");
  EXPECT_EQ(p.stages[0].loss, "softmax_cross_entropy");
}

TEST_F(RecipeFile, AsUsedThePipelineStandsForItself) {
  const auto p = load(Json::parse(R"({"recipe": {"plugin": "paper"}, "stages": [{"train": {}}],
      "rules": [{"site": "bias", "quantizer": {"plugin": "affine"}}]})"));
  EXPECT_FALSE(p.as_used.contains("recipe"));
  EXPECT_EQ(p.recipe, (Json{{"plugin", "paper"}, {"bits", 5}}));
  EXPECT_EQ(p.as_used["rules"].size(), 3U);
  EXPECT_EQ(p.as_used["procedures"].size(), 1U);
  EXPECT_EQ(p.as_used["stages"][0]["train"]["optimizer"]["type"], "adam");
  EXPECT_EQ(p.as_written["rules"].size(), 1U);
  const auto again = pipeline::load(write("again.json", p.as_used.dump()), {}, registry());
  EXPECT_EQ(again.as_used, p.as_used);
  EXPECT_TRUE(again.recipe.is_null());
}

TEST_F(RecipeFile, OverridesAddressTheFileAsItIsWritten) {
  const Json patch = Json::parse(R"({"recipe": {"plugin": "paper"},
                                     "rules": [{"site": "bias", "quantizer": {"plugin": "affine"}}]})");
  const auto p = load(patch, {"/recipe/bits=2", "/rules/0/quantizer/bits=6"});
  EXPECT_EQ(p.rules[0].body["quantizer"]["bits"], 2);
  EXPECT_EQ(p.rules[2].body["quantizer"]["bits"], 6);
}

TEST_F(RecipeFile, WhatIsWrongIsToldWithItsPlace) {
  EXPECT_NE(error_of(Json::parse(R"({"recipe": {"plugin": "papr"}})"))
                .find(": /recipe/plugin: unknown recipe \"papr\", did you mean \"paper\"?"),
            std::string::npos)
      << error_of(Json::parse(R"({"recipe": {"plugin": "papr"}})"));
  EXPECT_NE(
      error_of(Json::parse(R"({"recipe": {"plugin": "paper", "bits": 0}})")).find("/recipe/bits"),
      std::string::npos);
  const Json use = Json::parse(R"({"recipe": {"plugin": "paper"}})");
  put(R"({"rules": [{"site": "weight", "quantizer": {"plugin": "affine", "bits": "$bit"}}]})");
  EXPECT_EQ(error_of(use),
            manifest() +
                ": /pipeline/rules/0/quantizer/bits: \"$bit\" is no parameter of the "
                "recipe that has a value, did you mean \"bits\"?");
  put(R"({"rules": [{"site": "weigth", "quantizer": {"plugin": "affine"}}]})");
  EXPECT_NE(error_of(use).find(manifest() + ": /pipeline/rules/0/site"), std::string::npos)
      << error_of(use);
  put(R"({"rules": [{"site": "weight", "quantiser": {"plugin": "affine"}}]})");
  EXPECT_NE(error_of(use).find("\"quantizer\""), std::string::npos) << error_of(use);
}

TEST_F(RecipeFile, ARecipeIsItsPieceAndNoOtherMethodHasOne) {
  std::filesystem::create_directories(folder_ / "plugins/recipe.empty");
  write("plugins/recipe.empty/plugin.json",
        R"({"id": "empty", "kind": "recipe", "version": "1.0.0", "summary": "s"})");
  EXPECT_NE(input_error([&] { return registry(); }).find("missing key \"pipeline\""),
            std::string::npos);
  write("plugins/recipe.empty/plugin.json",
        R"({"id": "empty", "kind": "norm", "version": "1.0.0", "summary": "s",
            "pipeline": {"rules": []}})");
  EXPECT_NE(input_error([&] { return registry(); }).find("/pipeline: only a recipe has one"),
            std::string::npos);
}

}  // namespace
}  // namespace qloom::test
