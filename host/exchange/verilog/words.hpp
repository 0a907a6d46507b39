// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Memory files for $readmemh: a comment line, then one hexadecimal word a line, two's complement.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "host/exchange/verilog/layer.hpp"

namespace qloom::exchange::verilog {

/// Rounded up to whole hexadecimal digits. Unit: bits.
[[nodiscard]] std::int64_t word_bits(std::int64_t bits);

/// A word for each value; `order` is the comment.
[[nodiscard]] std::string words_of(std::span<const std::int64_t> values, int bits,
                                   const std::string& order);

/// The values of a tensor for all samples.
[[nodiscard]] std::string tensor_words(const program::Tensor& tensor,
                                       std::span<const std::int64_t> values);

/// Weights of a conv or dense, `lanes` in a word, the first in the lowest bits.
[[nodiscard]] std::string weight_words(const Design& design, const Layer& layer);

/// As a number in Verilog, for instance "8'shf3".
[[nodiscard]] std::string literal(std::int64_t value, std::int64_t bits);

}  // namespace qloom::exchange::verilog
