// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A program as a folder: program.json, the structure, and program.npz, the constants.
#pragma once

#include <filesystem>

#include "host/program/program.hpp"

namespace qloom::program {

/// Writes both files, program.json last; the folder is created when missing. The same program, the
/// same bytes. The program is one that fault_of() accepts. InputError for a folder in which nothing
/// can be created, RunError when a file cannot be written.
void write(const Program& program, const std::filesystem::path& folder);

/// The program, one that fault_of() accepts. InputError "<file>: <JSON pointer>: ..." for a file
/// that is missing, damaged or of a newer format, for constants that are missing, surplus, of
/// another shape or not those that the program was written with, and for what fault_of() says.
[[nodiscard]] Program read(const std::filesystem::path& folder);

}  // namespace qloom::program
