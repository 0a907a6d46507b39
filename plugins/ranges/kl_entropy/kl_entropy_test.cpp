// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "plugins/ranges/kl_entropy/divergence.hpp"

#include <cmath>

#include "tests/support/observer.hpp"

namespace qloom::test {
namespace {

using plugins::kl_entropy::Divergence;

const std::vector<double> kCounts{4, 0, 2, 6, 1, 1, 3, 3};

TEST(KlEntropy, TheDivergenceIsThatOfTheHandbook) {
  // Spans that do not divide: a span begins at the first bin at or behind its edge (integer spans
  // would give .128946); q is of the counts without those beyond (with them .253102)
  EXPECT_NEAR(Divergence(kCounts, 2, 0).of(8), 0.104650, 1e-6);
  EXPECT_NEAR(Divergence(kCounts, 2, 0).of(4), 0.296794, 1e-6);
  EXPECT_NEAR(Divergence(kCounts, 3, 0).of(6), 0.376718, 1e-6);
  EXPECT_NEAR(Divergence(kCounts, 2, 0).of(5), 0.078577, 1e-6);
}

TEST(KlEntropy, AnEmptyLastBinTakesTheSmoothing) {
  const std::vector<double> counts{3, 2, 0, 5};
  // P = .3 .2 .5, Q = .5 .5 0 after normalising the mean 2.5 of one span
  const double p = 0.3 * std::log(0.3 / 0.5) + 0.2 * std::log(0.2 / 0.5);
  EXPECT_NEAR(Divergence(counts, 1, 1e-4).of(3), p + 0.5 * std::log(0.5 / 1e-4), 1e-12);
  EXPECT_EQ(Divergence(counts, 1, 0).of(3), INFINITY);
  EXPECT_LT(Divergence(counts, 4, 0).of(4), 1e-12);
}

TEST(KlEntropy, CutsTheTailOfALongTailedTensor) {
  std::vector<float> x = values(gaussian({50000}, 4));
  x[17] = 60.0F;
  const qloom_range r = observed("kl_entropy", "{}", x, grid_of(8, true))[0];
  EXPECT_EQ(r.lo, -r.hi);
  EXPECT_GT(r.hi, 2.5);
  EXPECT_LT(r.hi, 8.0);
  EXPECT_EQ(observed("kl_entropy", "{}", x, grid_of(8, false, true))[0].lo,
            -observed("kl_entropy", "{}", x, grid_of(8, false, true))[0]
                 .hi);  // it has negative values all the same
  for (float& v : x) v = std::fabs(v);
  EXPECT_EQ(observed("kl_entropy", "{}", x, grid_of(8, false, true))[0].lo, 0.0);
}

TEST(KlEntropy, SignedCodesHaveHalfOfTheLevelsForMagnitudes) {
  std::vector<float> x = values(gaussian({20000}, 5));
  for (float& v : x) v = std::fabs(v) * v * v;
  const double seven = observed("kl_entropy", "{}", x, grid_of(7, false, true))[0].hi;
  const double eight = observed("kl_entropy", "{}", x, grid_of(8, false, true))[0].hi;
  EXPECT_EQ(observed("kl_entropy", "{}", x, grid_of(8, true))[0].hi, seven);
  EXPECT_NE(seven, eight);
}

TEST(KlEntropy, FewerBinsThanTheFirstOneAreNotClipped) {
  const std::vector<float> x{1, 2, 3, -5};
  expect_range(observed("kl_entropy", R"({"bins": 100})", x)[0], -5, 5);
  expect_range(observed("kl_entropy", "{}", {0, 0})[0], 0, 0);
}

TEST(KlEntropy, FollowsTheRulesOfEstimators) {
  expect_observer_rules("kl_entropy", R"({"bins": 256, "first_bin": 64})", 0);
}

}  // namespace
}  // namespace qloom::test
