// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Small layers in Icarus: every kind of operation and of step, and faults that have to be found.
#include <map>
#include <regex>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/verilog/bench.hpp"
#include "tests/verilog/programs.hpp"

namespace qloom::test {
namespace {

using program::Overflow;
using StepOp = steps::Op;
using steps::Rounding;

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void expect_equal(const Outcome& outcome, const std::string& layers) {
  EXPECT_EQ(outcome.status, 0) << outcome.text;
  EXPECT_TRUE(has(outcome.text, "\n0 sums and 0 codes differ in " + layers + " layers\n"))
      << outcome.text;
  EXPECT_FALSE(has(outcome.text, "arning")) << outcome.text;
}

TEST(Icarus, EveryOperationIsRecomputed) {
  ProgramMaker maker({6, 5, 2}, kU8, 1);
  const program::Program program = every_operation(maker);
  for (const std::int64_t lanes : {1, 3, 256}) {
    const Bench bench("operations", program, maker.inputs(2), 2, lanes);
    expect_equal(bench.make("icarus"), "10 of 10");
  }
}

TEST(Icarus, EveryRoundingIsRecomputed) {
  ProgramMaker maker({3, 40, 8}, {.is_signed = true, .bits = 9}, 2);
  std::vector<int> outputs;
  for (const Rounding rounding :
       {Rounding::kNearestEven, Rounding::kNearestAway, Rounding::kNearestUp, Rounding::kTowardZero,
        Rounding::kTowardNegative, Rounding::kTowardPositive}) {
    const steps::Step shift = step_of(StepOp::kShiftRight, {0, 1, 2, 3, 7, 9, 12, 62}, 1, rounding);
    const steps::Step by_three = step_of(StepOp::kShiftRight, {3}, 1, rounding);
    const std::string name = steps::name_of(rounding);
    outputs.push_back(maker.map(name, 0, {shift}));
    outputs.push_back(maker.map(name + ".3", 0, {by_three}));
    outputs.push_back(maker.map(name + ".wide", 0, {step_of(StepOp::kShiftLeft, {54}), shift}));
  }
  const Bench bench("roundings", maker.finish(outputs), maker.inputs(1), 1);
  expect_equal(bench.make("icarus"), "18 of 18");
}

TEST(Icarus, EveryStepIsRecomputed) {
  ProgramMaker maker({2, 64, 4}, {.is_signed = true, .bits = 12}, 3);
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  const steps::Step bits = step_of(StepOp::kWrap, {1, 5, 11, 64});
  steps::Step held = bits;
  held.op = StepOp::kSaturate;
  const std::vector<std::pair<std::string, steps::Chain>> chains = {
      {"nothing", {}},
      {"add", {step_of(StepOp::kAdd, {-128, 0, 2047, std::int64_t{1} << 40})}},
      {"multiply", {step_of(StepOp::kMultiply, {-1, 0, 1, (std::int64_t{1} << 51) - 1})}},
      {"shift_left", {step_of(StepOp::kShiftLeft, {0, 1, 13, 51})}},
      {"clamp", {step_of(StepOp::kClamp, {-5, 6, -2048, 2047, 3, 3, kLeast, kMost}, 2)}},
      {"clamp.one", {step_of(StepOp::kClamp, {-128, 127}, 2)}},
      {"count",
       {step_of(StepOp::kCount, {-7, -7, 0, kMost, kLeast, -1, 5, 6, 0, 1, 2, 3, 1, 1, 1, 1}, 4)}},
      {"count.one", {step_of(StepOp::kCount, {-100, -8, 7, 8, 2000}, 5)}},
      {"wrap", {bits}},
      {"wrap.one", {step_of(StepOp::kWrap, {8})}},
      {"saturate", {held}},
      {"saturate.one", {step_of(StepOp::kSaturate, {8})}},
      {"table",
       {step_of(StepOp::kAdd, {2048}),
        step_of(StepOp::kTable, maker.randoms(4 * 4096, -9, kMost), 4096)}},
      {"table.one",
       {step_of(StepOp::kAdd, {2048}),
        step_of(StepOp::kTable, maker.randoms(4096, kLeast, 0), 4096)}}};
  std::vector<int> outputs;
  for (const auto& [name, chain] : chains) outputs.push_back(maker.map(name, 0, chain));
  const Bench bench("steps", maker.finish(outputs), maker.inputs(1), 1);
  expect_equal(bench.make("icarus"), "14 of 14");
}

TEST(Icarus, RegistersWrapAndSaturateAfterEachProduct) {
  ProgramMaker maker({4, 4, 6}, kU8, 4);
  const program::Register wraps{.bits = 13, .overflow = Overflow::kWrap, .needed = 0};
  const program::Register holds{.bits = 13, .overflow = Overflow::kSaturate, .needed = 0};
  const program::ContractionShape window = maker.window(0, 3, 3, 1);
  const int wrapped = maker.conv("wraps", 0, window, kS8, wraps);
  const int held = maker.conv("holds", 0, window, kS8, holds);
  const int dense = maker.dense("dense", 0, 4, {.is_signed = true, .bits = 20}, holds);
  const Bench bench("registers", maker.finish({wrapped, held, dense}), maker.inputs(3), 3, 4);
  expect_equal(bench.make("icarus"), "3 of 3");

  const std::string first = "layers/wraps/weights.hex", second = "layers/holds/weights.hex";
  const Fault swapped(bench, first, bench.text_of(second));
  const Outcome outcome = bench.make("icarus");
  EXPECT_NE(outcome.status, 0) << "weights of another layer";
  EXPECT_TRUE(has(outcome.text, "\nholds: 0 of 144 sums")) << outcome.text;
  EXPECT_FALSE(has(outcome.text, "\nwraps: 0 of 144 sums")) << outcome.text;
}

/// A dense layer's worst case: the input whose products all have the sign of the largest sum.
TEST(Icarus, ARegisterOfOneBitLessThanNeededIsSeen) {
  ProgramMaker maker({1, 1, 40}, {.is_signed = true, .bits = 8}, 6);
  const int dense = maker.dense("dense", 0, 1, kS8, {.bits = 1});
  const program::Program program = maker.finish({dense});
  const program::Op& op = program.ops[0];
  ASSERT_EQ(op.sum.bits, op.sum.needed);
  program::Values worst;
  for (const std::int64_t sign : {1, -1}) {
    for (const std::int32_t weight : op.weights) worst.push_back(sign * weight > 0 ? 127 : -128);
  }
  const Bench bench("worst", program, worst, 2);
  expect_equal(bench.make("icarus"), "1 of 1");
  const std::string file = "layers/dense/parameters.vh", before = bench.text_of(file);
  const Fault fault(bench, file,
                    std::regex_replace(before, std::regex("SUM_BITS = \\d+"),
                                       fmt::format("SUM_BITS = {}", op.sum.bits - 1)));
  ASSERT_NE(bench.text_of(file), before);
  const Outcome outcome = bench.make("icarus");
  EXPECT_NE(outcome.status, 0);
  EXPECT_TRUE(has(outcome.text, "\ndense: first differing sum: ")) << outcome.text;
}

/// Cycles of each layer: in what a simulator says, in budget.csv.
std::map<std::string, std::string> found_in(const std::string& text, const std::regex& line) {
  std::map<std::string, std::string> found;
  for (std::sregex_iterator at(text.begin(), text.end(), line), end; at != end; ++at) {
    found[(*at)[1]] = (*at)[2];
  }
  return found;
}

TEST(Icarus, TheBudgetSaysTheCycles) {
  ProgramMaker maker({6, 5, 2}, kU8, 5);
  const program::Program program = every_operation(maker);
  const Bench bench("budget", program, maker.inputs(1), 1, 5);
  const std::string budget = bench.text_of("budget.csv");
  EXPECT_TRUE(has(budget, "\nclass,concat,,moves data only,")) << budget;
  EXPECT_TRUE(has(budget, "\nwith,reshape,,moves data only,")) << budget;
  // layer, op, map, yes, macs, lanes, cycles
  const std::regex planned("\n([^,]*),[^,]*,[^,]*,yes,[^,]*,[^,]*,([^,]*),");
  const std::regex counted("\n([^:\n]*): [^\n]* differ, (\\d+) cycles");
  const Outcome outcome = bench.make("icarus");
  expect_equal(outcome, "10 of 10");
  EXPECT_EQ(found_in(budget, planned).size(), 10U);
  EXPECT_EQ(found_in(budget, planned), found_in(outcome.text, counted));
}

TEST(Icarus, TakesLayersByCyclesAndByName) {
  ProgramMaker maker({6, 5, 2}, kU8, 1);
  const program::Program program = every_operation(maker);
  const Bench bench("selection", program, maker.inputs(1), 1);
  const std::string sums = "layers/inside/sums.hex";
  const Fault fault(bench, sums, with_flipped_bit(bench.text_of(sums), 0, 0));
  expect_equal(bench.make("icarus", "+most_cycles=60"), "5 of 10");
  const Outcome one = bench.make("icarus", "+layer=priority");
  EXPECT_TRUE(has(one.text, "\n0 sums and 0 codes differ in 1 of 10 layers\n")) << one.text;
  EXPECT_NE(bench.make("icarus", "+layer=inside").status, 0);
  EXPECT_NE(bench.make("icarus", "+layer=nowhere").status, 0) << "no layer is no success";
}

TEST(Icarus, AProgramThatMovesDataOnlyHasNoLayers) {
  ProgramMaker maker({2, 3, 4}, kU8, 7);
  const int flat = maker.reshape("flat", 0, {1, 1, 24});
  const Bench bench("moves", maker.finish({flat}), maker.inputs(1), 1);
  expect_equal(bench.make("icarus"), "0 of 0");
}

TEST(Icarus, FindsPlantedFaults) {
  ProgramMaker maker({6, 5, 2}, kU8, 1);
  const program::Program program = every_operation(maker);
  const Bench bench("faults", program, maker.inputs(2), 2);
  expect_equal(bench.make("icarus"), "10 of 10");
  expect_faults_found(bench, "icarus");
}

}  // namespace
}  // namespace qloom::test
