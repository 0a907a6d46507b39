// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Random numbers of a stochastic rounding: those of the counter, or those of a shift register.
#pragma once

#include <cstdint>

#include "host/step_program/step_program.hpp"

namespace qloom::step_program {

/// Steps after which the register is where it was.
inline constexpr std::uint32_t kLfsrPeriod = 65535;

/// The state so many steps of the register x^16 + x^14 + x^13 + x^11 + 1, shifted right, after this
/// one.
[[nodiscard]] std::uint16_t lfsr_after(std::uint16_t state, std::uint64_t steps);

/// What the elements of an operation's output take at a step, one after the other: whole numbers
/// below 2^random_bits.
class RandomNumbers {
 public:
  RandomNumbers(const Op& op, std::uint64_t seed, std::uint64_t step);
  [[nodiscard]] std::uint32_t next();

 private:
  const Op& op_;
  std::uint64_t seed_, step_, index_ = 0;
  std::uint16_t state_ = 0;  ///< of the register, as the element before had it
};

}  // namespace qloom::step_program
