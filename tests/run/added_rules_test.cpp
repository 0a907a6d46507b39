// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Rules that procedures add to a run, and what they see of its quantizers.
#include "tests/run/experiment.hpp"

namespace qloom::test {
namespace {

constexpr int kAfterStage = 10, kStage = 6, kStart = 8;

Json rule_of_dense2(const char* site, Json quantizer) {
  return {{"site", site}, {"layers", {"dense2"}}, {"quantizer", std::move(quantizer)}};
}
const Json kTernary = rule_of_dense2("weight", {{"plugin", "twn"}});

class AddedRules : public WithEventLog {
 protected:
  /// `added`: the rule that event_log adds at the event.
  void write_run(const Json& added, int event, const Json& stages,
                 const Json& rules = Json::array()) {
    Json procedures = Json::array();
    if (!added.is_null()) {
      procedures.push_back({{"plugin", "event_log"}, {"rule", added.dump()}, {"rule_at", event}});
    }
    write({{"data", {{"dataset", "fashion-mnist"}, {"train_limit", 256}, {"test_limit", 64}}},
           {"model", {{"file", std::string(QLOOM_SOURCE_DIR) + "/examples/models/mlp.json"}}},
           {"rules", rules},
           {"procedures", procedures},
           {"stages", stages}});
  }
  void expect_refused(const Json& added, int event, const Json& stages,
                      const std::string& message) {
    write_run(added, event, stages);
    EXPECT_EQ(finish(start("refused", {})), 1) << added.dump();
    EXPECT_NE(log().find(message), std::string::npos) << log();
    EXPECT_FALSE(fs::exists(folder_ / "refused" / "report.json"));
  }
};

TEST_F(AddedRules, ActsFromThenOnAsARuleOfThePipelineDoes) {
  write_run(kTernary, kAfterStage, {kTrain, kTrain, kEvaluate});
  ASSERT_EQ(run("added"), 0);
  Json from = kTernary;
  from["from"] = {{"epoch", 1}};
  write_run({}, 0, {kTrain, kTrain, kEvaluate}, Json::array({from}));
  ASSERT_EQ(run("written"), 0);
  const Json added = report("added"), written = report("written");
  EXPECT_EQ(added["series"], written["series"]);
  EXPECT_EQ(added["final"], written["final"]);
  EXPECT_EQ(added["parameters"], written["parameters"]);
  EXPECT_EQ(added["events"], written["events"]);
  EXPECT_EQ(added["events"][0]["changes"],
            Json::parse(R"([{"site": "weight/dense2", "before": "none", "after": "twn"}])"));
  const auto has_plugin = [](const Json& all) {
    return std::any_of(all["inputs"]["files"].begin(), all["inputs"]["files"].end(),
                       [](const Json& file) { return file["name"] == "quantizer.twn.so"; });
  };
  EXPECT_TRUE(has_plugin(added));
  EXPECT_TRUE(std::any_of(added["methods"].begin(), added["methods"].end(),
                          [](const Json& method) { return method["id"] == "twn"; }));
}

TEST_F(AddedRules, WinsOverThePipelinesRulesAndChangesAtOnce) {
  write_run(rule_of_dense2("weight", {{"plugin", "affine"}, {"bits", 3}}), kStart,
            {kTrain, kEvaluate}, Json::array({kTernary}));
  ASSERT_EQ(run("added"), 0);
  write_run({}, 0, {kTrain, kEvaluate},
            Json::array({rule_of_dense2("weight", {{"plugin", "affine"}, {"bits", 3}})}));
  ASSERT_EQ(run("written"), 0);
  EXPECT_EQ(report("added")["final"], report("written")["final"]);
  EXPECT_EQ(report("added")["events"][0]["what"], "weight: twn -> affine, bits 3 (dense2)");
}

TEST_F(AddedRules, AResumedRunHasThem) {
  write_run(kTernary, kAfterStage, {kTrain, kTrain, kTrain, kEvaluate});
  ASSERT_EQ(run("whole"), 0);
  stop_early("stopped");
  ASSERT_EQ(run("stopped", {"--resume"}), 0);
  for (const char* key : {"final", "series", "events", "inputs", "methods", "parameters"}) {
    EXPECT_EQ(report("stopped")[key], report("whole")[key]) << key;
  }
  // Once more over what is finished: nothing is added twice.
  ASSERT_EQ(run("stopped", {"--resume"}), 0);
  EXPECT_EQ(report("stopped")["events"], report("whole")["events"]);
}

TEST_F(AddedRules, AResumedRunKnowsTheMethodsOfARuleThatALaterOneReplaced) {
  Json procedures = Json::array();
  for (const auto& [rule, event] :
       {std::pair{kTernary, kStage},
        {rule_of_dense2("weight", {{"plugin", "affine"}, {"bits", 3}}), kAfterStage}}) {
    procedures.push_back({{"plugin", "event_log"}, {"rule", rule.dump()}, {"rule_at", event}});
  }
  write_run({}, 0, {kTrain, kTrain, kTrain, kEvaluate});
  Json p = Json::parse(std::ifstream(folder_ / "p.json"));
  p["procedures"] = procedures;
  write(p);
  ASSERT_EQ(run("whole"), 0);
  stop_early("stopped");
  ASSERT_EQ(run("stopped", {"--resume"}), 0);
  for (const char* key : {"final", "events", "inputs", "methods"}) {
    EXPECT_EQ(report("stopped")[key], report("whole")[key]) << key;
  }
}

TEST_F(AddedRules, WhatAPipelineCouldNotHaveIsRefusedWithItsPlace) {
  const Json stages{kTrain, kEvaluate};
  expect_refused(
      rule_of_dense2("weight", {{"plugin", "twm"}}), kAfterStage, stages,
      "rule 0 of a procedure: /quantizer/plugin: unknown quantizer \"twm\", did you mean \"twn\"?");
  expect_refused(rule_of_dense2("wieght", {{"plugin", "twn"}}), kAfterStage, stages,
                 "\"wieght\" is not a site");
  Json late = kTernary;
  late["from"] = {{"epoch", 1}};
  expect_refused(late, kAfterStage, stages,
                 "rule 0 of a procedure: /from: a rule that a procedure adds");
  Json nowhere = kTernary;
  nowhere["layers"] = {"dense7"};
  expect_refused(nowhere, kAfterStage, stages, "dense7");
}

TEST_F(AddedRules, AnActivationNeedsAStageThatSeesTrainingDataBehindIt) {
  const Json activation = rule_of_dense2("activation", {{"plugin", "affine"}, {"bits", 4}});
  expect_refused(activation, kAfterStage, {kTrain, kEvaluate},
                 "nothing is known of \"activation/dense2\"");
  write_run(activation, kAfterStage, {kTrain, kCalibrate, kEvaluate});
  ASSERT_EQ(run("calibrated"), 0);
  const Json figures = report("calibrated")["procedures"];
  const std::string name = "activation/dense2/affine/";
  EXPECT_EQ(figures.at(name + "elements"), Json({256.0}));
  EXPECT_EQ(figures.at(name + "groups"), Json({1.0}));
  EXPECT_EQ(figures.at(name + "bits"), Json({4.0}));
  EXPECT_GT(figures.at(name + "hi")[0], 0.0);
}

}  // namespace
}  // namespace qloom::test
