// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A modelled accumulator as the register of a program.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "host/compile/draft.hpp"
#include "host/contraction/contraction.hpp"
#include "host/program/program.hpp"

namespace qloom::compile {

/// Width and overflow of an accumulator that adds integer codes one product at a time; nothing
/// where it is no such register. A method does not say what it does with a sum that it does not
/// hold: that is found out on random products, `k` to a sum, the most that a layer adds.
[[nodiscard]] std::optional<program::Register> register_of(
    const contraction::AccumulatorRef& accumulator, std::int64_t k);

/// What sums are in the register that without any limit lie in `exact`.
[[nodiscard]] steps::Interval held(const program::Register& sum, steps::Interval exact);

/// The register of an operation: the one that holds all sums, or the one that a rule models; false,
/// refused, where none does.
[[nodiscard]] bool take_register(Draft& draft, Interval sums,
                                 const contraction::AccumulatorRef& accumulator, program::Op& op);

}  // namespace qloom::compile
