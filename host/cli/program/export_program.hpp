// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Formats of `qloom export` that begin with an integer program.
#pragma once

#include <cstdint>
#include <filesystem>

#include "host/exchange/c/c.hpp"

namespace qloom::cli {

struct VerilogExport {
  std::filesystem::path program, output;
  std::filesystem::path input;  ///< .npy; empty: one random sample
  std::int64_t lanes = 1;
};

void export_c(const std::filesystem::path& program, const std::filesystem::path& output,
              exchange::c::Style style);
void export_verilog(const VerilogExport& options);

}  // namespace qloom::cli
