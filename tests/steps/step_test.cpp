// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Each step on values with both signs, at both ends of what it takes.
#include "host/steps/step.hpp"

#include <gtest/gtest.h>

namespace qloom::test {
namespace {

using steps::Op;
using steps::Rounding;
using steps::Step;

Step of_one(Op op, std::vector<std::int64_t> constants) {
  Step step;
  step.op = op;
  step.per_channel = constants.size();
  step.constants = std::move(constants);
  return step;
}

struct StepCase {
  Step step;
  std::int64_t v, expected;
};

void expect_values(const std::vector<StepCase>& cases) {
  for (const StepCase& one : cases) {
    EXPECT_EQ(apply(one.step, 0, one.v), one.expected)
        << steps::text_of({one.step}, 0) << " of " << one.v;
  }
}

TEST(Step, DoesWhatItsNameSays) {
  const Step count = of_one(Op::kCount, {-5, 0, 0, 7});
  const Step table = of_one(Op::kTable, {40, -30, 20});
  expect_values({{of_one(Op::kAdd, {-7}), 3, -4},
                 {of_one(Op::kAdd, {INT64_MAX}), INT64_MIN, -1},
                 {of_one(Op::kMultiply, {-7}), 3, -21},
                 {of_one(Op::kMultiply, {0}), INT64_MIN, 0},
                 {of_one(Op::kShiftLeft, {62}), -2, INT64_MIN},
                 {of_one(Op::kShiftLeft, {0}), -2, -2},
                 {of_one(Op::kShiftLeft, {62}), 1, std::int64_t{1} << 62},
                 {of_one(Op::kClamp, {-3, 5}), -4, -3},
                 {of_one(Op::kClamp, {-3, 5}), -3, -3},
                 {of_one(Op::kClamp, {-3, 5}), 5, 5},
                 {of_one(Op::kClamp, {-3, 5}), 6, 5},
                 {count, -6, 0},
                 {count, -5, 1},
                 {count, -1, 1},
                 {count, 0, 3},
                 {count, 6, 3},
                 {count, 7, 4},
                 {count, INT64_MIN, 0},
                 {count, INT64_MAX, 4},
                 {table, 0, 40},
                 {table, 2, 20}});
}

TEST(Step, BringsANumberIntoARegister) {
  expect_values({{of_one(Op::kWrap, {8}), 127, 127},
                 {of_one(Op::kWrap, {8}), 128, -128},
                 {of_one(Op::kWrap, {8}), -129, 127},
                 {of_one(Op::kWrap, {8}), 511, -1},
                 {of_one(Op::kWrap, {1}), 1, -1},
                 {of_one(Op::kWrap, {1}), 2, 0},
                 {of_one(Op::kWrap, {64}), INT64_MIN, INT64_MIN},
                 {of_one(Op::kWrap, {63}), INT64_MIN, 0},
                 {of_one(Op::kWrap, {63}), INT64_MAX, -1},
                 {of_one(Op::kSaturate, {8}), 128, 127},
                 {of_one(Op::kSaturate, {8}), -129, -128},
                 {of_one(Op::kSaturate, {8}), -7, -7},
                 {of_one(Op::kSaturate, {1}), 9, 0},
                 {of_one(Op::kSaturate, {1}), -9, -1},
                 {of_one(Op::kSaturate, {64}), INT64_MIN, INT64_MIN},
                 {of_one(Op::kSaturate, {63}), INT64_MAX, INT64_MAX / 2}});
}

TEST(Step, RoundsARightShiftAsNamed) {
  const struct {
    Rounding rounding;
    std::vector<std::int64_t> of_minus_7_to_7;  ///< odd numbers and 2, by 4
  } cases[] = {{Rounding::kNearestEven, {-2, -1, -1, 0, 0, 0, 1, 1, 2}},
               {Rounding::kNearestAway, {-2, -1, -1, 0, 0, 1, 1, 1, 2}},
               {Rounding::kNearestUp, {-2, -1, -1, 0, 0, 1, 1, 1, 2}},
               {Rounding::kTowardZero, {-1, -1, 0, 0, 0, 0, 0, 1, 1}},
               {Rounding::kTowardNegative, {-2, -2, -1, -1, 0, 0, 0, 1, 1}},
               {Rounding::kTowardPositive, {-1, -1, 0, 0, 1, 1, 1, 2, 2}}};
  const std::vector<std::int64_t> values{-7, -5, -3, -1, 1, 2, 3, 5, 7};
  for (const auto& one : cases) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      EXPECT_EQ(steps::shift_right(values[i], 2, one.rounding), one.of_minus_7_to_7[i])
          << name_of(one.rounding) << " of " << values[i] << " by 4";
    }
  }
  // Below 0 the three nearest differ too: -6 / 4 and -2 / 4 are ties.
  EXPECT_EQ(steps::shift_right(-2, 2, Rounding::kNearestEven), 0);
  EXPECT_EQ(steps::shift_right(-2, 2, Rounding::kNearestAway), -1);
  EXPECT_EQ(steps::shift_right(-2, 2, Rounding::kNearestUp), 0);
  EXPECT_EQ(steps::shift_right(-6, 2, Rounding::kNearestEven), -2);
  EXPECT_EQ(steps::shift_right(-6, 2, Rounding::kNearestAway), -2);
  EXPECT_EQ(steps::shift_right(-6, 2, Rounding::kNearestUp), -1);
}

