// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Which values each tensor of a program can take, from its input through all operations: the proof
// that nothing overflows, and what an exporter chooses widths by.
#pragma once

#include <vector>

#include "host/program/program.hpp"

namespace qloom::program {

/// Of one tensor: an interval for all channels, or one each, as steps::prove() takes them.
using Range = std::vector<Interval>;

/// The smallest interval that holds all channels'.
[[nodiscard]] Interval whole(const Range& range);

/// What the values of each tensor lie between when the input takes all values of its type; never
/// wider than the tensor's type. The program is one that fault_of() accepts.
[[nodiscard]] std::vector<Range> ranges_of(const Program& program);

/// Values that a register holds.
[[nodiscard]] Interval values_of(const Register& sum);

}  // namespace qloom::program
