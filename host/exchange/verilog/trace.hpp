// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What a simulation of an exported folder has computed, as the program's tensors.
#pragma once

#include <filesystem>
#include <vector>

#include "host/program/execute.hpp"

namespace qloom::exchange::verilog {

/// Whether the folder is an export.
[[nodiscard]] bool is_export(const std::filesystem::path& folder);

/// Values of every tensor as a simulation with +trace left them; the input and what only moves are
/// golden words. InputError for a value that is missing, surplus, unknown or not of the tensor's
/// type, and for a folder that was exported from another program.
[[nodiscard]] std::vector<program::Values> read_trace(const std::filesystem::path& folder,
                                                      const program::Program& program);

}  // namespace qloom::exchange::verilog
