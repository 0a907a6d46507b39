// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The fast executor gives the numbers of the plain loops: random programs, and each of its ways on
// purpose.
#include "host/program/fast/executor.hpp"

#include <gtest/gtest.h>

#include "host/tensor/error.hpp"
#include "tests/program/small.hpp"
#include "tests/support/random_chain.hpp"
#include "tests/support/random_program.hpp"

namespace qloom::test {
namespace {

using program::Executor;
using program::Kind;
using program::Op;
using program::Program;
using program::Tensor;
using program::Values;
using steps::Rounding;

/// All tensors of a trace, and the outputs without one, twice from one executor.
void expect_same(const Program& made, std::uint64_t seed, std::int64_t samples) {
  ASSERT_EQ(fault_of(made), "") << "seed " << seed;
  const Values input = random_input(made, seed, samples);
  const std::vector<Values> expected = execute(made, input, samples);
  Executor executor(made);
  const std::vector<Values> trace = executor.trace(input, samples);
  ASSERT_EQ(trace.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(trace[i], expected[i]) << "seed " << seed << ", " << made.tensors[i].name;
  }
  for (const std::int64_t few : {samples, std::int64_t{1}}) {
    const auto part =
        std::span(input).first(static_cast<std::size_t>(few * made.tensor(made.input).size()));
    const std::vector<Values> outputs = executor.outputs(part, few);
    ASSERT_EQ(outputs.size(), made.outputs.size());
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const Values& all = expected[static_cast<std::size_t>(made.outputs[i])];
      const Values begin(all.begin(), all.begin() + few * made.tensor(made.outputs[i]).size());
      ASSERT_EQ(outputs[i], begin) << "seed " << seed << ", output " << i;
    }
  }
}

TEST(FastExecutor, EqualsThePlainLoopsOnRandomPrograms) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    expect_same(random_program(seed, {.has_floats = seed % 3 == 0}), seed,
                1 + static_cast<std::int64_t>(seed % 21));
  }
}

TEST(FastExecutor, EqualsThePlainLoopsOnRandomProgramsOfBytes) {
  for (std::uint64_t seed = 1000; seed < 1060; ++seed) {
    const ProgramSize size{.ops = 8, .bits = 24, .extent = 9, .channels = 36};
    expect_same(random_program(seed, size), seed, 1 + static_cast<std::int64_t>(seed % 18));
  }
}

/// A convolution whose sums may have all bits that fit, with a map behind it.
Program convolution(Dice& dice, program::Type type, std::int64_t channels, std::int64_t groups,
                    std::int64_t largest_weight, const steps::Chain& steps, program::Type codes) {
  const auto [lo, hi] = type.values();
  Tensor x = tensor_of("x", {7, 6, channels}, type, dice.in(lo, hi));
  Op conv;
  conv.name = "conv";
  conv.kind = Kind::kConv;
  conv.inputs = {0};
  conv.output = 1;
  conv.window = window_of(x, 32, 3, 3);
  conv.window.groups = groups;
  conv.window.pad_top = conv.window.pad_left = dice.in(0, 2);
  conv.window.pad_right = dice.in(0, 1);
  conv.window.stride_w = dice.in(1, 2);
  conv.pad = dice.once_in(2) ? x.zero_point : dice.in(lo, hi);
  for (std::int64_t i = 0; i < conv.window.w_size(); ++i) {
    const std::int64_t most = i / conv.window.fan_in() % 4 == 0 ? largest_weight : 0;
    conv.weights.push_back(
        static_cast<std::int32_t>(most != 0 ? most : dice.in(-largest_weight, largest_weight)));
  }
  conv.weight_type = {.is_signed = true, .bits = 16};
  conv.sum = {.bits = 62, .overflow = program::Overflow::kNever, .needed = 62};
  Program made;
  const program::ContractionShape& w = conv.window;
  made.tensors = {x, tensor_of("sum", {w.out_h(), w.out_w(), 32}, {true, 62}),
                  tensor_of("y", {w.out_h(), w.out_w(), 32}, codes)};
  Op map;
  map.name = "map";
  map.kind = Kind::kMap;
  map.inputs = {1};
  map.output = 2;
  map.steps = steps;
  made.ops = {conv, map};
  made.outputs = {2};
  return made;
}

