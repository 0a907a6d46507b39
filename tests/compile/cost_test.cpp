// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/compile/cost.hpp"

#include <gtest/gtest.h>

namespace qloom::compile {
namespace {

using steps::Op;
using steps::Rounding;
constexpr Rounding kDown = Rounding::kTowardNegative;

/// u8 of two channels through these steps into 32 bits.
program::Program map_of(steps::Chain chain) {
  program::Program p;
  program::Tensor x, y;
  x.name = "x";
  y.name = "y";
  x.channels = y.channels = 2;
  x.type = {false, 8};
  y.type = {true, 32};
  p.tensors = {x, y};
  program::Op op;
  op.name = "map";
  op.inputs = {0};
  op.output = 1;
  op.steps = std::move(chain);
  p.ops = {op};
  p.outputs = {1};
  EXPECT_EQ(program::fault_of(p), "");
  return p;
}
Cost cost(const program::Program& p) { return cost_of(p, program::ranges_of(p), p.ops[0]); }

TEST(Cost, IsThatOfTheWidestChannel) {
  // 255 * -300 = -76500, plus 7 * 2^10: below 2^17 in magnitude
  const Cost c = cost(map_of({{Op::kMultiply, kDown, {3, -300}, 1},
                              {Op::kAdd, kDown, {-1, 7168}, 1},
                              {Op::kShiftRight, Rounding::kNearestUp, {4}, 1},
                              {Op::kAdd, kDown, {100}, 1}}));
  EXPECT_EQ(c.multiplier, 10) << "-300 .. 3";
  EXPECT_EQ(c.bias, 14) << "-1 .. 7168";
  EXPECT_EQ(c.product, 18) << "-76500 before the bias, two's complement";
  EXPECT_EQ(c.thresholds, 0U);
  EXPECT_EQ(text_of(c), "multiplier 10, bias 14, product 18 bits");
  EXPECT_EQ(to_json(c).dump(), R"({"bias_bits":14,"multiplier_bits":10,"product_bits":18})");
}

TEST(Cost, OfThresholdsAndTablesIsTheirNumber) {
  EXPECT_EQ(text_of(cost(map_of({{Op::kCount, kDown, {10, 20, 30, 40, 50, 60}, 3}}))),
            "3 thresholds");
  steps::Step table{Op::kTable, kDown, std::vector<std::int64_t>(256, 5), 256};
  EXPECT_EQ(text_of(cost(map_of({table}))), "table of 256");
  EXPECT_EQ(text_of(cost(map_of({}))), "");
}

TEST(Cost, OfAJoinIsThatOfAllItsChains) {
  program::Program p = map_of({});
  p.ops[0].kind = program::Kind::kJoin;
  p.tensors[0].zero_point = 128;
  p.ops[0].inputs = {0, 0};
  p.ops[0].input_steps = {{{Op::kMultiply, kDown, {1000}, 1}}, {{Op::kShiftLeft, kDown, {3}, 1}}};
  p.ops[0].steps = {{Op::kAdd, kDown, {64}, 1}, {Op::kShiftRight, Rounding::kNearestUp, {7}, 1}};
  ASSERT_EQ(program::fault_of(p), "");
  const Cost c = cost(p);
  EXPECT_EQ(c.multiplier, 10);
  EXPECT_EQ(c.product, 18) << "-128 * 1000";
  EXPECT_EQ(c.bias, 7);
}

}  // namespace
}  // namespace qloom::compile
