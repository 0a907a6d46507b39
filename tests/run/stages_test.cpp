// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Stages and procedures of whole runs, and what a changed configuration means for old results.
#include <set>

#include "host/run/stages/stage.hpp"
#include "tests/run/experiment.hpp"

namespace qloom::test {
namespace {

/// Weights whose range estimator remembers, so that an evaluation could move it.
Json small() {
  return {{"data", {{"dataset", "fashion-mnist"}, {"train_limit", 640}, {"test_limit", 256}}},
          {"model", {{"file", "model.json"}}},
          {"rules",
           {{{"site", "weight"},
             {"quantizer", {{"plugin", "affine"}, {"bits", 6}, {"symmetric", true}}},
             {"range", {{"plugin", "moving_average_min_max"}, {"momentum", 0.1}}}}}},
          {"stages", {{{"train", {{"epochs", 2}}}}, {{"evaluate", Json::object()}}}}};
}

TEST(StageTypes, SchemaPipelineAndRunKnowTheSame) {
  const Json schema = registry::read_schema("pipeline");
  std::set<std::string> keys, types, actions;
  for (const auto& [key, entry] : schema["properties"]["stages"]["items"]["properties"].items()) {
    keys.insert(key);
  }
  for (const pipeline::StageType& type : pipeline::stage_types()) {
    types.insert(type.name);
    EXPECT_STREQ(run::stages::action_of(type).name, type.name);
  }
  for (const run::stages::Action* action : run::stages::table()) actions.insert(action->name);
  EXPECT_FALSE(keys.empty());
  EXPECT_EQ(types, keys);
  EXPECT_EQ(actions, keys);
}

class Stages : public Experiment {
 protected:
  void SetUp() override {
    Experiment::SetUp();
    fs::copy_file(std::string(QLOOM_SOURCE_DIR) + "/examples/models/fashion_cnn.json",
                  folder_ / "model.json");
    write(small());
  }
};

TEST_F(Stages, EvaluatingAgainGivesTheSameAndLeavesTrainingAsItWas) {
  Json p = small();
  const Json train = p["stages"][0], evaluate = p["stages"][1];
  p["stages"] = {train, evaluate, evaluate, evaluate, train, evaluate};
  write(p);
  ASSERT_EQ(run("often"), 0);
  p["stages"] = {train, train, evaluate};
  write(p);
  ASSERT_EQ(run("once"), 0);
  const Json often = report("often")["stages"];
  EXPECT_EQ(often[1], often[2]);
  EXPECT_EQ(often[1], often[3]);
  EXPECT_EQ(report("often")["final"], report("once")["final"]);
}

TEST_F(Stages, AveragedWeightsAreFoldedAfterAveragingAndNotBefore) {
  const Json swalp{{"plugin", "swalp"}, {"start_epoch", 1}, {"cycle_steps", 2}};
  const Json fold{{"plugin", "fold_bn"}};
  Json p = small();
  p["procedures"] = Json::array({swalp});
  write(p);
  ASSERT_EQ(run("averaged"), 0);
  p["procedures"] = {swalp, fold};
  write(p);
  ASSERT_EQ(run("folded"), 0);
  // Folding moves one rounding to float32 of each weight, nothing else.
  EXPECT_NEAR(report("averaged")["final"]["loss"].get<double>(),
              report("folded")["final"]["loss"].get<double>(), 1e-4);
  EXPECT_EQ(report("folded")["procedures"]["norms_folded"], Json({3.0}));
  p["procedures"] = {fold, swalp};
  write(p);
  EXPECT_EQ(finish(start("wrong", {})), 1);
  EXPECT_NE(log().find("list swalp before fold_bn"), std::string::npos) << log();
}

TEST_F(Stages, AnEditedModelFileIsAnotherConfiguration) {
  ASSERT_EQ(run("first"), 0);
  std::ifstream in(folder_ / "model.json");
  Json model = Json::parse(in);
  model["layers"][2]["type"] = "relu6";
  std::ofstream(folder_ / "model.json") << model.dump();
  EXPECT_EQ(finish(start("first", {"--resume"})), 2);
  EXPECT_NE(log().find("belongs to another pipeline, model"), std::string::npos) << log();
}

TEST_F(Stages, ActivationsWithoutARangeAreRefusedBeforeAnyWork) {
  Json p = small();
  p["rules"][0]["site"] = "activation";
  p["stages"] = {{{"evaluate", Json::object()}}};
  write(p);
  EXPECT_EQ(finish(start("none", {})), 2);
  EXPECT_NE(log().find("/stages/0: no range is known for"), std::string::npos) << log();
  EXPECT_FALSE(fs::exists(folder_ / "none"));
}

TEST_F(Stages, ADamagedCheckpointIsNamed) {
  ASSERT_EQ(run("first"), 0);
  fs::resize_file(folder_ / "first" / "checkpoint.npz", 1000);
  EXPECT_EQ(finish(start("first", {"--resume"})), 2);
  EXPECT_NE(log().find("checkpoint.npz"), std::string::npos) << log();
}

TEST_F(Stages, AReportNamesTheMethodsOfBothSidesOfASwap) {
  Json p = small();
  p["rules"].push_back(
      {{"site", "weight"}, {"from", {{"epoch", 1}}}, {"quantizer", {{"plugin", "twn"}}}});
  write(p);
  ASSERT_EQ(run("swapped"), 0);
  const std::string methods = report("swapped")["methods"].dump();
  EXPECT_NE(methods.find("\"affine\""), std::string::npos) << methods;
  EXPECT_NE(methods.find("\"twn\""), std::string::npos) << methods;
}

}  // namespace
}  // namespace qloom::test
