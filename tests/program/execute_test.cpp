// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Each kind of operation on numbers that were computed by hand.
#include "host/program/execute.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include "host/tensor/error.hpp"
#include "tests/program/small.hpp"

namespace qloom::test {
namespace {

using program::Kind;
using program::Overflow;
using program::Values;
using StepOp = steps::Op;

/// Last tensor of one sample; the program has to be sound.
Values last_of(const program::Program& made, const Values& input) {
  EXPECT_EQ(fault_of(made), "");
  return execute(made, input, 1).back();
}

TEST(Execute, ConvSumsCodesMinusZeroPointTimesWeights) {
  // 1 2 3        0 1 2        of 1 2: 0 + 2 + 9 - 16 = -5    1 + 4 + 12 - 20 = -3
  // 4 5 6   ->   3 4 5           3 -4  3 + 8 + 18 - 28 = 1    4 + 10 + 21 - 32 = 3
  // 7 8 9        6 7 8
  EXPECT_EQ(last_of(small_conv(), {1, 2, 3, 4, 5, 6, 7, 8, 9}), (Values{-5, -3, 1, 3}));
}

TEST(Execute, ConvPadsWithTheCodeThatTheOperationNames) {
  program::Program made = small_conv();
  program::Op& conv = made.ops[0];
  conv.window.pad_top = 1;
  conv.window.stride_h = conv.window.stride_w = 2;
  made.tensors[1].width = 1;
  EXPECT_EQ(last_of(made, {1, 2, 3, 4, 5, 6, 7, 8, 9}), (Values{-4, 1}));
  conv.pad = 3;  // two above the zero point, under weights 1 and 2
  EXPECT_EQ(last_of(made, {1, 2, 3, 4, 5, 6, 7, 8, 9}), (Values{2, 1}));
}

TEST(Execute, ConvOfGroupsReadsTheChannelsOfItsGroup) {
  const program::Tensor x = tensor_of("x", {1, 1, 4}, kU8);
  program::Op conv;
  conv.kind = Kind::kConv;
  conv.window = window_of(x, 2, 1, 1);
  conv.window.groups = 2;
  conv.weights = {1, 10, 100, 1000};
  conv.weight_type = kS16;
  const program::Program made =
      program_of(conv, x, tensor_of("y", {1, 1, 2}, {.is_signed = true, .bits = 20}));
  EXPECT_EQ(last_of(made, {1, 2, 3, 4}), (Values{21, 4300}));
}

TEST(Execute, ConvWithDilationSkipsRowsAndColumns) {
  program::Program made = small_conv();
  made.ops[0].window.dilation_h = made.ops[0].window.dilation_w = 2;
  made.tensors[1].height = made.tensors[1].width = 1;
  EXPECT_EQ(last_of(made, {1, 2, 3, 4, 5, 6, 7, 8, 9}), (Values{0 + 2 * 2 + 3 * 6 - 4 * 8}));
}

TEST(Execute, DenseReadsAllOfItsInputInOrder) {
  const program::Tensor x = tensor_of("x", {1, 2, 2}, kS8, -1);
  program::Op dense;
  dense.kind = Kind::kDense;
  dense.window = window_of(tensor_of("", {1, 1, 4}, kS8), 2, 1, 1);
  dense.weights = {1, 10, 100, 1000, -1, 0, 1, 0};
  dense.weight_type = kS16;
  const program::Program made =
      program_of(dense, x, tensor_of("y", {1, 1, 2}, {.is_signed = true, .bits = 20}));
  EXPECT_EQ(last_of(made, {0, 1, 2, 3}), (Values{4321, 2}));
}

/// 100 + 100 - 100 in a register of 8 bits.
program::Program narrow_sum(Overflow overflow) {
  const program::Tensor x = tensor_of("x", {1, 1, 3}, kU8);
  program::Op dense;
  dense.kind = Kind::kDense;
  dense.window = window_of(x, 1, 1, 1);
  dense.weights = {1, 1, -1};
  dense.weight_type = kS8;
  dense.sum = {.bits = 8, .overflow = overflow, .needed = 10};
  return program_of(dense, x, tensor_of("y", {}, kS8));
}

TEST(Execute, RegistersWrapAndSaturateAfterEachAddition) {
  EXPECT_EQ(last_of(narrow_sum(Overflow::kWrap), {100, 100, 0}), Values{-56});
  EXPECT_EQ(last_of(narrow_sum(Overflow::kWrap), {100, 100, 100}), Values{100});
  EXPECT_EQ(last_of(narrow_sum(Overflow::kSaturate), {100, 100, 0}), Values{127});
  EXPECT_EQ(last_of(narrow_sum(Overflow::kSaturate), {100, 100, 100}), Values{27});
}

TEST(Execute, MapTakesTheStepsOfEachChannel) {
  program::Op map;
  map.kind = Kind::kMap;
  map.steps = {step_of(StepOp::kMultiply, {3, -5}), step_of(StepOp::kAdd, {1}),
               step_of(StepOp::kShiftRight, {1, 2}),  // of 2 x + 1 and the like: toward negative
               step_of(StepOp::kClamp, {-100, 100, -20, 20}, 2)};
  const program::Program made =
      program_of(map, tensor_of("x", {2, 1, 2}, kU8, 7), tensor_of("y", {2, 1, 2}, kS8));
  EXPECT_EQ(last_of(made, {2, 2, 200, 200}), (Values{3, -3, 100, -20}));
}

TEST(Execute, JoinSumsWhatTheStepsMakeOfEachInput) {
  program::Op join;
  join.kind = Kind::kJoin;
  join.name = "join";
  join.inputs = {0, 1, 1};
  join.output = 2;
  join.input_steps = {{step_of(StepOp::kMultiply, {2})}, {}, {step_of(StepOp::kMultiply, {-1, 5})}};
  join.steps = {step_of(StepOp::kAdd, {1000, 2000})};
  program::Op map;
  map.kind = Kind::kMap;
  map.name = "map";
  map.output = 1;
  map.inputs = {0};
  map.steps = {step_of(StepOp::kAdd, {1})};
  program::Program made;
  made.tensors = {tensor_of("x", {1, 1, 2}, kU8, 10),
                  tensor_of("x1", {1, 1, 2}, {.is_signed = false, .bits = 9}, 20),
                  tensor_of("y", {1, 1, 2}, kS16, 5)};
  made.ops = {map, join};
  made.outputs = {2};
  // x 4, 50: -6, 40; x1 5, 51: -15, 31
  EXPECT_EQ(last_of(made, {4, 50}), (Values{-12 - 15 + 15 + 1000, 80 + 31 + 155 + 2000}));
}

TEST(Execute, ConcatPutsChannelsSideBySide) {
  program::Op concat;
  concat.kind = Kind::kConcat;
  program::Program made =
      program_of(concat, tensor_of("x", {2, 1, 2}, kU8, 3), tensor_of("y", {2, 1, 4}, kU8, 3));
  made.ops[0].inputs = {0, 0};
  EXPECT_EQ(last_of(made, {1, 2, 3, 4}), (Values{1, 2, 1, 2, 3, 4, 3, 4}));
}

TEST(Execute, SumPoolAddsCodesMinusZeroPoint) {
  const program::Tensor x = tensor_of("x", {2, 2, 2}, kU8, 10);
  program::Op pool;
  pool.kind = Kind::kSumPool;
  pool.window = window_of(x, 2, 2, 2);
  pool.window.groups = 2;
  const program::Program made = program_of(pool, x, tensor_of("y", {1, 1, 2}, kS16));
  EXPECT_EQ(last_of(made, {1, 100, 2, 101, 3, 102, 4, 103}), (Values{10 - 40, 406 - 40}));
}

TEST(Execute, MaxPoolLeavesPaddingOut) {
  const program::Tensor x = tensor_of("x", {2, 2, 1}, kS8);
  program::Op pool;
  pool.kind = Kind::kMaxPool;
  pool.window = window_of(x, 1, 2, 2);
  pool.window.pad_top = pool.window.pad_left = 1;
  const program::Program made = program_of(pool, x, tensor_of("y", {2, 2, 1}, kS8));
  EXPECT_EQ(last_of(made, {-5, -6, -7, -4}), (Values{-5, -5, -5, -4}));
}

TEST(Execute, ArgmaxIsTheSmallestIndexAmongEquals) {
  program::Op argmax;
  argmax.kind = Kind::kArgmax;
  const program::Program made =
      program_of(argmax, tensor_of("x", {1, 1, 5}, kS8), tensor_of("y", {}, kU8));
  EXPECT_EQ(last_of(made, {-3, 7, -8, 7, 7}), Values{1});
  EXPECT_EQ(last_of(made, {-3, -3, -3, -3, -3}), Values{0});
}

TEST(Execute, ReshapeKeepsTheOrder) {
  program::Op reshape;
  reshape.kind = Kind::kReshape;
  const program::Program made =
      program_of(reshape, tensor_of("x", {2, 1, 2}, kU8), tensor_of("y", {1, 1, 4}, kU8));
  EXPECT_EQ(last_of(made, {4, 3, 2, 1}), (Values{4, 3, 2, 1}));
}

TEST(Execute, GivesTheSameOnAnyNumberOfThreads) {
  const program::Program made = small_conv();
  Values input(9 * 100);
  for (std::size_t i = 0; i < input.size(); ++i) input[i] = static_cast<std::int64_t>(i * 37 % 256);
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const std::vector<Values> expected = execute(made, input, 100);
  for (const int threads : {2, 7}) {
    omp_set_num_threads(threads);
    EXPECT_EQ(execute(made, input, 100), expected) << threads;
  }
  omp_set_num_threads(before);
  EXPECT_EQ(expected[0], input);
  EXPECT_EQ(expected[1].size(), 400U);
}

TEST(Execute, RefusesInputThatIsNotOfItsType) {
  const auto message = [](const Values& input, std::int64_t samples) -> std::string {
    try {
      static_cast<void>(execute(small_conv(), input, samples));
    } catch (const RunError& error) {
      return error.what();
    }
    return "";
  };
  Values input(18);
  EXPECT_EQ(message(input, 2), "");
  EXPECT_EQ(message(input, 1), "input \"x\": 18 values, expected 1 samples of 9");
  input[12] = 256;
  EXPECT_EQ(message(input, 2), "input \"x\": 256 at element 3 of sample 1, expected 0 to 255 (u8)");
  input[12] = -1;
  EXPECT_NE(message(input, 2), "");
}

}  // namespace
}  // namespace qloom::test
