// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <filesystem>

namespace qloom::cli {

/// Which programs a command takes.
enum class Takes { kPrograms, kProgramsAndSteps };

/// InputError unless it is the folder of such a program: what is there, and what is expected.
void require_program(const std::filesystem::path& folder, Takes takes);

}  // namespace qloom::cli
