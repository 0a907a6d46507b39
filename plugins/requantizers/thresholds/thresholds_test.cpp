// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/support/requantizer_harness.hpp"

namespace qloom::test {
namespace {

/// Codes of 2 bits, unsigned.
RequantizeTask narrow(RequantizeTask task) {
  task.codes = {0, 3};
  return task;
}

std::string steps_of(const RequantizeTask& task, std::uint64_t channel = 0) {
  return text_of(derive("thresholds", "{}", task).behind, channel);
}

TEST(Thresholds, StandWhereTheCodeRises) {
  RequantizeTask task = narrow(sum_task({0.5}, {0}, 100));
  EXPECT_EQ(steps_of(task), "count 2 3 6");  // 0.5 goes to 0, 1.5 to 2, 2.5 to 2
  task.rounding = QLOOM_ROUND_NEAREST_AWAY;
  EXPECT_EQ(steps_of(task), "count 1 3 5");
  task.rounding = QLOOM_ROUND_TOWARD_POSITIVE;
  EXPECT_EQ(steps_of(task), "count 1 3 5");
  task.rounding = QLOOM_ROUND_TOWARD_ZERO;
  EXPECT_EQ(steps_of(task), "count 2 4 6");
  task.codes = {-2, 1};
  EXPECT_EQ(steps_of(task), "count -3 -1 2, + -2");  // -1.5 goes to -1, -0.5 to 0
}

TEST(Thresholds, OfTiesLieOnTheRightSideByOneBit) {
  const double above = std::nextafter(0.5, 1), below = std::nextafter(0.5, 0);
  EXPECT_EQ(steps_of(narrow(sum_task({above}, {0}, 100))), "count 1 3 5");
  EXPECT_EQ(steps_of(narrow(sum_task({below}, {0}, 100))), "count 2 4 6");
  // the tie at v = 1 is decided by an offset that a double sum would lose
  EXPECT_EQ(steps_of(narrow(sum_task({0.5}, {1e-300}, 100))), "count 1 3 5");
  EXPECT_EQ(steps_of(narrow(sum_task({0.5}, {-1e-300}, 100))), "count 2 4 6");
}

TEST(Thresholds, OfAFallingChannelCountTheNegatedSum) {
  const RequantizeTask task = narrow(sum_task({0.5, -0.5}, {0, 0}, 100));
  EXPECT_EQ(steps_of(task, 0), "* 1, count 2 3 6");
  EXPECT_EQ(steps_of(task, 1), "* -1, count 2 3 6");
}

TEST(Thresholds, StayWithinTheSums) {
  EXPECT_EQ(steps_of(narrow(sum_task({0}, {1.75}, 100))), "count -100 -100 101");
  EXPECT_EQ(steps_of(narrow(sum_task({0x1p-900}, {0.7}, 100))), "count -100 101 101");
  EXPECT_EQ(steps_of(narrow(sum_task({1e300}, {0}, 100))), "count 1 1 1");
}

TEST(Thresholds, OfAJoinReadTheSumAtOneScale) {
  const Requantization r = derive("thresholds", "{}", join_task({0.75, 0.125}, 1));
  EXPECT_EQ(text_of(r.before[0], 0), "* 6");
  EXPECT_TRUE(r.before[1].empty());
  for (std::int64_t x = -255; x <= 255; x += 5) {
    for (std::int64_t y = -255; y <= 255; ++y) {
      const double real =
          std::nearbyint(0.75 * static_cast<double>(x) + 0.125 * static_cast<double>(y));
      ASSERT_EQ(code_of(r, 0, {x, y}), std::clamp(static_cast<std::int64_t>(real) + 1,
                                                  std::int64_t{-128}, std::int64_t{127}));
    }
  }
}

TEST(Thresholds, RefuseCodesOfMoreBits) {
  RequantizeTask task = sum_task({0.5}, {0}, 100);
  task.codes = {0, 256};
  EXPECT_EQ(refusal_of("thresholds", "{}", task),
            R"(requantizer "thresholds": derive output/conv1: codes of 0 to 256 are more than )"
            "bits_max = 8 bits hold");
  EXPECT_EQ(refusal_of("thresholds", R"({"bits_max": 9})", task), "");
  task.codes = {7, 7};
  EXPECT_EQ(steps_of(task), "clamp 7 7");
}

}  // namespace
}  // namespace qloom::test
