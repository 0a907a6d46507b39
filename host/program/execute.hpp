// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "host/program/program.hpp"

namespace qloom::program {

/// Values of one tensor for some samples, sample by sample.
using Values = std::vector<std::int64_t>;

/// The definition of what a program computes: plain loops in the documented order, one sample after
/// the other on each thread. `input` holds `samples` inputs whose values are of the input's type;
/// the result is every tensor of the program, (samples, height, width, channels). RunError for a
/// value outside the input's type. The program is one that fault_of() accepts.
[[nodiscard]] std::vector<Values> execute(const Program& program,
                                          std::span<const std::int64_t> input,
                                          std::int64_t samples);

/// One operation on one sample, in the same plain loops: `tensors` holds the memory of the sample's
/// tensors, of which those that the operation reads and writes are looked at.
void execute(const Program& program, const Op& op, const std::vector<std::int64_t*>& tensors);

/// RunError unless these are `samples` inputs of the program's type.
void require_input(const Program& program, std::span<const std::int64_t> input,
                   std::int64_t samples);

}  // namespace qloom::program
