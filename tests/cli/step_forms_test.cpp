// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Forms that a step program takes for methods of layers with few weights, where few values tell
// one form from another.
#include "host/step_program/files.hpp"
#include "tests/support/program.hpp"
#include "tests/support/small_training.hpp"

namespace qloom::test {
namespace {

class StepForms : public Program {
 protected:
  /// Two weights in the first layer.
  static Json pipeline() {
    Json p = small_training();
    p["model"]["inline"]["layers"] = Json::parse(R"([
        {"name": "c0", "type": "conv", "filters": 2, "kernel": 1, "stride": 4, "bias": false},
        {"name": "n0", "type": "norm"}, {"name": "r0", "type": "relu"},
        {"name": "d", "type": "dense", "units": "classes", "bias": false},
        {"name": "n1", "type": "norm"}])");
    return p;
  }
  Outcome compiled(const Json& p) {
    write("p.json", p.dump());
    const Outcome o = qloom({"run", "p.json", "--output", "run"});
    EXPECT_EQ(o.status, 0) << o.err;
    return qloom({"compile", "run", "--step", "--output", "step"});
  }
  void expect_refused(const Json& p, const char* reason) {
    const Outcome o = compiled(p);
    EXPECT_EQ(o.status, 2) << o.out;
    EXPECT_NE(o.err.find(reason), std::string::npos) << o.err;
    EXPECT_FALSE(std::filesystem::exists(folder_ / "step"));
  }
};

TEST_F(StepForms, HaveTheRateOfTwoWeights) {
  for (const auto& [rate, shift] : {std::pair{0.125, -3}, std::pair{0.0078125, -7}}) {
    Json p = pipeline();
    p["rules"][3]["quantizer"] = {
        {"plugin", "wage"}, {"bits", 8}, {"learning_rate", rate}, {"random_bits", 16}};
    const Outcome o = compiled(p);
    ASSERT_EQ(o.status, 0) << o.err;
    const Outcome diff = qloom({"diff", "run", "step"});
    EXPECT_EQ(diff.status, 0) << diff.out;
    for (const step_program::Op& op : step_program::read(folder_ / "step").ops) {
      if (op.kind != step_program::Kind::kStochastic) continue;
      ASSERT_EQ(op.rates.size(), 1);
      EXPECT_EQ(op.rates[0].shift, shift);
      EXPECT_EQ(op.random_bits, 16);
    }
    for (const char* folder : {"run", "step"}) std::filesystem::remove_all(folder_ / folder);
  }
}

/// One bit is never below a sixteenth: nothing is ever rounded up, whatever numbers there are.
TEST_F(StepForms, AreNotTakenFromRoundingsThatNeverGoUp) {
  Json p = pipeline();
  p["rules"][3] = Json::parse(R"({"site": "gradient",
      "quantizer": {"plugin": "wage", "bits": 10, "learning_rate": 0.0625, "rounding": "rule"},
      "rounding": {"plugin": "stochastic_lfsr", "random_bits": 1}})");
  expect_refused(p, "gradient: \"wage\" gives no integers");
}

/// 8-bit weights whose updates have 16 bits: the bounds of both differ.
TEST_F(StepForms, AreNotTakenForUpdatesThatAreClippedOtherwise) {
  Json p = pipeline();
  p["norm"]["weight_bits"] = 8;
  p["rules"][0]["quantizer"]["bits"] = 8;
  p["rules"][3]["quantizer"] = {{"plugin", "wage"}, {"bits", 16}, {"learning_rate", 256}};
  p["procedures"][0] = Json::parse(R"({"plugin": "wage_training", "init_gain": 3,
      "update_bits": 16, "weight_bits": 8, "update_clip": "code"})");
  expect_refused(p, "c0: the update of ");
}

TEST_F(StepForms, AreOfOneStageOfTraining) {
  Json p = pipeline();
  p["stages"].insert(p["stages"].begin(), p["stages"][0]);
  expect_refused(p, "/stages/1: a second stage that trains");
}

TEST_F(StepForms, GroupsOfOnePixelAreAConvolution) {
  Json p = pipeline();
  p["model"]["inline"]["layers"] = Json::parse(R"([
      {"name": "c0", "type": "conv", "filters": 3, "kernel": 28, "bias": false},
      {"name": "n0", "type": "norm"}, {"name": "r0", "type": "relu"},
      {"name": "c1", "type": "conv", "filters": 3, "kernel": 1, "groups": 3, "bias": false},
      {"name": "n1", "type": "norm"}, {"name": "r1", "type": "relu"},
      {"name": "d", "type": "dense", "units": "classes", "bias": false},
      {"name": "n2", "type": "norm"}])");
  const Outcome o = compiled(p);
  ASSERT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(qloom({"diff", "run", "step"}).status, 0);
}

}  // namespace
}  // namespace qloom::test
