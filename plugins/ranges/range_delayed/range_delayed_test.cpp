// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/support/observer.hpp"

namespace qloom::test {
namespace {

TEST(RangeDelayed, OfAStepIsFromTheStepsBeforeIt) {
  Observer observer("range_delayed", R"({"momentum": 0.25})");
  observer.round({{-1, 2}});
  expect_range(observer.ranges()[0], -1, 2);  // the first has its own
  observer.round({{-5, 10}});
  expect_range(observer.ranges()[0], -1, 2);
  observer.round({{0, 0}});
  expect_range(observer.ranges()[0], -2, 4);
  observer.round({{0, 0}});
  expect_range(observer.ranges()[0], -1.5, 3);
}

TEST(RangeDelayed, EachTensorOfARoundIsAStep) {  // training at activations is one round
  Observer rounds("range_delayed", R"({"momentum": 0.25})"),
      one("range_delayed", R"({"momentum": 0.25})");
  one.begin(0);
  for (const float v : {2.0F, 10.0F, 1.0F, 0.5F}) {
    rounds.round({{-v, v}});
    one.observe(std::vector<float>{-v, v});
    expect_range(one.ranges()[0], rounds.ranges()[0].lo, rounds.ranges()[0].hi);
  }
  expect_range(one.ranges()[0], -3.25, 3.25);  // 2, then 4, then 3.25; 0.5 is of the next step
}

TEST(RangeDelayed, AJumpSaturatesOneStepWhereTheAverageIsTheLastStep) {
  Observer observer("range_delayed", R"({"momentum": 1})");
  observer.round({{-1, 1}});
  observer.round({{-10, 10}});
  expect_range(observer.ranges()[0], -1, 1);
  observer.round({{-10, 10}});
  expect_range(observer.ranges()[0], -10, 10);
}

TEST(RangeDelayed, ATensorWithoutFiniteValuesLeavesTheGroupAlone) {
  Observer observer("range_delayed", R"({"momentum": 1})");
  observer.round({{-1, 1, -2, 2}}, 1, 2);
  observer.round({{NAN, INFINITY, -4, 4}}, 1, 2);
  observer.round({{0, 0, 0, 0}}, 1, 2);
  expect_range(observer.ranges(2)[0], -1, 1);
  expect_range(observer.ranges(2)[1], -4, 4);
}

TEST(RangeDelayed, GoesOnFromALoadedState) {
  Observer one("range_delayed"), other("range_delayed");
  one.round({{-1, 3}});
  one.round({{-2, 4}});
  other.instance().load(one.instance().save(), one.instance().state_version());
  one.round({{0, 1}});
  other.round({{0, 1}});
  expect_range(other.ranges()[0], one.ranges()[0].lo, one.ranges()[0].hi);
  EXPECT_NEAR(one.ranges()[0].hi, 3.1, 1e-12);
}

TEST(RangeDelayed, ExtremesAreEnough) { expect_extremes_are_enough("range_delayed"); }
TEST(RangeDelayed, FollowsTheRulesOfEstimators) { expect_observer_rules("range_delayed", "{}", 0); }

}  // namespace
}  // namespace qloom::test
