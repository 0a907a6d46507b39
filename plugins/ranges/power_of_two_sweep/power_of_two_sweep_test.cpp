// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>

#include "tests/support/observer.hpp"

namespace qloom::test {
namespace {

TEST(PowerOfTwoSweep, IsTheBestOfFourByBruteForce) {
  for (const std::uint64_t seed : {1U, 2U, 3U, 4U, 5U}) {
    std::vector<float> x = values(gaussian({3000}, seed));
    for (float& v : x) v = v * v * v;  // long tails
    float largest = 0;
    for (const float v : x) largest = std::max(largest, std::fabs(v));
    double best = 0, least = HUGE_VAL;
    for (int k = 0; k < 4; ++k) {
      const double p = std::ldexp(1.0, std::ilogb(largest) - k);
      std::vector<float> y;
      const double s = p / 7.5;
      for (const float v : x) {
        y.push_back(static_cast<float>(s * std::clamp(std::nearbyint(v / s), -8.0, 7.0)));
      }
      const double error = squared_error(x, y);
      if (error < least) {
        least = error;
        best = p;
      }
    }
    expect_range(observed("power_of_two_sweep", "{}", x, grid_of(4, true))[0], -best, best);
  }
}

TEST(PowerOfTwoSweep, OfEqualsTakesTheLarger) {
  // 0 lies on every grid
  std::vector<float> x(50, 0.0F);
  expect_range(observed("power_of_two_sweep", "{}", x)[0], 0, 0);
  // 4, 2, 1 and 1/2 hold 4 with 8 bits: only the first without an error
  expect_range(observed("power_of_two_sweep", "{}", {4, 0})[0], 0, 4);
}

TEST(PowerOfTwoSweep, SeesEveryBatchOfARound) {
  Observer observer("power_of_two_sweep", "{}", grid_of(2, true));
  const std::vector<float> small(1000, 0.25F), one{9, -9};
  observer.round({small, one});
  const qloom_range r = observer.ranges()[0];
  EXPECT_EQ(r.lo, -r.hi);
  EXPECT_TRUE(r.hi == 8 || r.hi == 4 || r.hi == 2 || r.hi == 1);
}

TEST(PowerOfTwoSweep, FollowsTheRulesOfEstimators) {
  expect_observer_rules("power_of_two_sweep", "{}", 0);
}

}  // namespace
}  // namespace qloom::test
