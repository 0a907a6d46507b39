// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/support/observer.hpp"

namespace qloom::test {
namespace {

/// 10000 values of magnitude 0.7 but for `large` of them.
std::vector<float> with_large(std::size_t large, float value = 1.5F) {
  std::vector<float> x(10000, 0.7F);
  for (std::size_t i = 0; i < large; ++i) x[37 * i] = -value;
  return x;
}
double bound_after(const std::vector<float>& x) {
  Observer observer("range_overflow_rate");
  observer.round({{0.9F}});  // bound 1
  expect_range(observer.ranges()[0], -1, 1 - 2 / 256.0);
  observer.round({x});
  return -observer.ranges()[0].lo;
}

TEST(RangeOverflowRate, MovesUpWhenMoreThanTheShareOverflow) {
  // 10000 values at rate 1e-4: one overflow keeps the bound, two raise it
  EXPECT_EQ(bound_after(with_large(0)), 1);
  EXPECT_EQ(bound_after(with_large(1)), 1);
  EXPECT_EQ(bound_after(with_large(2)), 2);
  EXPECT_EQ(bound_after(with_large(2, 1.0F)), 2);  // at the bound is beyond
}

TEST(RangeOverflowRate, MovesDownWhenHalfOfTheBoundIsEnough) {
  const std::vector<float> small(10000, 0.3F);
  EXPECT_EQ(bound_after(small), 0.5);
  std::vector<float> two = small;
  two[5] = two[6] = 0.5F;
  EXPECT_EQ(bound_after(two), 1);
}

TEST(RangeOverflowRate, WaitsForItsInterval) {
  Observer observer("range_overflow_rate", R"({"interval": 6, "rate": 0})");
  observer.round({{1, 2, 3}});
  expect_range(observer.ranges()[0], -4, 4 - 8 / 256.0);
  observer.round({{9, 9}});
  expect_range(observer.ranges()[0], -4, 4 - 8 / 256.0);
  observer.round({{0}});
  expect_range(observer.ranges()[0], -8, 8 - 16 / 256.0);
}

TEST(RangeOverflowRate, IsTheRangeOfTwosComplement) {
  // fixed_point with a binary point that follows it: 8 bits below 1 have 7 fraction bits
  Site site(R"({"quantizer": {"plugin": "fixed_point", "bits": 8, "fraction_bits": "auto"},
                "range": {"plugin": "range_overflow_rate"}})");
  EXPECT_EQ(site.forward(tensor({-0.9F, 0.0078125F, 0.0117F})),
            (std::vector<float>{-115 / 128.0F, 1 / 128.0F, 1 / 128.0F}));
}

TEST(RangeOverflowRate, FollowsTheRulesOfEstimators) {
  expect_observer_rules("range_overflow_rate", "{}", 0);
}

}  // namespace
}  // namespace qloom::test
