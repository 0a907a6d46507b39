// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/support/observer.hpp"

namespace qloom::test {
namespace {

constexpr double kRounding = 1e-14;  // a few double roundings of numbers near 1

TEST(MovingAverageMinMax, TheFirstTensorSetsAndLaterOnesMoveByTheMomentum) {
  // Handbook 13.3: minima -1, -3, -2 give -1, -1.02, -1.0298; the default momentum is 0.01
  Observer observer("moving_average_min_max");
  observer.begin(0);
  const double expected[] = {-1, -1.02, -1.0298};
  const float minima[] = {-1, -3, -2};
  for (int i = 0; i < 3; ++i) {
    observer.observe(std::vector<float>{minima[i], 4});
    expect_range(observer.ranges()[0], expected[i], 4, kRounding);
  }
}

TEST(MovingAverageMinMax, MayStartFromGivenEnds) {
  // TensorFlow: from -6 and 6 with decay .999
  Observer observer("moving_average_min_max",
                    R"({"momentum": 0.001, "initial_lo": -6, "initial_hi": 6})");
  observer.round({{-1, 3}});
  expect_range(observer.ranges()[0], -6 + 0.001 * 5, 6 - 0.001 * 3, kRounding);
  Observer half("moving_average_min_max", R"({"momentum": 0.5, "initial_hi": 10})");
  half.round({{-1, 3}});
  expect_range(half.ranges()[0], -1, 6.5, kRounding);
  // an end that starts beyond the values meets the other one
  Observer beyond("moving_average_min_max", R"({"momentum": 0.5, "initial_lo": 9})");
  beyond.round({{-1, 3}});
  expect_range(beyond.ranges()[0], 3.5, 3.5, kRounding);
}

TEST(MovingAverageMinMax, GoesOnOverRounds) {
  Observer observer("moving_average_min_max", R"({"momentum": 0.25})");
  observer.round({{-8, 4}});
  observer.round({{0, 8}});
  expect_range(observer.ranges()[0], -6, 5);
}

TEST(MovingAverageMinMax, MomentumOneFollowsTheNewestTensor) {
  Observer observer("moving_average_min_max", R"({"momentum": 1})");
  observer.round({{-8, 4}, {-1, 2}});
  expect_range(observer.ranges()[0], -1, 2);
}

TEST(MovingAverageMinMax, ATensorWithoutFiniteValuesLeavesTheGroupAlone) {
  Observer observer("moving_average_min_max", R"({"momentum": 0.5})");
  observer.round({{-1, 1, -2, 2}, {NAN, INFINITY, -4, 4}}, 1, 2);
  expect_range(observer.ranges(2)[0], -1, 1);
  expect_range(observer.ranges(2)[1], -3, 3);
}

TEST(MovingAverageMinMax, ALoadedStateGoesOnWhereItWas) {
  Observer one("moving_average_min_max"), other("moving_average_min_max");
  one.round({{-1, 1}, {-2, 3}});
  other.instance().load(one.instance().save(), one.instance().state_version());
  one.round({{-5, 9}});
  other.round({{-5, 9}});
  expect_range(other.ranges()[0], one.ranges()[0].lo, one.ranges()[0].hi);
}

TEST(MovingAverageMinMax, ExtremesAreEnough) {
  expect_extremes_are_enough("moving_average_min_max");
}

TEST(MovingAverageMinMax, FollowsTheRulesOfEstimators) {
  expect_observer_rules("moving_average_min_max", "{}", 0);
}

TEST(MovingAverageMinMax, AMomentumOfZeroIsRefused) {
  EXPECT_THROW(create("range", "moving_average_min_max", R"({"momentum": 0})"), InputError);
}

}  // namespace
}  // namespace qloom::test