std::vector<std::int64_t> constants(Dice& dice, std::int64_t lo, std::int64_t hi) {
  std::vector<std::int64_t> all;
  for (int i = 0; i < 32; ++i) all.push_back(dice.in(lo, hi));
  return all;
}

steps::Chain multiplier(Dice& dice, Rounding first, Rounding second) {
  const bool is_odd = dice.once_in(2);
  steps::Chain chain;
  chain.push_back(step_of(steps::Op::kAdd, constants(dice, -100000, 100000)));
  chain.push_back(step_of(steps::Op::kMultiply, is_odd ? constants(dice, 1 << 18, 1 << 19)
                                                       : std::vector{std::int64_t{1} << 18}));
  chain.push_back(step_of(steps::Op::kShiftRight, constants(dice, 20, 24), 1, first));
  if (is_odd) chain.push_back(step_of(steps::Op::kShiftRight, constants(dice, 0, 6), 1, second));
  chain.push_back(step_of(steps::Op::kAdd, {-3}));
  chain.push_back(step_of(steps::Op::kClamp, {-128, 127}, 2));
  return chain;
}

TEST(FastExecutor, HasTheRoundingsOfMultipliers) {
  Dice dice(1);
  for (int first = 0; first < 6; ++first) {
    for (int second = 0; second < 6; ++second) {
      const steps::Chain chain =
          multiplier(dice, static_cast<Rounding>(first), static_cast<Rounding>(second));
      expect_same(convolution(dice, kU8, 16, 1, 127, chain, kS8), 7, 3);
    }
  }
}

/// Small shifts, so that many values are ties, of both signs, with something added in each place.
TEST(FastExecutor, RoundsTiesOfWhatIsAddedInFrontOfAShift) {
  constexpr Rounding kAll[] = {Rounding::kNearestEven,    Rounding::kNearestAway,
                               Rounding::kNearestUp,      Rounding::kTowardZero,
                               Rounding::kTowardNegative, Rounding::kTowardPositive};
  Dice dice(11);
  for (const Rounding first : kAll) {
    for (const Rounding second : kAll) {
      steps::Chain chain;
      chain.push_back(step_of(steps::Op::kMultiply, constants(dice, -9, 9)));
      chain.push_back(step_of(steps::Op::kAdd, constants(dice, -40, 40)));
      chain.push_back(step_of(steps::Op::kShiftRight, constants(dice, 0, 4), 1, first));
      chain.push_back(step_of(steps::Op::kAdd, constants(dice, -9, 9)));
      chain.push_back(step_of(steps::Op::kShiftRight, constants(dice, 0, 3), 1, second));
      chain.push_back(step_of(steps::Op::kAdd, constants(dice, -5, 5)));
      if (dice.once_in(3)) chain.erase(chain.begin() + 3, chain.begin() + 5);
      Program made;
      made.tensors = {tensor_of("x", {1, 30, 32}, {true, 20}, 0),
                      tensor_of("y", {1, 30, 32}, {true, 32})};
      Op map;
      map.name = "map";
      map.kind = Kind::kMap;
      map.inputs = {0};
      map.output = 1;
      map.steps = chain;
      made.ops = {map};
      made.outputs = {1};
      expect_same(made, 5, 9);
    }
  }
}

