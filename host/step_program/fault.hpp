// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <string>
#include <vector>

#include "host/program/fault.hpp"
#include "host/step_program/step_program.hpp"

namespace qloom::step_program {

/// "/backward/3": place of an operation, counted in its section.
[[nodiscard]] std::string pointer_of(const Program& program, std::size_t op);

/// program::Fault unless everything but the values fits: names, order, shapes, kinds of tensors.
void require_structure(const Program& program);

/// Ranges of a program whose structure fits; program::Fault for one that cannot be proved.
[[nodiscard]] std::vector<Interval> proved_ranges(const Program& program);

}  // namespace qloom::step_program
