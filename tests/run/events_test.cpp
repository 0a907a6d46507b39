// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The order in which procedures get the events of a run, and what they may do in which.
#include "tests/run/experiment.hpp"

namespace qloom::test {
namespace {

class Events : public WithEventLog {
 protected:
  void write_stages(const Json& stages, Json parameters = Json::object()) {
    parameters["plugin"] = "event_log";
    write({{"data", {{"dataset", "fashion-mnist"}, {"train_limit", 256}, {"test_limit", 64}}},
           {"model", {{"file", std::string(QLOOM_SOURCE_DIR) + "/examples/models/mlp.json"}}},
           {"procedures", Json::array({parameters})},
           {"stages", stages}});
  }
  /// Events with their stage and round, "8 start" written as 8.
  std::vector<double> events(const std::string& output) {
    return report(output)["procedures"]["events"].get<std::vector<double>>();
  }
};

void expect_events(const std::vector<double>& found, const std::vector<double>& expected) {
  ASSERT_EQ(found.size(), expected.size()) << Json(found).dump();
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i], expected[i], 1e-9) << i << ": " << Json(found).dump();
  }
}

TEST_F(Events, FinalizeFollowsTheLastTrainStageAndEndTheLastStage) {
  write_stages({kTrain, kEvaluate, kTrain, kEvaluate});
  ASSERT_EQ(run("run"), 0);
  expect_events(events("run"), {0, 8, 6, 5, 10, 6.1, 10.1, 6.2, 5.2, 10.2, 7.3, 6.3, 10.3, 11.4});
}

TEST_F(Events, WithoutTrainingFinalizeComesBeforeTheFirstStage) {
  write_stages({kCalibrate, kEvaluate});
  ASSERT_EQ(run("run"), 0);
  expect_events(events("run"), {0, 8, 7, 6, 10, 6.1, 10.1, 11.2});
}

TEST_F(Events, AStageRunsAgainWhereAProcedureAsksAndFinalizeWaits) {
  write_stages({kTrain, kEvaluate}, {{"twice", {0, 1}}});
  ASSERT_EQ(run("run"), 0);
  expect_events(events("run"),
                {0, 8, 6, 5, 10, 6.01, 5.01, 10.01, 7.1, 6.1, 10.1, 6.11, 10.11, 11.2});
  const Json stages = report("run")["stages"];
  ASSERT_EQ(stages.size(), 4U);
  EXPECT_EQ(stages[1]["round"], 1);
  EXPECT_EQ(stages[3]["round"], 1);
  EXPECT_EQ(report("run")["sections"]["table.log"]["rows"], Json::parse("[[1], [null]]"));
}

TEST_F(Events, AnotherRoundIsRefusedWhereNoStageHasEnded) {
  write_stages({kTrain, kEvaluate}, {{"asks_always", true}});
  EXPECT_EQ(finish(start("run", {})), 1);
  EXPECT_NE(log().find("the host refused again with status 4"), std::string::npos) << log();
}

TEST_F(Events, AResumedRunStartsAgainAndIsNotPreparedTwice) {
  write_stages({kTrain, kTrain, kEvaluate}, {{"twice", {1}}});
  ASSERT_EQ(run("whole"), 0);
  stop_early("stopped");
  ASSERT_EQ(run("stopped", {"--resume"}), 0);
  std::vector<double> found = events("stopped");
  EXPECT_EQ(std::count(found.begin(), found.end(), 0.0), 1);
  EXPECT_GE(std::count_if(found.begin(), found.end(), [](double e) { return e >= 8 && e < 9; }), 1);
  EXPECT_EQ(report("stopped")["final"], report("whole")["final"]);
}

TEST_F(Events, AProcedureForAStageThatIsNoneIsRefused) {
  Json p{{"data", {{"dataset", "fashion-mnist"}, {"train_limit", 256}, {"test_limit", 64}}},
         {"model", {{"file", std::string(QLOOM_SOURCE_DIR) + "/examples/models/mlp.json"}}},
         {"procedures", Json::array({{{"plugin", "magnitude_prune"}, {"stage", 1}}})},
         {"stages", {kTrain, kEvaluate}}};
  write(p);
  EXPECT_EQ(finish(start("run", {})), 2);
  EXPECT_NE(log().find("/procedures/0/stage: 1, expected the place of a train stage: 0"),
            std::string::npos)
      << log();
  EXPECT_FALSE(fs::exists(folder_ / "run" / "report.json"));
}

TEST_F(Events, ARuleThatBeginsInAFurtherRoundIsNotWarnedAbout) {
  Json p{
      {"data", {{"dataset", "fashion-mnist"}, {"train_limit", 256}, {"test_limit", 64}}},
      {"model", {{"file", std::string(QLOOM_SOURCE_DIR) + "/examples/models/mlp.json"}}},
      {"rules",
       Json::array(
           {{{"site", "weight"}, {"from", {{"epoch", 2}}}, {"quantizer", {{"plugin", "twn"}}}}})},
      {"procedures", Json::array({{{"plugin", "magnitude_prune"}, {"rounds", 3}}})},
      {"stages", {kTrain, kEvaluate}}};
  write(p);
  ASSERT_EQ(run("rounds"), 0);
  EXPECT_TRUE(report("rounds")["warnings"].empty()) << report("rounds")["warnings"];
  EXPECT_EQ(report("rounds")["events"].size(), 1U);
  p["procedures"] = Json::array();
  write(p);
  ASSERT_EQ(run("plain"), 0);
  EXPECT_EQ(report("plain")["warnings"].size(), 1U);
}

TEST_F(Events, WhenIsForStoredParametersAlone) {
  write({{"data", {{"dataset", "fashion-mnist"}, {"train_limit", 256}, {"test_limit", 64}}},
         {"model", {{"file", std::string(QLOOM_SOURCE_DIR) + "/examples/models/mlp.json"}}},
         {"rules", Json::array({{{"site", "activation"},
                                 {"when", "training"},
                                 {"quantizer", {{"plugin", "affine"}}}}})},
         {"stages", {kTrain, kEvaluate}}});
  EXPECT_EQ(finish(start("run", {})), 2);
  EXPECT_NE(log().find("/rules/0/when: is for stored parameters, not for \"activation\""),
            std::string::npos)
      << log();
}

}  // namespace
}  // namespace qloom::test
