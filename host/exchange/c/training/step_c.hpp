// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A step program as C99 that trains: no heap, no floating point, no library, the program's weights.
#pragma once

#include <string>

#include "host/exchange/c/c.hpp"
#include "host/step_program/step_program.hpp"

namespace qloom::exchange::c {

/// The program is one that fault_of() accepts; `version`: as Options. InputError where stored
/// weights would have to be there twice.
[[nodiscard]] Files print_step(const step_program::Program& program, const std::string& version);

/// Bytes of working memory that model.h states.
[[nodiscard]] std::int64_t step_arena(const step_program::Program& program);

}  // namespace qloom::exchange::c
