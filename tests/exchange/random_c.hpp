// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/exchange/compiled.hpp"
#include "tests/support/random_program.hpp"

namespace qloom::test {

struct Seeds {
  std::uint64_t first, count;
};

/// Every third program has types and registers of up to 60 bits.
inline program::Program random_program_of(std::uint64_t seed) {
  return random_program(seed, {.ops = 14, .bits = seed % 3 == 0 ? 60 : 32});
}

/// Random programs as C have the executor's tensors.
inline void expect_equal_c(Seeds seeds, const Toolchain& tools,
                           const exchange::c::Options& options = {}) {
  std::vector<std::string> found(seeds.count);
#pragma omp parallel for schedule(dynamic)
  for (std::uint64_t i = 0; i < seeds.count; ++i) {
    const std::uint64_t seed = seeds.first + i;
    const program::Program program = random_program_of(seed);
    found[i] = difference(program, random_input(program, seed, 4), tools, options);
  }
  for (std::uint64_t i = 0; i < seeds.count; ++i) {
    EXPECT_EQ(found[i], "") << "seed " << seeds.first + i << ", " << tools.compiler;
  }
}

}  // namespace qloom::test
