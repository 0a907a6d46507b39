// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>

#include "tests/support/observer.hpp"

namespace qloom::test {
namespace {

double lowest_bit(Observer& observer) {  // of 16 bits
  return observer.ranges()[0].hi / 32767.0;
}

TEST(RangeAutoflex, PredictsTheExponentFromTheHistory) {
  // Handbook 13: f = {.9, 1, 1.1, .95} at 2^-14: chi 2.655913, next 2^-13
  Observer observer("range_autoflex", R"({"a": 1, "b": 0, "c": 0})", grid_of(16, true));
  observer.round({{0.9F}});
  EXPECT_EQ(lowest_bit(observer), 0x1p-15);  // fitted to the first
  Observer flex("range_autoflex", "{}", grid_of(16, true));
  for (const float most : {0.9F, 1.0F, 1.1F, 0.95F}) flex.round({{most, -0.2F}});
  flex.round({{0.1F}});
  EXPECT_EQ(lowest_bit(flex), 0x1p-13);
}

TEST(RangeAutoflex, ConstantMaximaNeverOverflow) {
  Observer observer("range_autoflex", "{}", grid_of(16, true));
  for (int i = 0; i < 40; ++i) {
    observer.round({{1.0F, -0.5F}});
    EXPECT_GE(observer.ranges()[0].hi, 1.0) << i;
  }
  EXPECT_EQ(lowest_bit(observer), 0x1p-13);  // chi = 2 (1 + 100 * 2^-13)
}

TEST(RangeAutoflex, AnOverflowForgetsTheHistoryAndCountsDouble) {
  Observer observer("range_autoflex", R"({"a": 1, "b": 3, "c": 0})", grid_of(16, true));
  observer.round({{1.0F}});
  EXPECT_EQ(lowest_bit(observer), 0x1p-14);
  for (int i = 0; i < 3; ++i) observer.round({{1.0F}});  // chi 1: 2^-15, which 1 overflows by one
  Observer jump("range_autoflex", R"({"a": 2, "b": 0, "c": 0})", grid_of(16, true));
  jump.round({{0.9F}});   // 2^-15; chi 1.8
  jump.round({{50.0F}});  // overflows at 2^-14: G = 2 * 32767, chi = 4 * 32767 * 2^-14
  EXPECT_EQ(lowest_bit(jump), 0x1p-14);
  jump.round({{0.1F}});
  EXPECT_EQ(lowest_bit(jump), 0x1p-12);
}

TEST(RangeAutoflex, RemembersSoManyTensors) {
  Observer observer("range_autoflex", R"({"length": 2, "a": 1.5, "b": 0, "c": 0})",
                    grid_of(16, true));
  observer.round({{8.0F}});
  observer.round({{1.0F}});
  observer.round({{1.0F}});
  EXPECT_EQ(lowest_bit(observer), 0x1p-11);  // 8 is still there
  observer.round({{1.0F}});
  EXPECT_EQ(lowest_bit(observer), 0x1p-14);
}

TEST(RangeAutoflex, EachTensorOfARoundIsAStep) {  // training at activations is one round
  Observer rounds("range_autoflex", "{}", grid_of(16, true)),
      one("range_autoflex", "{}", grid_of(16, true));
  one.begin(0);
  for (const float v : {0.25F, 3.0F, 21.9F, 4.0F, 0.1F}) {
    rounds.round({{v}});
    one.observe(std::vector<float>{v});
    EXPECT_EQ(lowest_bit(one), lowest_bit(rounds)) << v;
  }
  EXPECT_GT(lowest_bit(one), 0x1p-11);  // 21.9 fits
}

TEST(RangeAutoflex, GoesOnFromALoadedState) {
  Observer one("range_autoflex"), other("range_autoflex");
  for (const float v : {3.0F, 1.0F, 7.0F}) one.round({{v}});
  other.instance().load(one.instance().save(), one.instance().state_version());
  for (const float v : {2.0F, 0.1F}) {
    one.round({{v}});
    other.round({{v}});
    expect_range(other.ranges()[0], one.ranges()[0].lo, one.ranges()[0].hi);
  }
}

TEST(RangeAutoflex, ExtremesAreEnough) { expect_extremes_are_enough("range_autoflex"); }
TEST(RangeAutoflex, FollowsTheRulesOfEstimators) {
  expect_observer_rules("range_autoflex", "{}", 0);
}

}  // namespace
}  // namespace qloom::test
