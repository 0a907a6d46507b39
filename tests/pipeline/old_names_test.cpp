// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Pipelines and rules that call parameters by names of before.
#include "tests/pipeline/workspace.hpp"

namespace qloom::test {
namespace {

class OldNames : public Workspace {
 protected:
  void SetUp() override {
    Workspace::SetUp();
    std::filesystem::create_directories(folder_ / "plugins" / "quantizer.learned");
    write("plugins/quantizer.learned/plugin.json",
          R"({"id": "learned", "kind": "quantizer", "version": "1.0.0", "summary": "s",
              "aliases": {"lr_mult": "rate_factor", "clip": {"name": "ste", "values": [
                {"from": true, "to": "clipped"}, {"from": false, "to": "identity"}]}},
              "only_with": {"rate_factor": {"ste": ["clipped"]}},
              "parameters": {"type": "object", "additionalProperties": false, "properties": {
                "rate_factor": {"$ref": "qloom:parameters#/rate_factor"},
                "ste": {"$ref": "qloom:parameters#/ste"}}}})");
  }
  static Json rules(const std::string& parameters) {
    return {{"rules", Json::parse(R"([{"site": "weight", "quantizer": {"plugin": "learned")" +
                                  parameters + "}}]")}};
  }
  [[nodiscard]] std::vector<Warning> warnings(const std::vector<Warning>& list) const {
    std::vector<Warning> all;
    for (const auto& [where, what] : list) all.push_back({path("p.json") + ": " + where, what});
    return all;
  }
};

TEST_F(OldNames, AreWarnedOfAndResolvedToPresentOnes) {
  const auto p = load(rules(R"(, "lr_mult": 0.5, "clip": true)"));
  EXPECT_EQ(p.as_used["/rules/0/quantizer"_json_pointer],
            Json::parse(R"({"plugin": "learned", "rate_factor": 0.5, "ste": "clipped"})"));
  EXPECT_EQ(p.notes.warnings,
            warnings({{"/rules/0/quantizer/clip", "is now called \"ste\": \"clipped\""},
                      {"/rules/0/quantizer/lr_mult", "is now called \"rate_factor\""}}));
  EXPECT_TRUE(load(rules(R"(, "rate_factor": 0.5)")).notes.warnings.empty());
}

TEST_F(OldNames, OtherWarningsNameThePlaceThatWasWritten) {
  EXPECT_EQ(
      load(rules(R"(, "lr_mult": 0.5, "ste": "identity")")).notes.warnings,
      warnings({{"/rules/0/quantizer/lr_mult", "is now called \"rate_factor\""},
                {"/rules/0/quantizer/lr_mult", "0.5 has no effect with \"ste\": \"identity\""}}));
}

TEST_F(OldNames, ThePlaceOfASettingIsThatOfTheFileAsWritten) {
  const auto p = load(rules(R"(, "lr_mult": 0.5)"), {"/rules/0/quantizer/lr_mult=2"});
  EXPECT_EQ(p.rules[0].body["quantizer"]["rate_factor"], 2);
  EXPECT_EQ(input_error([&] {
              return load(rules(R"(, "lr_mult": 0.5)"), {"/rules/0/quantizer/rate_factor=2"});
            }),
            path("p.json") +
                ": /rules/0/quantizer/lr_mult: \"lr_mult\" is the old name of "
                "\"rate_factor\", which is there too as \"rate_factor\"; expected one "
                "of them");
}

TEST_F(OldNames, ARuleOnItsOwnMayHaveThem) {
  const auto r = lone_rule(R"({"quantizer": {"plugin": "learned", "lr_mult": 3}})");
  EXPECT_EQ(r.body["quantizer"]["rate_factor"], 3);
  EXPECT_EQ(r.notes.warnings,
            (std::vector<Warning>{{"RULE: /quantizer/lr_mult", "is now called \"rate_factor\""}}));
}

TEST_F(OldNames, AreTheSameConfigurationAsPresentOnes) {
  const auto all = registry();
  const auto old_one = load(rules(R"(, "clip": false)"));
  const auto now = load(rules(R"(, "ste": "identity")"));
  EXPECT_EQ(pipeline::configuration(old_one, all), pipeline::configuration(now, all));
}

TEST_F(OldNames, AConfigurationOfAnEarlierVersionIsReadInPresentWords) {
  const auto all = registry();
  Json now = pipeline::configuration(load(rules(R"(, "ste": "identity")")), all);
  now["start_from"] = now;
  Json before = now;
  for (Json* c : {&before, &before["start_from"]}) {
    (*c)["pipeline"]["rules"][0]["quantizer"] =
        Json::parse(R"({"plugin": "learned", "clip": false, "lr_mult": 1})");
    (*c)["pipeline"]["norm"].erase("momentum");  // a parameter that is new
  }
  EXPECT_NE(before, now);
  EXPECT_EQ(pipeline::current_configuration(before, all), now);
  EXPECT_EQ(pipeline::current_configuration(now, all), now);
  for (const char* damaged : {"null", "[1]", R"({"pipeline": 3})", R"({"pipeline": {"rules": 1}})",
                              R"({"pipeline": {"norm": 1, "rules": [1, {"quantizer": 2}]}})"}) {
    const Json text = Json::parse(damaged);
    EXPECT_EQ(pipeline::current_configuration(text, all), text);
  }
}

TEST_F(OldNames, AreReplacedInTheTextAndNothingElseIs) {
  Json text = smallest();
  const std::string model = text["model"].dump(), data = text["data"].dump();
  const auto written = [&](const std::string& first, const std::string& second) {
    return "{ \"stages\": [{\"evaluate\":{}}],\n   \"data\": " + data + ",\n\t\"model\" :" + model +
           ",\n  \"rules\": [ { \"site\": \"bias\", \"quantizer\": null },\n    { \"site\":"
           "\"weight\", \"quantizer\": { " +
           first + ", \"plugin\":\"learned\" , " + second + " } } ]\n}\n";
  };
  const std::string before = written("\"lr_mult\":5e-1", "\"clip\" : false");
  const auto p = pipeline::load(write("p.json", before), {}, registry());
  EXPECT_EQ(pipeline::upgraded(before, p),
            written("\"rate_factor\":5e-1", "\"ste\" : \"identity\""));
  const std::string now = written("\"rate_factor\":5e-1", "\"ste\" : \"identity\"");
  EXPECT_EQ(pipeline::upgraded(now, pipeline::load(write("p.json", now), {}, registry())), now);
}

TEST_F(OldNames, OfARecipeAreNotEditedIntoThePipeline) {
  std::filesystem::create_directories(folder_ / "plugins" / "recipe.paper");
  write("plugins/recipe.paper/plugin.json",
        R"({"id": "paper", "kind": "recipe", "version": "1.0.0", "summary": "s", "pipeline":
            {"rules": [{"site": "weight", "quantizer": {"plugin": "learned", "lr_mult": 0.5}}]}})");
  Json text = smallest();
  text["recipe"] = {{"plugin", "paper"}};
  const auto p = pipeline::load(write("p.json", text.dump()), {}, registry());
  ASSERT_EQ(p.notes.renamed.size(), 1U);
  EXPECT_EQ(p.rules[0].body["quantizer"]["rate_factor"], 0.5);
  EXPECT_EQ(pipeline::upgraded(text.dump(), p), text.dump());
}

}  // namespace
}  // namespace qloom::test
