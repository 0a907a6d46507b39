// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Step programs of all operations, and batches for them.
#pragma once

#include <cstdint>
#include <vector>

#include "host/step_program/execute.hpp"

namespace qloom::test {

/// A convolution, a pool and a dense layer that learn, with shapes, windows, shifts, rates and
/// random bits of this seed.
[[nodiscard]] step_program::Program random_step(std::uint64_t seed);

struct StepBatch {
  std::vector<std::int64_t> images;
  std::vector<std::int32_t> labels;
};
/// Step `step` of this seed; every third batch is a short one.
[[nodiscard]] StepBatch step_batch(const step_program::Program& program, std::uint64_t seed,
                                   std::uint64_t step);

}  // namespace qloom::test
