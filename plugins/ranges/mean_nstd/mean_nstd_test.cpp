// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>

#include "tests/support/observer.hpp"

namespace qloom::test {
namespace {

constexpr double kNear = 1e-12;

std::string reach(double n) { return "{\"deviations\": " + std::to_string(n) + "}"; }

TEST(MeanNstd, IsMeanAndDeviationInsideTheExtremes) {
  // Handbook 14: mean 2.5, deviation 5 with n - 1; n would give 6.830
  expect_range(observed("mean_nstd", reach(1), {0, 0, 0, 10})[0], 0, 7.5, kNear);
  expect_range(observed("mean_nstd", reach(3), {0, 0, 0, 10})[0], 0, 10, kNear);
  const double deviation = std::sqrt(32.0 / 3.0);
  expect_range(observed("mean_nstd", reach(0.5), {-4, 0, 0, 4})[0], -deviation / 2, deviation / 2,
               kNear);
}

TEST(MeanNstd, AddsUpTheTensorsOfARound) {
  Observer observer("mean_nstd", reach(1));
  observer.round({{0, 0}, {0, 10}});
  expect_range(observer.ranges()[0], 0, 7.5, kNear);
}

TEST(MeanNstd, OfEqualValuesIsTheirValue) {
  expect_range(observed("mean_nstd", "{}", {0.1F, 0.1F, 0.1F})[0], 0.1F, 0.1F);
  expect_range(observed("mean_nstd", "{}", {-7})[0], -7, -7);
}

TEST(MeanNstd, FollowsTheRulesOfEstimators) { expect_observer_rules("mean_nstd", "{}", 1e-12); }

}  // namespace
}  // namespace qloom::test
