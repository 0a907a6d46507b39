// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What model.h promises, as model.c and model_main.c read it.
#pragma once

#include <string>
#include <vector>

#include "host/exchange/c/c.hpp"
#include "host/exchange/c/types.hpp"

namespace qloom::exchange::c {

/// An output that model_run writes to the caller's memory.
struct Output {
  int tensor;
  std::string parameter;  ///< "output"; "output_logits" where there are several
  std::string size;       ///< macro: "MODEL_OUTPUT_SIZE", "MODEL_OUTPUT_LOGITS_SIZE"
};

/// In the program's order, but for the returned one.
[[nodiscard]] std::vector<Output> outputs_of(const program::Program& program);

/// "int32_t", or "void" where nothing is returned.
[[nodiscard]] std::string result_of(const program::Program& program);
/// "const uint8_t *input, int16_t *output"
[[nodiscard]] std::string parameters_of(const program::Program& program);
/// "input, output"
[[nodiscard]] std::string arguments_of(const program::Program& program);

[[nodiscard]] std::string header_of(const program::Program& program, const Options& options);
[[nodiscard]] std::string harness_of(const program::Program& program);
[[nodiscard]] std::string readme_of(const program::Program& program, const Options& options);

}  // namespace qloom::exchange::c
