// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// An integer program as Verilog-2001 with a test bench that recomputes every layer and compares
// every sum and every code with what program::execute() says.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "host/program/program.hpp"

namespace qloom::exchange::verilog {

inline constexpr std::int64_t kMostLanes = 256;

struct Options {
  std::int64_t lanes = 1;  ///< products of a layer in a clock, 1 to kMostLanes
};

/// Every file of the export: path below its folder, text. `input` holds `samples` inputs; the
/// golden words are of those. The program is one that program::fault_of() accepts. errors:
/// InputError for lanes or samples out of range and for steps in floating point; RunError as of
/// program::execute()
[[nodiscard]] std::vector<std::pair<std::string, std::string>> files_of(
    const program::Program& program, std::span<const std::int64_t> input, std::int64_t samples,
    const Options& options);

/// Writes them; folders are made. RunError when one cannot be written.
void write_folder(const std::filesystem::path& folder,
                  const std::vector<std::pair<std::string, std::string>>& files);

}  // namespace qloom::exchange::verilog