TEST(FastExecutor, CountsThresholds) {
  Dice dice(2);
  for (int round = 0; round < 20; ++round) {
    steps::Chain chain;
    if (round % 2 == 0) {
      chain.push_back(step_of(steps::Op::kMultiply, constants(dice, -1, 1)));
      chain.push_back(step_of(steps::Op::kAdd, {5}));
    }
    std::vector<std::int64_t> thresholds;
    for (int c = 0; c < 32; ++c) {
      const std::int64_t reach = std::int64_t{1} << dice.in(0, 20);
      std::vector<std::int64_t> own;
      for (int i = 0; i < 15; ++i) own.push_back(dice.in(-reach, reach));
      if (c % 5 == 0) own.back() = std::numeric_limits<std::int64_t>::max();
      std::sort(own.begin(), own.end());
      thresholds.insert(thresholds.end(), own.begin(), own.end());
    }
    chain.push_back(step_of(steps::Op::kCount, thresholds, 15));
    chain.push_back(step_of(steps::Op::kAdd, {-8}));
    expect_same(convolution(dice, kU8, 16, 1, 127, chain, kS8), 7, 3);
  }
}

TEST(FastExecutor, HasLargeSumsOfBytesInGroupsAndOfWideCodes) {
  Dice dice(3);
  const steps::Chain last_bits{step_of(steps::Op::kWrap, {8})};
  for (const program::Type type : {kU8, kS8, program::Type{true, 5}, kS16, program::Type{false, 12},
                                   program::Type{true, 30}}) {
    for (const std::int64_t groups : {1, 4, 32}) {
      for (const std::int64_t largest : {127, 32767}) {
        expect_same(
            convolution(dice, type, groups == 1 ? 512 : 32, groups, largest, last_bits, kS8), 7, 2);
      }
    }
  }
}

/// Scalars of inputs and sums that tie, zero points, two inputs of bytes.
TEST(FastExecutor, JoinsBytes) {
  Dice dice(4);
  for (int round = 0; round < 24; ++round) {
    const bool has_channels = round % 3 == 2;
    Program made;
    made.tensors = {tensor_of("a", {5, 4, 32}, kS8, dice.in(-128, 127)),
                    tensor_of("b", {5, 4, 32}, round % 2 == 0 ? kU8 : kS16),
                    tensor_of("y", {5, 4, 32}, kS8)};
    Op map;
    map.name = "map";
    map.kind = Kind::kMap;
    map.inputs = {0};
    map.output = 1;
    map.steps = {step_of(steps::Op::kAdd, {128})};
    Op join;
    join.name = "join";
    join.kind = Kind::kJoin;
    join.inputs = {0, 1};
    join.output = 2;
    const auto rounding = static_cast<Rounding>(round % 6);
    join.input_steps = {
        {step_of(steps::Op::kMultiply, {1 << 20})},
        {step_of(steps::Op::kMultiply, has_channels ? constants(dice, -9999, 9999)
                                                    : std::vector<std::int64_t>{3 << 19})}};
    join.steps = {step_of(steps::Op::kShiftRight, {21}, 1, rounding),
                  step_of(steps::Op::kSaturate, {8})};
    made.ops = {map, join};
    made.outputs = {2};
    expect_same(made, 7, 9);
  }
}

TEST(FastExecutor, TakesAndGivesValuesAsNarrowAsTheirTypes) {
  Program made = small_conv();
  made.outputs = {1, 0};
  const std::vector<std::uint8_t> input{0, 1, 2, 3, 4, 255, 254, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7, 8};
  const std::vector<Values> expected = execute(made, Values(input.begin(), input.end()), 2);
  std::vector<std::int16_t> sums(8);
  std::vector<std::uint8_t> same(18);
  const std::array<void*, 2> outputs{sums.data(), same.data()};
  Executor(made).run(input.data(), 2, outputs);
  EXPECT_EQ(Values(sums.begin(), sums.end()), expected[1]);
  EXPECT_EQ(same, input);
}

TEST(FastExecutor, RefusesInputsBeyondTheirType) {
  const Program made = small_conv();
  Executor executor(made);
  Values input(9, 1);
  input[4] = 256;
  EXPECT_THROW(static_cast<void>(executor.outputs(input, 1)), RunError);
  EXPECT_THROW(static_cast<void>(executor.outputs(std::span(input).first(8), 1)), RunError);
}

}  // namespace
}  // namespace qloom::test
