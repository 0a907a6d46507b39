// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What steps cost in hardware, as a class and not in gates: widths that a multiplier and an adder
// must have, numbers that must be stored.
#pragma once

#include <cstdint>
#include <string>

#include "host/json/json.hpp"
#include "host/program/ranges.hpp"

namespace qloom::compile {

/// Of one operation, its widest channel. Widths are those of bits_of(); 0: there is no such step.
struct Cost {
  int multiplier = 0;            ///< constants that values are multiplied with. Unit: bits
  int product = 0;               ///< what comes of it, bias and left shift included. Unit: bits
  int bias = 0;                  ///< constants that are added. Unit: bits
  std::uint64_t thresholds = 0;  ///< of a channel
  std::uint64_t entries = 0;     ///< of a channel's tables
};

/// `ranges`: of the program's tensors.
[[nodiscard]] Cost cost_of(const program::Program& program,
                           const std::vector<program::Range>& ranges, const program::Op& op);

/// {"multiplier_bits": 24, "bias_bits": 31, "product_bits": 43, "thresholds": 0, ...}, what there
/// is.
[[nodiscard]] json::Json to_json(const Cost& cost);
/// "24-bit multiplier, 31-bit bias, 43-bit product", "15 thresholds"
[[nodiscard]] std::string text_of(const Cost& cost);

}  // namespace qloom::compile