TEST(Step, HasConstantsForEachChannel) {
  Step step = of_one(Op::kClamp, {-3, 5});
  EXPECT_EQ(step.groups(), 1U);
  EXPECT_EQ(apply(step, 9, 7), 5);
  step.constants = {-3, 5, 0, 1, 2, 9};
  EXPECT_EQ(step.groups(), 3U);
  EXPECT_EQ(apply(step, 0, 7), 5);
  EXPECT_EQ(apply(step, 1, 7), 1);
  EXPECT_EQ(apply(step, 2, 7), 7);
}

TEST(Step, OfAChainComesAfterTheOneBefore) {
  const steps::Chain chain{of_one(Op::kAdd, {1}), of_one(Op::kMultiply, {10})};
  EXPECT_EQ(apply(chain, 0, 4), 50);
  EXPECT_EQ(apply(steps::Chain{}, 0, 4), 4);
}

TEST(Step, OfFloatScaleRoundsThreeTimes) {
  const auto scaled = [](std::int64_t v, float factor) {
    steps::Step step;
    step.op = Op::kFloatScale;
    step.factors = {7.0F, factor};
    return apply(step, 1, v);
  };
  EXPECT_EQ(scaled(5, 0.5F), 2);  // halves to the even one
  EXPECT_EQ(scaled(7, 0.5F), 4);
  EXPECT_EQ(scaled(-5, 0.5F), -2);
  EXPECT_EQ(scaled(-3, -0.5F), 2);
  EXPECT_EQ(scaled((1 << 24) + 1, 1.0F), 1 << 24);  // no float32: to the even one below
  EXPECT_EQ(scaled((1 << 24) + 3, 1.0F), (1 << 24) + 4);
  // 2950 * 0.0299999993 = 88.499998 and in float32 88.5, which goes to 88
  EXPECT_EQ(scaled(-2950, 0.03F), -88);
  EXPECT_EQ(scaled(0, 3e38F), 0);
}

TEST(StepNames, AreFoundAgain) {
  for (int i = 0; i <= static_cast<int>(Op::kFloatScale); ++i) {
    Op op{};
    EXPECT_TRUE(find(name_of(static_cast<Op>(i)), op));
    EXPECT_EQ(static_cast<int>(op), i);
  }
  for (int i = 0; i <= static_cast<int>(Rounding::kTowardPositive); ++i) {
    Rounding rounding{};
    EXPECT_TRUE(find(name_of(static_cast<Rounding>(i)), rounding));
    EXPECT_EQ(static_cast<int>(rounding), i);
  }
  Op op = Op::kWrap;
  EXPECT_FALSE(steps::find(std::string("divide"), op));
  EXPECT_EQ(op, Op::kWrap);
}

TEST(StepText, ShowsAChannelsConstants) {
  Step multiply = of_one(Op::kMultiply, {12, -5});
  multiply.per_channel = 1;
  Step shift = of_one(Op::kShiftRight, {31});
  shift.rounding = Rounding::kNearestUp;
  const steps::Chain chain{multiply, shift, of_one(Op::kClamp, {0, 255})};
  EXPECT_EQ(steps::text_of(chain, 0), "* 12, >> 31 nearest_up, clamp 0 255");
  EXPECT_EQ(steps::text_of(chain, 1), "* -5, >> 31 nearest_up, clamp 0 255");
  EXPECT_EQ(steps::text_of({of_one(Op::kCount, {1, 2, 3, 4, 5})}, 0), "count 1 .. 5 (5 constants)");
}

}  // namespace
}  // namespace qloom::test
