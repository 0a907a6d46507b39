// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The module of one layer: its memories, the generic module that works, the comparisons.
#pragma once

#include <string>
#include <vector>

#include "host/exchange/verilog/layer.hpp"
#include "host/exchange/verilog/requantize.hpp"

namespace qloom::exchange::verilog {

/// layer.v and parameters.vh of the layer; `requantizer` of one that has steps.
/// The module layer_<identifier> has the ports clk, enable, done, sums, codes (how many differ) and
/// cycles.
[[nodiscard]] std::vector<Text> wrapper_of(const Design& design, const Layer& layer,
                                           const Requantizer& requantizer);

/// The memory file of an operation's input.
[[nodiscard]] std::string input_file(const program::Op& op, std::size_t input);

/// Sums and codes of all samples that the layer compares.
struct Compared {
  std::int64_t sums = 0, codes = 0;
};
[[nodiscard]] Compared compared_by(const Design& design, const Layer& layer);

}  // namespace qloom::exchange::verilog
