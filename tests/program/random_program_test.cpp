// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What the checks say of programs holds when they run.
#include "tests/support/random_program.hpp"

#include <set>

#include <gtest/gtest.h>

#include "host/program/ranges.hpp"

namespace qloom::test {
namespace {

constexpr std::uint64_t kPrograms = 300;

TEST(RandomProgram, IsSoundAndHasAllKindsOfOperationsAndSteps) {
  std::set<program::Kind> kinds;
  std::set<program::Overflow> overflows;
  std::set<steps::Op> ops;
  std::set<steps::Rounding> roundings;
  std::set<int> widths;
  for (std::uint64_t seed = 0; seed < kPrograms; ++seed) {
    const program::Program made = random_program(seed, {.has_floats = seed % 4 == 3});
    ASSERT_EQ(fault_of(made), "") << "seed " << seed;
    for (const program::Tensor& tensor : made.tensors) {
      widths.insert(tensor.type.bits);
      EXPECT_LE(tensor.type.bits, 32) << "seed " << seed;
    }
    for (const program::Op& op : made.ops) {
      kinds.insert(op.kind);
      if (!op.weights.empty()) overflows.insert(op.sum.overflow);
      for (const steps::Step& step : op.steps) {
        ops.insert(step.op);
        if (step.op == steps::Op::kShiftRight) roundings.insert(step.rounding);
      }
    }
  }
  EXPECT_EQ(kinds.size(), 9U);
  EXPECT_EQ(overflows.size(), 3U);
  EXPECT_EQ(ops.size(), 10U);
  EXPECT_EQ(roundings.size(), 6U);
  EXPECT_EQ(widths.size(), 32U);
}

TEST(RandomProgram, IsTheSameForTheSameSeed) {
  EXPECT_EQ(random_program(7), random_program(7));
  EXPECT_FALSE(random_program(7) == random_program(8));
}

/// Each value lies in the range of its channel, and its range in its type.
void expect_in_range(const program::Program& made, const std::vector<program::Values>& values,
                     std::uint64_t seed) {
  const std::vector<program::Range> ranges = ranges_of(made);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const program::Tensor& tensor = made.tensors[i];
    for (std::size_t at = 0; at < values[i].size(); ++at) {
      const std::size_t channel = at % static_cast<std::size_t>(tensor.channels);
      const program::Interval held = ranges[i][ranges[i].size() == 1 ? 0 : channel];
      ASSERT_GE(values[i][at], held.lo) << "seed " << seed << " " << tensor.name << " " << at;
      ASSERT_LE(values[i][at], held.hi) << "seed " << seed << " " << tensor.name << " " << at;
    }
    ASSERT_GE(program::whole(ranges[i]).lo, tensor.type.values().lo);
    ASSERT_LE(program::whole(ranges[i]).hi, tensor.type.values().hi);
  }
}

TEST(RandomProgram, StaysInItsRanges) {
  for (std::uint64_t seed = 0; seed < kPrograms; ++seed) {
    const program::Program made = random_program(seed, {.has_floats = seed % 4 == 3});
    expect_in_range(made, execute(made, random_input(made, seed, 5), 5), seed);
  }
}

}  // namespace
}  // namespace qloom::test
