// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Range estimators that follow the steps of training: at activations, where all steps are one
// round, as at errors, where each is a round of its own.
#include "tests/run/experiment.hpp"

namespace qloom::test {
namespace {

class StepsBefore : public Experiment {
 protected:
  /// What training gives with this estimator.
  Json training_with(const Json& range) {
    Json p = pipeline();
    p.erase("norm");
    p.erase("procedures");
    p["data"]["train_limit"] = 512;
    p["model"] = Json::parse(R"({"inline": {"layers": [
        {"name": "c", "type": "conv", "filters": 4, "kernel": 5, "stride": 2},
        {"name": "r", "type": "relu"}, {"name": "d", "type": "dense", "units": "classes"}]}})");
    p["rules"] = {{{"site", "activation"},
                   {"quantizer", {{"plugin", "affine"}, {"bits", 6}}},
                   {"range", range}}};
    p["stages"] = {{{"train", {{"epochs", 2}, {"optimizer", {{"learning_rate", 0.1}}}}}}};
    write(p);
    EXPECT_EQ(run("out"), 0) << range;
    return report("out")["series"];
  }
};

TEST_F(StepsBefore, EveryParameterMatters) {
  const std::vector<Json> estimators = {
      {{"plugin", "moving_average_min_max"}, {"momentum", 0.9}},
      {{"plugin", "range_delayed"}, {"momentum", 0.9}},
      {{"plugin", "range_autoflex"}, {"a", 1}, {"b", 30}, {"c", 4}, {"length", 2}},
      {{"plugin", "range_overflow_rate"}, {"rate", 0.1}, {"interval", 200000}}};
  for (const Json& estimator : estimators) {
    const Json given = training_with(estimator);
    ASSERT_FALSE(given.empty());
    for (const auto& [name, value] : estimator.items()) {
      if (name == "plugin") continue;
      Json other = estimator;
      other.erase(name);
      EXPECT_NE(training_with(other), given) << estimator << " without " << name;
    }
  }
}

}  // namespace
}  // namespace qloom::test
