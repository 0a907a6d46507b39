// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A chain of steps as a module without a clock. The text of each step stands here for itself, so
// that a simulation of it tests steps::apply() and the other way round.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "host/exchange/verilog/layer.hpp"

namespace qloom::exchange::verilog {

/// Path below the folder of the export, text.
using Text = std::pair<std::string, std::string>;

/// Module requantize_<identifier>: ports `channel`, `value0` and more, `code`.
struct Requantizer {
  std::vector<Text> files;  ///< requantize.v, and the constants that are no single number
  std::vector<int> value_bits;
  int code_bits = 0;
  std::vector<int> step_bits;      ///< two's complement, behind each step, in the order of the text
  std::int64_t constant_bits = 0;  ///< in memories
};

/// Of a layer that has steps: a map, a join, a conv or dense with its map.
[[nodiscard]] Requantizer requantizer_of(const Design& design, const Layer& layer);

}  // namespace qloom::exchange::verilog
