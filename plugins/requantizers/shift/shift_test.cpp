// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/support/requantizer_harness.hpp"

namespace qloom::test {
namespace {

std::string steps_of(const char* params, const RequantizeTask& task, std::uint64_t channel = 0) {
  return text_of(derive("shift", params, task).behind, channel);
}

TEST(Shift, IsOneShiftWithTheBiasAtItsScale) {
  RequantizeTask task = sum_task({0x1p-7, 0x1p-3}, {0.3, -2}, 1000, 5);
  EXPECT_EQ(steps_of("{}", task, 0), "+ 38, >> 7 nearest_even, + 5, clamp -128 127");
  EXPECT_EQ(steps_of("{}", task, 1), "+ -16, >> 3 nearest_even, + 5, clamp -128 127");
  task.rounding = QLOOM_ROUND_TOWARD_NEGATIVE;
  EXPECT_EQ(steps_of("{}", task, 1), "+ -16, >> 3 toward_negative, + 5, clamp -128 127");
}

TEST(Shift, GoesLeftForLargeFactorsAndNegatesForNegativeOnes) {
  const RequantizeTask task = sum_task({4, -0.5}, {2.5, 0.5}, 100);
  const Requantization product = derive("shift", "{}", task);
  EXPECT_EQ(code_of(product, 0, {3}), 14);  // 12 + 2: a half goes to the even one
  EXPECT_EQ(code_of(product, 1, {7}), -3);
  const Requantization sum = derive("shift", R"({"bias_scale": "sum"})", task);
  EXPECT_EQ(code_of(sum, 0, {3}), 16);  // 2.5 / 4 is 1
}

TEST(Shift, BringsAJoinToItsFinestScale) {
  const Requantization r = derive("shift", "{}", join_task({0.5, -0x1p-3}));
  EXPECT_EQ(text_of(r.before[0], 0), "<< 2");
  EXPECT_EQ(text_of(r.before[1], 0), "* -1");
  EXPECT_EQ(text_of(r.behind, 0), ">> 3 nearest_even, clamp -128 127");
}

TEST(Shift, NamesTheNearestPowerOfOtherFactors) {
  const auto refusal = [](double factor) {
    return refusal_of("shift", "{}", sum_task({0.5, factor}, {0, 0}, 100));
  };
  const std::string begin = R"(requantizer "shift": derive output/conv1: channel 1: factor )";
  EXPECT_EQ(refusal(0.3), begin + "0.3 is no power of two; the nearest is 2^-2 = 0.25");
  EXPECT_EQ(refusal(0.4), begin + "0.4 is no power of two; the nearest is 2^-1 = 0.5");
  EXPECT_EQ(refusal(-3), begin + "-3 is no power of two; the nearest is -2^2 = -4");
  EXPECT_EQ(refusal(0x1p-70), begin + "8.47033e-22 is a shift of 70 bits, expected at most 62");
  EXPECT_EQ(refusal_of("shift", R"({"bias_scale": "sum"})", sum_task({0x1p-30}, {100}, 100)),
            R"(requantizer "shift": derive output/conv1: channel 0: the bias at the sum's scale, )"
            "107374182400, does not fit into 32 bits");
}

}  // namespace
}  // namespace qloom::test
