// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Programs that nobody thought of: all kinds of operations and steps, with numbers at which
// executors and exports may part. A seed gives the same program on every machine.
#pragma once

#include <cstdint>

#include "host/program/execute.hpp"
#include "host/program/program.hpp"

namespace qloom::test {

struct ProgramSize {
  int ops = 10;                           ///< at most, without the class at the end
  int bits = 32;                          ///< of a tensor's type and a register, at most
  std::int64_t extent = 6, channels = 6;  ///< of a tensor, at most
  bool has_floats = false;                ///< steps in floating point too
};

/// fault_of() accepts it. Outputs are what nobody reads, and some more.
[[nodiscard]] program::Program random_program(std::uint64_t seed, const ProgramSize& size = {});

/// Inputs of all codes; the first two samples are the smallest and the largest code everywhere.
[[nodiscard]] program::Values random_input(const program::Program& program, std::uint64_t seed,
                                           std::int64_t samples);

}  // namespace qloom::test
