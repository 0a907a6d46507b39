// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/step_program/numbers.hpp"

#include "host/tensor/random.hpp"

namespace qloom::step_program {

std::uint16_t lfsr_after(std::uint16_t state, std::uint64_t steps) {
  std::uint32_t s = state;
  for (std::uint64_t i = steps % kLfsrPeriod; i > 0; --i) {
    const std::uint32_t bit = (s ^ s >> 2 ^ s >> 3 ^ s >> 5) & 1U;
    s = s >> 1 | bit << 15;
  }
  return static_cast<std::uint16_t>(s);
}

RandomNumbers::RandomNumbers(const Op& op, std::uint64_t seed, std::uint64_t step)
    : op_(op), seed_(seed), step_(step) {
  if (!op.lfsr) return;
  const bool is_fixed = op.lfsr->start == Lfsr::Start::kFixed;
  state_ = lfsr_after(op.lfsr->state, is_fixed ? 0 : random_word(seed, op.stream, step, 0));
}

std::uint32_t RandomNumbers::next() {
  if (!op_.lfsr) return random_word(seed_, op_.stream, step_, index_++) >> (32 - op_.random_bits);
  state_ = lfsr_after(state_, static_cast<std::uint64_t>(op_.random_bits));
  return state_ & ((std::uint32_t{1} << op_.random_bits) - 1U);
}

}  // namespace qloom::step_program
