// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A step program as a folder: step.json, the structure, and step.npz, its constants and the
// weights it begins with.
#pragma once

#include <filesystem>

#include "host/program/document.hpp"
#include "host/step_program/step_program.hpp"

namespace qloom::step_program {

inline constexpr const char* kStepFile = "step.json";
inline constexpr const char* kArraysFile = "step.npz";
inline constexpr int kStepFormat = 2;
inline constexpr program::DocumentForm kStepForm{kStepFile, kArraysFile, "step", kStepFormat};

/// Writes both files, step.json last; the folder is created when missing. The same program, the
/// same bytes. The program is one that fault_of() accepts. InputError for a folder in which nothing
/// can be created, RunError when a file cannot be written.
void write(const Program& program, const std::filesystem::path& folder);

/// The program, one that fault_of() accepts. InputError "<file>: <JSON pointer>: ..." for a file
/// that is missing, damaged or of a newer format, for arrays that are missing, surplus, of another
/// shape or not those that the program was written with, and for what fault_of() says.
[[nodiscard]] Program read(const std::filesystem::path& folder);

}  // namespace qloom::step_program
