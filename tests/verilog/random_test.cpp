// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Programs that nobody thought of, in both simulators.
#include <fmt/format.h>

#include <gtest/gtest.h>

#include "host/exchange/verilog/folder.hpp"
#include "host/tensor/error.hpp"
#include "tests/support/random_program.hpp"
#include "tests/verilog/bench.hpp"

namespace qloom::test {
namespace {

void expect_recomputed(const std::string& simulator, std::uint64_t seed, const ProgramSize& size) {
  const program::Program program = random_program(seed, size);
  constexpr std::int64_t kSamples = 3;
  const Bench bench(fmt::format("random_{}", simulator), program,
                    random_input(program, seed, kSamples), kSamples,
                    1 + static_cast<std::int64_t>(seed % 7));
  const Outcome outcome = bench.make(simulator);
  EXPECT_EQ(outcome.status, 0) << "seed " << seed << '\n' << outcome.text;
  EXPECT_EQ(outcome.text.find("arning"), std::string::npos) << "seed " << seed << '\n'
                                                            << outcome.text;
}

TEST(RandomPrograms, WithStepsInFloatingPointAreRefused) {
  std::uint64_t seed = 0;
  while (float_operations(random_program(seed, {.has_floats = true})).empty()) ++seed;
  const program::Program program = random_program(seed, {.has_floats = true});
  EXPECT_THROW(static_cast<void>(exchange::verilog::files_of(
                   program, random_input(program, seed, 3), 3, {.lanes = 1})),
               InputError);
}

TEST(RandomPrograms, AreRecomputedInIcarus) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    expect_recomputed("icarus", seed, {.ops = 12, .bits = seed % 2 == 0 ? 32 : 8});
  }
}

TEST(RandomPrograms, AreRecomputedInVerilator) {
  for (const std::uint64_t seed : {1000, 1001, 1002}) {
    expect_recomputed("verilator", seed, {.ops = 40});
  }
}

}  // namespace
}  // namespace qloom::test
