// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/pipeline/workspace.hpp"

namespace qloom::test {
namespace {

class Stages : public Workspace {
 protected:
  [[nodiscard]] pipeline::Pipeline with(const std::string& stages) const {
    return load({{"stages", Json::parse(stages)}});
  }
  [[nodiscard]] std::string error_of(const std::string& stages) const {
    return input_error([&] { return with(stages); });
  }
};

TEST_F(Stages, HaveTheDefaultsOfTheSchema) {
  const auto p = with(R"([{"train": {}}, {"calibrate": {}}, {"evaluate": {}}])");
  ASSERT_EQ(p.stages.size(), 3U);
  const pipeline::Stage& train = p.stages[0];
  EXPECT_STREQ(train.type->name, "train");
  EXPECT_EQ(train.epochs, 1);
  EXPECT_EQ(train.loss, "softmax_cross_entropy");
  EXPECT_TRUE(train.apply_rules);
  EXPECT_EQ(train.optimizer.type, "sgd");
  EXPECT_EQ(train.optimizer.learning_rate, 0.05);
  EXPECT_EQ(train.optimizer.momentum, 0.9);
  EXPECT_EQ(train.optimizer.weight_decay, 0.0);
  EXPECT_FALSE(train.optimizer.nesterov);
  EXPECT_EQ(train.schedule.type, "constant");
  EXPECT_EQ(train.schedule.warmup_steps, 0);
  EXPECT_STREQ(p.stages[1].type->name, "calibrate");
  EXPECT_EQ(p.stages[1].batches, 8);
  EXPECT_STREQ(p.stages[2].type->name, "evaluate");
  EXPECT_EQ(p.stages[2].batches, 0);
  EXPECT_EQ(p.stages[2].where, path("p.json") + ": /stages/2");
}

TEST_F(Stages, ShowInTheConfigurationAsUsedOnlyWhatTheirTypesKnow) {
  const auto p = with(R"([{"train": {"optimizer": {"type": "adam"}}}])");
  const Json& train = p.as_used["stages"][0]["train"];
  EXPECT_EQ(train["optimizer"], Json::parse(R"({"type": "adam", "learning_rate": 0.05,
    "weight_decay": 0, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8})"));
  EXPECT_EQ(train["schedule"], Json::parse(R"({"type": "constant", "warmup_steps": 0})"));
}

TEST_F(Stages, ReadEveryFigure) {
  const auto p = with(R"([{"train": {"epochs": 5, "loss": "sum_of_squares", "apply_rules": false,
    "optimizer": {"type": "adam", "learning_rate": 0.25, "beta1": 0.5, "beta2": 0.75,
                  "epsilon": 0.125, "weight_decay": 0.0625},
    "schedule": {"type": "step", "epochs": [2, 4], "factor": 0.5, "warmup_steps": 3}}},
    {"train": {"optimizer": {"momentum": 0.5, "nesterov": true},
               "schedule": {"type": "cosine", "final_rate": 0.01}}},
    {"evaluate": {"batches": 2, "apply_rules": false}}, {"calibrate": {"batches": 3}}])");
  const pipeline::Stage& a = p.stages[0];
  EXPECT_EQ(a.epochs, 5);
  EXPECT_EQ(a.loss, "sum_of_squares");
  EXPECT_FALSE(a.apply_rules);
  EXPECT_EQ(a.optimizer.type, "adam");
  EXPECT_EQ(a.optimizer.learning_rate, 0.25);
  EXPECT_EQ(a.optimizer.beta1, 0.5);
  EXPECT_EQ(a.optimizer.beta2, 0.75);
  EXPECT_EQ(a.optimizer.epsilon, 0.125);
  EXPECT_EQ(a.optimizer.weight_decay, 0.0625);
  EXPECT_EQ(a.schedule.type, "step");
  EXPECT_EQ(a.schedule.epochs, (std::vector<std::int64_t>{2, 4}));
  EXPECT_EQ(a.schedule.factor, 0.5);
  EXPECT_EQ(a.schedule.warmup_steps, 3);
  EXPECT_TRUE(p.stages[1].optimizer.nesterov);
  EXPECT_EQ(p.stages[1].optimizer.momentum, 0.5);
  EXPECT_EQ(p.stages[1].schedule.final_rate, 0.01);
  EXPECT_FALSE(p.stages[2].apply_rules);
  EXPECT_EQ(p.stages[2].batches, 2);
  EXPECT_EQ(p.stages[3].batches, 3);
}

