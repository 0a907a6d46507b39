// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What a harness built with -DMODEL_TRACE writes: every tensor of every sample.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "host/program/program.hpp"

namespace qloom::exchange::c {

/// The tensors of the program as the trace has them, in the program's numbering, each sample by
/// sample. InputError "<file>: ..." for what is no trace of this program: other bytes, another
/// order of tensors, another count of numbers, half a sample.
[[nodiscard]] std::vector<std::vector<std::int64_t>> read_trace(const std::filesystem::path& file,
                                                                const program::Program& program);

}  // namespace qloom::exchange::c
