// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Single operations against what they stand for in the simulation.
#include "host/step_program/execute.hpp"

#include <cmath>

#include <qloom/stochastic.h>

#include "host/kernels/reference/round.hpp"
#include "host/step_program/numbers.hpp"
#include "host/tensor/error.hpp"
#include "host/tensor/random.hpp"
#include "tests/support/random_step.hpp"

namespace qloom::test {
namespace {

using namespace step_program;

TEST(StepExponent, IsTheNearestPowerOfTwoOnALogarithmicScale) {
  for (std::uint64_t m = 1; m < 1U << 17; ++m) {
    // WAGE's Shift as the simulation has it: the fraction against 1 / sqrt 2.
    int e = 0;
    const double fraction = std::frexp(static_cast<double>(m), &e);
    EXPECT_EQ(exponent_of(m), fraction < 0.70710678118654752 ? e - 1 : e) << m;
  }
  for (int e = 0; e < 61; ++e) {
    const auto root = static_cast<std::uint64_t>(std::sqrt(2.0L) * std::ldexp(1.0L, e));
    EXPECT_EQ(exponent_of(root), e);
    EXPECT_EQ(exponent_of(root + 1), e == 0 ? 1 : e + 1);
    EXPECT_EQ(exponent_of(std::uint64_t{1} << e), e);
  }
}

TEST(StepSignificant, IsWhatFloat32HoldsOfAnInteger) {
  for (std::uint64_t i = 0; i < 200000; ++i) {
    const std::uint64_t word =
        std::uint64_t{random_word(1, 1, 0, 2 * i)} << 32 | random_word(1, 1, 0, 2 * i + 1);
    const auto v = static_cast<std::int64_t>(word >> 2) >> word % 62;
    for (const std::int64_t signed_v : {v, -v, v | 1, (v >> 3 << 3) + 4}) {
      EXPECT_EQ(significant(signed_v, 24), static_cast<std::int64_t>(static_cast<float>(signed_v)));
    }
  }
  const std::int64_t ties[][2] = {{0x2000001, 0x2000000},
                                  {0x2000003, 0x2000004},
                                  {0x1FFFFFF, 0x2000000},
                                  {0x1000001, 0x1000000}};
  for (const auto& [v, expected] : ties) EXPECT_EQ(significant(v, 24), expected);
}

TEST(StepStochastic, IsTheKernelsRoundingOfMagnitudes) {
  int up = 0;
  for (std::uint64_t i = 0; i < 200000; ++i) {
    const std::uint32_t word = random_word(3, 7, 0, i);
    const auto v =
        static_cast<std::int64_t>(random_word(4, 7, 0, i) >> 8) * ((word & 1U) != 0 ? -1 : 1);
    const int shift = -static_cast<int>(i % 40), bits = 1 + static_cast<int>(i % 24);
    const float t = std::ldexp(static_cast<float>(v), shift);
    const auto argument =
        static_cast<std::uint32_t>(bits) | std::uint32_t{QLOOM_STOCHASTIC_MAGNITUDE};
    const float expected = kernels::ref::round_stochastic(argument, word, t);
    const std::int64_t y = round_stochastic(v, shift, bits, word >> (32 - bits));
    ASSERT_EQ(y, static_cast<std::int64_t>(expected)) << v << " 2^" << shift;
    up += std::fabs(expected) > std::floor(std::fabs(t)) ? 1 : 0;
  }
  EXPECT_GT(up, 20000);
  EXPECT_EQ(round_stochastic(-5, 3, 16, 0), -40);
  EXPECT_EQ(round_stochastic(1, -70, 32, 0), 0);  // the first 32 bits of the fraction are 0
  EXPECT_EQ(round_stochastic(3, -1, 1, 0), 2);
  EXPECT_EQ(round_stochastic(3, -1, 1, 1), 1);
}

/// States of the register after 16, 32, 160, 4096 and 65535 steps from 0xACE1.
TEST(StepLfsr, GoesThroughTheStatesOfTheRegister) {
  EXPECT_EQ(lfsr_after(0xACE1, 1), 0x5670);
  EXPECT_EQ(lfsr_after(0xACE1, 16), 0x4722);
  EXPECT_EQ(lfsr_after(0xACE1, 32), 0xC437);
  EXPECT_EQ(lfsr_after(0xACE1, 160), 0x60C1);
  EXPECT_EQ(lfsr_after(0xACE1, 4096), 0xBA5E);
  EXPECT_EQ(lfsr_after(0xACE1, 65535), 0xACE1);
  EXPECT_EQ(lfsr_after(0xACE1, (std::uint64_t{65535} << 20) + 16), 0x4722);
}

TEST(StepLfsr, GivesAnElementItsLowBitsAndStartsWhereTheStepSays) {
  Op op;
  op.random_bits = 16;
  op.stream = 5;
  op.lfsr = Lfsr{0xACE1, Lfsr::Start::kFixed};
  for (const std::uint64_t step : {0, 9}) {
    RandomNumbers numbers(op, 1, step);
    EXPECT_EQ(numbers.next(), 0x4722U);
    EXPECT_EQ(numbers.next(), 0xC437U);
  }
  op.random_bits = 4;
  RandomNumbers four(op, 1, 0);
  for (int i = 1; i <= 4; ++i) EXPECT_EQ(four.next(), lfsr_after(0xACE1, 4U * i) & 15U);
  op.lfsr->start = Lfsr::Start::kRun;
  for (const std::uint64_t step : {0, 9}) {
    RandomNumbers numbers(op, 1, step);
    EXPECT_EQ(numbers.next(),
              lfsr_after(0xACE1, std::uint64_t{random_word(1, 5, step, 0)} + 4) & 15U);
  }
}

TEST(StepRates, HoldFromTheirStepOn) {
  Op op;
  op.rates = {{0, 3}, {10, 0}, {20, -2}};
  EXPECT_EQ(shift_at(op, 0), 3);
  EXPECT_EQ(shift_at(op, 9), 3);
  EXPECT_EQ(shift_at(op, 10), 0);
  EXPECT_EQ(shift_at(op, 19), 0);
  EXPECT_EQ(shift_at(op, 1000), -2);
}

TEST(StepExecutor, LearnsAndCountsItsSteps) {
  const Program program = random_step(3);
  ASSERT_EQ(fault_of(program), "");
  State state = initial_state(program);
  const StepBatch batch = step_batch(program, 3, 0);
  execute_step(program, state, batch.images, batch.labels);
  EXPECT_EQ(state.step, 1U);
  EXPECT_NE(state, initial_state(program));
  State again = initial_state(program);
  execute_step(program, again, batch.images, batch.labels);
  EXPECT_EQ(state, again);
}

TEST(StepExecutor, ClassifiesWithTheWeightsOfTheState) {
  const Program program = random_step(5);
  State state = initial_state(program);
  const StepBatch batch = step_batch(program, 5, 0);
  const auto classes = classify(program, state, batch.images);
  ASSERT_EQ(classes.size(), batch.labels.size());
  const auto values = execute_step(program, state, batch.images, batch.labels);
  const Values& logits = values[static_cast<std::size_t>(program.logits)];
  const auto count = program.tensor(program.logits).size();
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const auto first = logits.begin() + static_cast<std::ptrdiff_t>(i) * count;
    EXPECT_EQ(classes[i], std::max_element(first, first + count) - first);
  }
}

TEST(StepExecutor, RefusesBatchesThatAreNone) {
  const Program program = random_step(3);
  State state = initial_state(program);
  const StepBatch batch = step_batch(program, 3, 0);
  const auto refuses = [&](StepBatch changed) {
    EXPECT_THROW(execute_step(program, state, changed.images, changed.labels), RunError);
  };
  StepBatch changed = batch;
  changed.labels[0] = static_cast<std::int32_t>(program.tensor(program.logits).size());
  refuses(changed);
  changed.labels[0] = -1;
  refuses(changed);
  changed = batch;
  changed.images[3] = 256;
  refuses(changed);
  changed = batch;
  changed.images.pop_back();
  refuses(changed);
  refuses({});
  EXPECT_EQ(state, initial_state(program));
}

}  // namespace
}  // namespace qloom::test
