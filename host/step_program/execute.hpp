// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "host/step_program/step_program.hpp"

namespace qloom::step_program {

using Values = std::vector<std::int64_t>;

/// What steps change.
struct State {
  std::vector<Values> weights;  ///< of each parameter
  std::uint64_t step = 0;       ///< steps done
  bool operator==(const State&) const = default;
};
[[nodiscard]] State initial_state(const Program& program);

/// The definition of what a step does: plain loops in the documented order. `images` holds values
/// of the images' type for as many samples as there are labels, 1 to the program's batch. Answers
/// every tensor, those of samples one sample after the other; the state is that of the next step.
/// RunError for a number of samples, an image or a label that is none. The program is one that
/// fault_of() accepts.
std::vector<Values> execute_step(const Program& program, State& state,
                                 std::span<const std::int64_t> images,
                                 std::span<const std::int32_t> labels);

/// The class of each image: the forward section alone.
[[nodiscard]] std::vector<std::int32_t> classify(const Program& program, const State& state,
                                                 std::span<const std::int64_t> images);

/// y = x 2^shift, its magnitude rounded by a random number below 2^random_bits: the definition of
/// one element.
[[nodiscard]] std::int64_t round_stochastic(std::int64_t x, int shift, int random_bits,
                                            std::uint32_t number);

/// The shift of a stochastic rounding at this step.
[[nodiscard]] int shift_at(const Op& op, std::uint64_t step);

}  // namespace qloom::step_program
