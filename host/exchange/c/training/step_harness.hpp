// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What stands around the operations of a step program in C.
#pragma once

#include <string>

#include "host/step_program/step_program.hpp"

namespace qloom::exchange::c {

[[nodiscard]] std::string step_header(const step_program::Program& program,
                                      const std::string& version, std::int64_t arena,
                                      std::int64_t least);
[[nodiscard]] std::string step_harness(const step_program::Program& program);
[[nodiscard]] std::string step_readme(const step_program::Program& program);

/// The array of a parameter, by the tensor that a step reads or the one that the next reads.
[[nodiscard]] std::string parameter_array(const step_program::Program& program, int tensor);

}  // namespace qloom::exchange::c
