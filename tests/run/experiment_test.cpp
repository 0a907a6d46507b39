// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Same report for any number of threads and after a kill; swaps; what stops a run.
#include "tests/run/experiment.hpp"

namespace qloom::test {
namespace {

TEST_F(Experiment, TheReportIsTheSameForOneAndTwoThreads) {
  ASSERT_EQ(run("one", {"--threads", "1"}), 0);
  ASSERT_EQ(run("two", {"--threads", "2"}), 0);
  EXPECT_EQ(report("one"), report("two"));
  EXPECT_GT(report("one")["final"]["accuracy"].get<double>(), 0.2);
  EXPECT_EQ(report("one")["series"]["epoch"], Json({1, 2, 3}));
}

TEST_F(Experiment, AKilledRunGoesOnToTheSameReport) { expect_kills_change_nothing(); }

TEST_F(Experiment, AMethodIsSwappedInTheMiddleOfARun) {
  ASSERT_EQ(run("whole"), 0);
  EXPECT_EQ(report("whole")["sites"]["activation/conv2"]["quantizer"], "pact");
  ASSERT_EQ(run("unswapped", {"--set", "/rules/6/from/epoch=9"}), 0);
  EXPECT_EQ(report("unswapped")["sites"]["activation/conv2"]["quantizer"], "affine");
  // The first epoch is the same in both, the later ones are not.
  const Json a = report("whole")["series"]["loss"], b = report("unswapped")["series"]["loss"];
  EXPECT_EQ(a[0], b[0]);
  EXPECT_NE(a[2], b[2]);
}

TEST_F(Experiment, ResumingWithAnotherConfigurationIsRefused) {
  ASSERT_EQ(run("whole", {"--set", "/stages/0/train/epochs=1"}), 0);
  EXPECT_EQ(finish(start("whole", {"--resume"})), 2);
}

TEST_F(Experiment, DivergingTrainingStopsWithStatusOneAndNamesStepAndTensor) {
  const pid_t child = start("diverged", {"--set", "/stages/0/train/optimizer/learning_rate=1e30",
                                         "--set", "/rules=[]", "--set", "/procedures=[]"});
  EXPECT_EQ(finish(child), 1);
  std::ifstream log(folder_ / "log");
  const std::string text(std::istreambuf_iterator<char>(log), {});
  EXPECT_NE(text.find("step "), std::string::npos) << text;
  EXPECT_NE(text.find("diverged"), std::string::npos) << text;
  EXPECT_FALSE(fs::exists(folder_ / "diverged" / "report.json"));
}

}  // namespace
}  // namespace qloom::test
