// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Inputs that reach the ends of the sums: the width that is needed holds them, one bit less does
// not.
#include <gtest/gtest.h>

#include "host/program/ranges.hpp"
#include "tests/program/small.hpp"
#include "tests/support/random_chain.hpp"

namespace qloom::test {
namespace {

using program::Interval;
using program::Type;

/// A dense layer of random codes and weights, its register as narrow as no input can overflow.
program::Program random_dense(Dice& dice) {
  const Type codes{dice.once_in(2), dice.small(1, 12)};
  const auto [lo, hi] = codes.values();
  program::Tensor x = tensor_of("x", {1, 1, dice.in(1, 40)}, codes, dice.edge(lo, hi));
  program::Op dense;
  dense.kind = program::Kind::kDense;
  dense.window = window_of(x, dice.in(1, 5), 1, 1);
  dense.weight_type = {dice.once_in(2), dice.small(1, 12)};
  const auto [least, most] = dense.weight_type.values();
  for (std::int64_t i = 0; i < dense.window.w_size(); ++i) {
    dense.weights.push_back(static_cast<std::int32_t>(dice.edge(least, most)));
  }
  Interval all{-1, 0};
  for (const Interval sum : sums_of(dense, {lo - x.zero_point, hi - x.zero_point})) {
    all = steps::join(all, sum);
  }
  dense.sum.needed = steps::bits_of(all);
  dense.sum.bits = std::max(2, dense.sum.needed);
  return program_of(
      dense, x, tensor_of("y", {1, 1, dense.window.out_c}, Type{.is_signed = true, .bits = 62}));
}

/// The input at which the sum of this channel is largest, or smallest.
program::Values extreme_input(const program::Program& made, std::int64_t channel, bool is_largest) {
  const auto [lo, hi] = made.tensors[0].type.values();
  const std::int64_t count = made.tensors[0].channels;
  program::Values input;
  for (std::int64_t i = 0; i < count; ++i) {
    const bool rises = made.ops[0].weights[static_cast<std::size_t>(channel * count + i)] > 0;
    input.push_back(rises == is_largest ? hi : lo);
  }
  return input;
}

/// Sums of the channel at its two extreme inputs, in a register of these bits that wraps.
Interval reached(program::Program made, std::int64_t channel, int bits) {
  made.ops[0].sum.bits = bits;
  made.ops[0].sum.overflow = program::Overflow::kWrap;
  EXPECT_EQ(fault_of(made), "");
  const auto sum = [&](bool is_largest) {
    return execute(made, extreme_input(made, channel, is_largest),
                   1)[1][static_cast<std::size_t>(channel)];
  };
  return {sum(false), sum(true)};
}

TEST(Bounds, AreReachedAndNoRegisterIsTooWide) {
  int narrower = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Dice dice(seed);
    const program::Program made = random_dense(dice);
    ASSERT_EQ(fault_of(made), "") << "seed " << seed;
    const program::Range sums = program::ranges_of(made)[1];
    const program::Register& sum = made.ops[0].sum;
    bool overflows = false;
    for (std::int64_t c = 0; c < made.tensors[1].channels; ++c) {
      const Interval expected = sums[static_cast<std::size_t>(c)];
      EXPECT_EQ(reached(made, c, sum.bits), expected) << "seed " << seed << ", channel " << c;
      if (sum.bits > 2) overflows = overflows || reached(made, c, sum.bits - 1) != expected;
    }
    if (sum.bits == 2) continue;
    EXPECT_TRUE(overflows) << "seed " << seed << ": " << sum.bits - 1 << " bits would do";
    program::Program narrow = made;
    narrow.ops[0].sum.bits -= 1;
    EXPECT_NE(fault_of(narrow), "") << "seed " << seed;
    ++narrower;
  }
  EXPECT_GT(narrower, 250);
}

}  // namespace
}  // namespace qloom::test
