// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What fault_of() finds: each test spoils one thing of a sound program.
#include <functional>
#include <limits>

#include <gtest/gtest.h>

#include "tests/program/small.hpp"

namespace qloom::test {
namespace {

using program::Kind;
using StepOp = steps::Op;
using Spoil = std::function<void(program::Program&)>;

struct Spoiled {
  const char* fault;  ///< how it begins
  Spoil spoil;
};

void expect_faults(const program::Program& sound, const std::vector<Spoiled>& cases) {
  ASSERT_EQ(fault_of(sound), "");
  for (const Spoiled& one : cases) {
    program::Program spoiled = sound;
    one.spoil(spoiled);
    const std::string fault = fault_of(spoiled);
    EXPECT_TRUE(fault.starts_with(one.fault)) << fault << "\nexpected " << one.fault;
  }
}

TEST(Fault, OfTensors) {
  expect_faults(
      small_conv(),
      {{"/tensors/0/name: \"\", expected a letter", [](auto& p) { p.tensors[0].name = ""; }},
       {"/tensors/0/name: \"a b\"", [](auto& p) { p.tensors[0].name = "a b"; }},
       {"/tensors/1/name: \"x\" stands twice", [](auto& p) { p.tensors[1].name = "x"; }},
       {"/tensors/0/shape: 0 x 3 x 1", [](auto& p) { p.tensors[0].height = 0; }},
       {"/tensors/0/shape: 3 x -1 x 1", [](auto& p) { p.tensors[0].width = -1; }},
       {"/tensors/0/shape: 65536 x 65536 x 1",
        [](auto& p) { p.tensors[0].height = p.tensors[0].width = 65536; }},
       {"/tensors/1/type: 0 bits", [](auto& p) { p.tensors[1].type.bits = 0; }},
       {"/tensors/1/type: 65 bits", [](auto& p) { p.tensors[1].type.bits = 65; }},
       {"/tensors/1/zero_point: -9223372036854775808",
        [](auto& p) { p.tensors[1].zero_point = std::numeric_limits<std::int64_t>::min(); }},
       {"/tensors/1/scale: 3 numbers, expected none, 1 or 1",
        [](auto& p) {
          p.tensors[1].scale = {1, 2, 3};
        }},
       {"/tensors/1/scale: a number that is not finite",
        [](auto& p) { p.tensors[1].scale = {std::numeric_limits<double>::infinity()}; }}});
}

TEST(Fault, OfOrderAndAssignment) {
  program::Program two = small_conv();
  program::Op map;
  map.kind = Kind::kMap;
  map.name = "map";
  map.inputs = {1};
  map.output = 2;
  two.tensors.push_back(tensor_of("z", {2, 2, 1}, kS16));
  two.ops.push_back(map);
  expect_faults(two,
                {{"/ops/1/name: \"op\" stands twice", [](auto& p) { p.ops[1].name = "op"; }},
                 {"/ops/1/name: \"1\"", [](auto& p) { p.ops[1].name = "1"; }},
                 {"/input: tensor 3, expected one of 3", [](auto& p) { p.input = 3; }},
                 {"/ops/0/in: \"x\" is not there yet", [](auto& p) { p.input = 2; }},
                 {"/ops/0/in: \"z\" is not there yet", [](auto& p) { p.ops[0].inputs = {2}; }},
                 {"/ops/0/in: tensor -1", [](auto& p) { p.ops[0].inputs = {-1}; }},
                 {"/ops/0/in: 0 inputs, expected 1", [](auto& p) { p.ops[0].inputs = {}; }},
                 {"/ops/0/in: 2 inputs, expected 1",
                  [](auto& p) {
                    p.ops[0].inputs = {0, 0};
                  }},
                 {"/ops/1/out: tensor 9", [](auto& p) { p.ops[1].output = 9; }},
                 {"/ops/1/out: \"y\" is written already", [](auto& p) { p.ops[1].output = 1; }},
                 {"/ops/1/out: \"x\" is written already", [](auto& p) { p.ops[1].output = 0; }},
                 {"/ops/0/in: \"x\" is not there yet",
                  [](auto& p) {
                    p.input = 1;
                    p.ops[0].output = 0;
                  }},
                 {"/tensors/2: no operation writes \"z\"", [](auto& p) { p.ops.pop_back(); }},
                 {"/outputs: none", [](auto& p) { p.outputs.clear(); }},
                 {"/outputs/1: \"y\" stands twice",
                  [](auto& p) {
                    p.outputs = {1, 1};
                  }},
                 {"/outputs/0: tensor 7", [](auto& p) { p.outputs = {7}; }}});
}

TEST(Fault, OfWindows) {
  expect_faults(
      small_conv(),
      {{"/ops/0: a window for 2 samples", [](auto& p) { p.ops[0].window.batch = 2; }},
       {"/ops/0: a window for 1 samples of 4 x 3 x 1", [](auto& p) { p.ops[0].window.in_h = 4; }},
       {"/ops/0/kernel: 0 x 2", [](auto& p) { p.ops[0].window.kernel_h = 0; }},
       {"/ops/0/kernel: 4 x 2 with its dilation", [](auto& p) { p.ops[0].window.kernel_h = 4; }},
       {"/ops/0/kernel: 4 x 2 with its dilation", [](auto& p) { p.ops[0].window.dilation_h = 3; }},
       {"/ops/0/stride: 0 x 1", [](auto& p) { p.ops[0].window.stride_h = 0; }},
       {"/ops/0/dilation: 1 x 0", [](auto& p) { p.ops[0].window.dilation_w = 0; }},
       {"/ops/0/pad: 0 x -1", [](auto& p) { p.ops[0].window.pad_right = -1; }},
       {"/ops/0/out: \"y\" has the shape 2 x 2 x 1, expected 3 x 2 x 1",
        [](auto& p) { p.ops[0].window.pad_top = 1; }},
       {"/ops/0/out: \"y\" has the shape 2 x 2 x 1, expected 2 x 2 x 2",
        [](auto& p) { p.ops[0].window.out_c = 2; }},
       {"/ops/0/groups: 2, expected a divisor", [](auto& p) { p.ops[0].window.groups = 2; }},
       {"/ops/0/pad_code: 256, expected a code of \"x\": 0 to 255", [](auto& p) {
          p.ops[0].window.pad_top = 1;
          p.ops[0].pad = 256;
          p.tensors[1].height = 3;
        }}});
}

TEST(Fault, OfWeightsAndSums) {
  expect_faults(
      small_conv(),
      {{"/ops/0/weights: 3 weights, expected 4", [](auto& p) { p.ops[0].weights.pop_back(); }},
       {"/ops/0/weights: 128 at 2, expected -128 to 127 (s8)",
        [](auto& p) { p.ops[0].weights[2] = 128; }},
       {"/ops/0/weight_type: 33 bits", [](auto& p) { p.ops[0].weight_type.bits = 33; }},
       {"/ops/0/accumulator/bits: 1,", [](auto& p) { p.ops[0].sum.bits = 1; }},
       {"/ops/0/accumulator/bits: 63,", [](auto& p) { p.ops[0].sum.bits = 63; }},
       {"/ops/0/accumulator/bits: 11, expected at least 12",
        [](auto& p) { p.ops[0].sum.bits = 11; }},
       {"/ops/0/accumulator/needed: 11, expected at least 12",
        [](auto& p) { p.ops[0].sum.needed = 11; }},
       {"/ops/0/out: \"y\" gets -1022 to 1528, expected -128 to 127 of its type s8",
        [](auto& p) { p.tensors[1].type = kS8; }},
       {"/ops/0/out: \"y\" gets -1022 to 1528",
        [](auto& p) { p.tensors[1].type = {.is_signed = false, .bits = 16}; }},
       {"/ops/0/in: \"x\" minus its zero point",
        [](auto& p) {
          p.tensors[0].type = {.is_signed = true, .bits = 64};
          p.tensors[0].zero_point = 1;
        }},
       {"/ops/0/weights: weight -4 times codes", [](auto& p) {
          p.tensors[0].type = {.is_signed = true, .bits = 64};
          p.tensors[0].zero_point = 0;
          p.ops[0].sum = {.bits = 32, .overflow = program::Overflow::kWrap, .needed = 64};
        }}});
}

TEST(Fault, OfDenseLayers) {
  const program::Tensor x = tensor_of("x", {1, 2, 2}, kU8);
  program::Op dense;
  dense.kind = Kind::kDense;
  dense.window = window_of(tensor_of("", {1, 1, 4}, kU8), 1, 1, 1);
  dense.weights = {1, 2, 3, 4};
  expect_faults(program_of(dense, x, tensor_of("y", {}, kS16)),
                {{"/ops/0: a window for 1 samples of 1 x 2 x 2, expected 1 of 1 x 1 x 4",
                  [](auto& p) { p.ops[0].window = window_of(p.tensors[0], 1, 1, 1); }},
                 {"/ops/0/groups: 2 in a dense layer", [](auto& p) { p.ops[0].window.groups = 2; }},
                 {"/ops/0/pad_code: 1 in a dense layer", [](auto& p) { p.ops[0].pad = 1; }},
                 {"/ops/0/pad: a dense layer with padding", [](auto& p) {
                    p.ops[0].window.pad_top = 1;
                    p.ops[0].window.stride_h = 2;
                  }}});
}

TEST(Fault, OfStepsAndWhatKindsLack) {
  program::Op map;
  map.kind = Kind::kMap;
  map.steps.assign(1024, step_of(StepOp::kAdd, {0}));  // the longest chain
  map.steps[0] = step_of(StepOp::kAdd, {1});
  expect_faults(
      program_of(map, tensor_of("x", {1, 1, 2}, kU8), tensor_of("y", {1, 1, 2}, kS16)),
      {{"/ops/0/steps/0: constants for 3 channels, expected 1 or 2",
        [](auto& p) {
          p.ops[0].steps[0].constants = {1, 2, 3};
        }},
       {"/ops/0/steps/0: 0 constants", [](auto& p) { p.ops[0].steps[0].constants = {}; }},
       {"/ops/0/steps/0: 1 constants in groups of 0",
        [](auto& p) { p.ops[0].steps[0].per_channel = 0; }},
       {"/ops/0/steps: step 1 (multiply) of channel 1",
        [](auto& p) {
          p.ops[0].steps = {step_of(StepOp::kMultiply, {1, std::int64_t{1} << 60})};
        }},
       {"/ops/0/steps: step 1 (table) of channel 0",
        [](auto& p) {
          p.ops[0].steps = {step_of(StepOp::kTable, {1, 2, 3}, 3)};
        }},
       {"/ops/0/steps/0: channel 0: 63, expected 0 to 62",
        [](auto& p) { p.ops[0].steps = {step_of(StepOp::kShiftRight, {63})}; }},
       {"/ops/0/steps: 1025 steps, expected at most 1024",
        [](auto& p) { p.ops[0].steps.assign(1025, step_of(StepOp::kAdd, {0})); }},
       {"/ops/0/out: \"y\" gets 1 to 256", [](auto& p) { p.tensors[1].type = kU8; }},
       {"/ops/0/out: \"y\" has the shape 2 x 1 x 2, expected that of \"x\"",
        [](auto& p) { p.tensors[1].height = 2; }},
       {"/ops/0/weights: weights in map", [](auto& p) { p.ops[0].weights = {1}; }},
       {"/ops/0: a window in", [](auto& p) { p.ops[0].window.in_c = 2; }},
       {"/ops/0: an accumulator, a weight type or a pad code", [](auto& p) { p.ops[0].pad = 1; }},
       {"/ops/0/input_steps: steps of inputs in map", [](auto& p) { p.ops[0].input_steps = {{}}; }},
       {"/ops/0/steps: steps in reshape", [](auto& p) { p.ops[0].kind = Kind::kReshape; }}});
}

TEST(Fault, OfJoins) {
  program::Op join;
  join.kind = Kind::kJoin;
  join.input_steps = {{step_of(StepOp::kMultiply, {3})}, {}};
  program::Program sound =
      program_of(join, tensor_of("x", {1, 1, 2}, kU8, 5), tensor_of("y", {1, 1, 2}, kS16));
  sound.ops[0].inputs = {0, 0};
  const std::int64_t large = std::int64_t{1} << 54;
  expect_faults(
      sound,
      {{"/ops/0/input_steps: 1 lists of steps, expected one for each input: 2",
        [](auto& p) { p.ops[0].input_steps.pop_back(); }},
       {"/ops/0/input_steps/1: step 1 (multiply)",
        [&](auto& p) { p.ops[0].input_steps[1] = {step_of(StepOp::kMultiply, {4 * large})}; }},
       {"/ops/0/input_steps: the sum of the inputs leaves 64 bits",
        [&](auto& p) {
          p.ops[0].input_steps = {{step_of(StepOp::kMultiply, {2 * large})},
                                  {step_of(StepOp::kMultiply, {2 * large})}};
        }},
       {"/ops/0/out: \"y\" has the shape", [](auto& p) { p.tensors[1].width = 2; }},
       {"/ops/0/in: 0 inputs, expected one or more", [](auto& p) { p.ops[0].inputs = {}; }}});
}

TEST(Fault, OfPools) {
  const program::Tensor x = tensor_of("x", {2, 2, 1}, kU8, 3);
  program::Op pool;
  pool.kind = Kind::kMaxPool;
  pool.window = window_of(x, 1, 2, 2);
  expect_faults(
      program_of(pool, x, tensor_of("y", {}, kU8, 3)),
      {{"/ops/0/groups: 2 with 1 channels out", [](auto& p) { p.ops[0].window.groups = 2; }},
       {"/ops/0/pad: a window of padding alone",
        [](auto& p) {
          p.ops[0].window.pad_top = 2;
          p.tensors[1].height = 3;
        }},
       {"/ops/0/pad: a window of padding alone",
        [](auto& p) {
          p.ops[0].window.pad_right = 2;
          p.tensors[1].width = 3;
        }},
       {"/ops/0/pad: a window of padding alone",  // it steps over the input
        [](auto& p) {
          p.ops[0].window.pad_top = p.ops[0].window.pad_bottom = 1;
          p.ops[0].window.dilation_h = 3;
          p.tensors[0].height = p.ops[0].window.in_h = 2;
        }},
       {"/ops/0/out: \"y\" is u8 with zero point 0", [](auto& p) { p.tensors[1].zero_point = 0; }},
       {"/ops/0/out: \"y\" is s16", [](auto& p) { p.tensors[1].type = kS16; }},
       {"/ops/0/pad: a sum_pool with padding", [](auto& p) {
          p.ops[0].kind = Kind::kSumPool;
          p.ops[0].window.pad_top = 1;
          p.tensors[1].height = 2;
        }}});
}

TEST(Fault, OfMoves) {
  const program::Tensor x = tensor_of("x", {2, 2, 1}, kU8, 3);
  program::Op reshape;
  reshape.kind = Kind::kReshape;
  expect_faults(program_of(reshape, x, tensor_of("y", {1, 1, 4}, kU8, 3)),
                {{"/ops/0/out: \"y\" has 5 elements", [](auto& p) { p.tensors[1].channels = 5; }},
                 {"/ops/0/out: \"y\" has the shape 1 x 1 x 4, expected 1 x 1 x 1",
                  [](auto& p) { p.ops[0].kind = Kind::kArgmax; }}});
  program::Op concat;
  concat.kind = Kind::kConcat;
  expect_faults(program_of(concat, x, tensor_of("y", {2, 2, 1}, kU8, 3)),
                {{"/ops/0/out: \"y\" has 1 channels, expected 2",
                  [](auto& p) {
                    p.ops[0].inputs = {0, 0};
                  }},
                 {"/ops/0/in: \"x\" has the shape", [](auto& p) { p.tensors[1].height = 1; }}});
}

}  // namespace
}  // namespace qloom::test
