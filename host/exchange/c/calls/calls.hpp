// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A program as calls through a table of five functions, into which a vendor's kernels can be put;
// their definition, model_kernels.c, lies in parts/ and is the same for every program.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "host/program/program.hpp"

namespace qloom::exchange::c {

/// What an operation is told, as static const data of model.c: window, weights, register, steps.
/// Empty where model.c does the operation itself (argmax, reshape, a map that another does too).
[[nodiscard]] std::string layer_data(const program::Program& program, int op);

/// The statements that have it done. `pointer`: what stands for the memory of a tensor.
[[nodiscard]] std::vector<std::string> kernel_call(const program::Program& program, int op,
                                                   const std::function<std::string(int)>& pointer);

/// Is it an operation of the table?
[[nodiscard]] bool is_called(const program::Program& program, int op);

/// model_use() and the table that is used.
[[nodiscard]] std::string table_text();

/// model_kernels.h, model_kernels.c: name, text.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> kernel_files();

}  // namespace qloom::exchange::c
