// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/support/observer.hpp"

namespace qloom::test {
namespace {

TEST(MinMax, ARoundKeepsTheExtremesOfAllItsTensors) {
  Observer observer("min_max");
  observer.round({{1, 2}, {-3, 0.5F}, {0}});
  expect_range(observer.ranges()[0], -3, 2);
}

TEST(MinMax, ANewRoundForgetsTheOneBefore) {
  Observer observer("min_max");
  observer.round({{-100, 100}});
  observer.round({{-1, 3}});
  expect_range(observer.ranges()[0], -1, 3);
}

TEST(MinMax, ATensorOfOneValueIsARange) {
  expect_range(observed("min_max", "{}", {0})[0], 0, 0);
  expect_range(observed("min_max", "{}", {-2.5F})[0], -2.5, -2.5);
}

TEST(MinMax, NonFiniteValuesLeaveNoTraceInAnyPlace) {
  expect_range(observed("min_max", "{}", {NAN, 1, INFINITY, -2, -INFINITY})[0], -2, 1);
}

TEST(MinMax, TheLastGroupMayBeShort) {
  const auto r = observed("min_max", "{}", {1, 2, 3, -4, 5, 6, 7}, grid_of(8), 1, 3);
  expect_range(r[0], 1, 3);
  expect_range(r[1], -4, 6);
  expect_range(r[2], 7, 7);
}

TEST(MinMax, AnotherNumberOfGroupsInOneRoundIsRefused) {
  Observer observer("min_max");
  observer.begin(0);
  observer.observe(std::vector<float>{1, 2}, 1, 2);
  EXPECT_THROW(observer.observe(std::vector<float>{1, 2, 3}, 1, 3), std::exception);
}

TEST(MinMax, ExtremesAreEnough) { expect_extremes_are_enough("min_max"); }

TEST(MinMax, FollowsTheRulesOfEstimators) { expect_observer_rules("min_max", "{}", 0); }

}  // namespace
}  // namespace qloom::test