TEST_F(Stages, RefuseKeysThatTheOptimizerDoesNotKnow) {
  EXPECT_EQ(error_of(R"([{"train": {"optimizer": {"type": "adam", "momentum": 0.5}}}])"),
            path("p.json") +
                ": /stages/0/train/optimizer/momentum: 0.5 has no meaning with type "
                "\"adam\"");
  EXPECT_EQ(error_of(R"([{"train": {"optimizer": {"beta1": 0.5}}}])"),
            path("p.json") +
                ": /stages/0/train/optimizer/beta1: 0.5 has no meaning with type "
                "\"sgd\"");
  EXPECT_EQ(error_of(R"([{"train": {"optimizer": {"momentum": 0, "nesterov": true}}}])"),
            path("p.json") +
                ": /stages/0/train/optimizer/nesterov: true has no meaning with "
                "momentum 0");
}

TEST_F(Stages, RefuseKeysThatTheScheduleDoesNotKnow) {
  EXPECT_EQ(error_of(R"([{"train": {"schedule": {"final_rate": 0.5}}}])"),
            path("p.json") +
                ": /stages/0/train/schedule/final_rate: 0.5 has no meaning with type "
                "\"constant\"");
  EXPECT_EQ(error_of(R"([{"train": {"schedule": {"type": "cosine", "epochs": [1]}}}])"),
            path("p.json") +
                ": /stages/0/train/schedule/epochs: [1] has no meaning with type "
                "\"cosine\"");
}

TEST_F(Stages, NeedTheEpochsOfAStepScheduleInRisingOrder) {
  EXPECT_EQ(error_of(R"([{"train": {"schedule": {"type": "step"}}}])"),
            path("p.json") +
                ": /stages/0/train/schedule: missing key \"epochs\", which type "
                "\"step\" needs");
  EXPECT_EQ(error_of(R"([{"train": {"schedule": {"type": "step", "epochs": [2, 2]}}}])"),
            path("p.json") +
                ": /stages/0/train/schedule/epochs/1: 2 is not above 2, the one before "
                "it");
}

TEST_F(Stages, RefuseValuesOutOfRange) {
  const std::string place = path("p.json") + ": /stages/0/train/";
  EXPECT_EQ(error_of(R"([{"train": {"epochs": 0}}])"),
            place + "epochs: 0 is below the minimum 1; expected an integer from 1 to 1000000");
  EXPECT_EQ(
      error_of(R"([{"train": {"optimizer": {"momentum": 1}}}])"),
      place + "optimizer/momentum: 1 is not below 1; expected a number of at least 0 below 1");
  EXPECT_EQ(error_of(R"([{"train": {"loss": "hinge"}}])"),
            place +
                "loss: \"hinge\" is not one of \"softmax_cross_entropy\", \"sum_of_squares\", "
                "\"squared_hinge\"");
}

TEST_F(Stages, AreOneActEach) {
  const std::string two = error_of(R"([{"train": {}, "evaluate": {}}])");
  EXPECT_NE(two.find(path("p.json") + ": /stages/0: "), std::string::npos) << two;
  const std::string none = error_of(R"([{}])");
  EXPECT_NE(none.find(path("p.json") + ": /stages/0: "), std::string::npos) << none;
  EXPECT_EQ(error_of(R"([{"evalate": {}}])"),
            path("p.json") +
                ": /stages/0/evalate: unknown key \"evalate\", did you mean "
                "\"evaluate\"?");
}

}  // namespace
}  // namespace qloom::test
