// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/exchange/verilog/words.hpp"

#include <algorithm>
#include <iterator>
#include <vector>

#include <fmt/format.h>

namespace qloom::exchange::verilog {
namespace {

constexpr std::int64_t kDigitBits = 4;

/// The last `bits` bits, in whole digits. A negative value fills the last digit with ones.
std::string digits(std::int64_t value, std::int64_t bits) {
  const std::int64_t wide = word_bits(bits);
  auto word = static_cast<std::uint64_t>(value);
  if (wide < 64) word &= (std::uint64_t{1} << wide) - 1;
  return fmt::format("{:0{}x}", word, wide / kDigitBits);
}

/// The same as digits(), of several values side by side.
std::string packed(std::span<const std::int32_t> values, std::int64_t bits, std::int64_t lanes) {
  std::vector<bool> word(static_cast<std::size_t>(word_bits(bits * lanes)));
  for (std::size_t lane = 0; lane < values.size(); ++lane) {
    for (std::int64_t bit = 0; bit < bits; ++bit) {
      word[lane * static_cast<std::size_t>(bits) + static_cast<std::size_t>(bit)] =
          ((values[lane] >> bit) & 1) != 0;
    }
  }
  std::string text;
  for (std::size_t digit = word.size() / kDigitBits; digit-- > 0;) {
    unsigned value = 0;
    for (std::size_t bit = kDigitBits; bit-- > 0;) {
      value = 2 * value + (word[digit * kDigitBits + bit] ? 1U : 0U);
    }
    text += "0123456789abcdef"[value];
  }
  return text;
}

}  // namespace

std::int64_t word_bits(std::int64_t bits) {
  return (bits + kDigitBits - 1) / kDigitBits * kDigitBits;
}

std::string words_of(std::span<const std::int64_t> values, int bits, const std::string& order) {
  std::string text = fmt::format("// {}\n", order);
  for (const std::int64_t value : values) text += digits(value, bits) + '\n';
  return text;
}

std::string tensor_words(const program::Tensor& tensor, std::span<const std::int64_t> values) {
  return words_of(
      values, tensor.type.bits,
      fmt::format("{}: {}, address = ((sample * {} + row) * {} + column) * {} + channel",
                  tensor.name, tensor.type.text(), tensor.height, tensor.width, tensor.channels));
}

std::string weight_words(const Design& design, const Layer& layer) {
  const program::Op& op = *layer.op;
  const std::int64_t lanes = design.lanes, length = op.window.fan_in();
  std::string text = fmt::format(
      "// {}: {} of {} in a word, the first in the lowest bits; address = channel * {} + word, "
      "order (kernel row, kernel column, input channel)\n",
      op.name, lanes, op.weight_type.text(), words_per_sum(design, layer));
  const std::span<const std::int32_t> all(op.weights);
  for (std::int64_t channel = 0; channel < op.window.out_c; ++channel) {
    for (std::int64_t k = 0; k < length; k += lanes) {
      const auto first = static_cast<std::size_t>(channel * length + k);
      const auto count = static_cast<std::size_t>(std::min(lanes, length - k));
      text += packed(all.subspan(first, count), op.weight_type.bits, lanes) + '\n';
    }
  }
  return text;
}

std::string literal(std::int64_t value, std::int64_t bits) {
  return fmt::format("{}'sh{}", word_bits(bits), digits(value, bits));
}

}  // namespace qloom::exchange::verilog
