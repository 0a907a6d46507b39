// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The exact sum of products of two floats: the definition, and the one number it is handed out as.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace qloom::exact {

/// A finite float as significand * 2^exponent, significand an integer below 2^24 with the sign.
struct Parts {
  std::int64_t significand;
  int exponent;
};
inline Parts parts_of(float x) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const auto field = static_cast<int>(bits >> 23 & 0xFFU);
  const std::int64_t fraction = bits & 0x7FFFFFU, hidden = field > 0 ? 0x800000 : 0;
  const std::int64_t magnitude = hidden + fraction;
  return {(bits >> 31) != 0 ? -magnitude : magnitude, (field > 0 ? field : 1) - 150};
}

/// The magnitude words * 2^unit, the lowest word first, rounded to odd: what a double cannot hold
/// becomes the neighbour with an odd last bit. A rounding of that to at most 51 bits, such as to
/// float32, is the rounding of the number itself.
///
/// reference: Boldo, Melquiond, When double rounding is odd, 2005
template <std::size_t N>
inline double magnitude_to_odd(const std::array<std::uint64_t, N>& words, int unit) noexcept {
  constexpr int kDropped = 64 - 53;  // bits of a word beyond a double's
  std::size_t top = N;
  while (top > 0 && words[top - 1] == 0) --top;
  if (top == 0) return 0.0;
  const int zeros = std::countl_zero(words[top - 1]);
  std::uint64_t high = words[top - 1] << zeros, below = 0;  // the first 64 bits; are there more?
  if (top > 1) {
    if (zeros > 0) high |= words[top - 2] >> (64 - zeros);
    below = words[top - 2] << zeros;
    for (std::size_t w = 0; w + 2 < top; ++w) below |= words[w];
  }
  below |= high & ((std::uint64_t{1} << kDropped) - 1);
  const std::uint64_t significand = (high >> kDropped) | (below != 0 ? 1U : 0U);
  return std::ldexp(static_cast<double>(significand),
                    static_cast<int>(64 * (top - 1)) - zeros + kDropped + unit);
}

/// A sum in 128 bits.
using Wide = __int128;
/// sum * 2^unit, rounded to odd.
inline double rounded_to_odd(Wide sum, int unit) noexcept {
  const auto bits = static_cast<unsigned __int128>(sum);
  const unsigned __int128 magnitude = sum < 0 ? -bits : bits;
  const double value = magnitude_to_odd<2>(
      {static_cast<std::uint64_t>(magnitude), static_cast<std::uint64_t>(magnitude >> 64)}, unit);
  return sum < 0 ? -value : value;
}

/// A fixed-point number of two's complement that holds every sum of fewer than 2^64 products of two
/// floats. Unit of the last bit: 2^-298, the product of the two smallest subnormals; the largest
/// product is below 2^256, so that 298 + 256 + 64 bits and a sign are enough.
///
/// reference: Kulisch, Computer Arithmetic and Validity, 2013, chapter 8
class LongRegister {
 public:
  static constexpr std::uint32_t kBits = 640;

  /// Adds a * b; both finite.
  void add_product(float a, float b) noexcept {
    const Parts left = parts_of(a), right = parts_of(b);
    add(left.significand * right.significand, left.exponent + right.exponent - kUnit);
  }
  /// A sum of 0 is +0.
  [[nodiscard]] double rounded_to_odd() const noexcept {
    const bool is_negative = (words_.back() >> 63) != 0;
    Words magnitude = words_;
    if (is_negative) negate(magnitude);
    const double value = magnitude_to_odd(magnitude, kUnit);
    return is_negative ? -value : value;
  }

 private:
  static constexpr int kUnit = -298;
  static constexpr std::size_t kWords = kBits / 64;
  using Words = std::array<std::uint64_t, kWords>;

  /// Adds value * 2^shift, |value| < 2^48, 0 <= shift.
  void add(std::int64_t value, int shift) noexcept {
    const auto first = static_cast<std::size_t>(shift / 64);
    const auto wide = static_cast<unsigned __int128>(static_cast<__int128>(value)) << (shift % 64);
    const std::uint64_t sign = value < 0 ? ~std::uint64_t{0} : 0;
    std::uint64_t carry = 0;
    for (std::size_t w = first; w < kWords; ++w) {
      const std::uint64_t term = w == first       ? static_cast<std::uint64_t>(wide)
                                 : w == first + 1 ? static_cast<std::uint64_t>(wide >> 64)
                                                  : sign;
      if (w > first + 1 && term + carry == 0) return;  // nothing left to add: 0, or -1 and a carry
      const unsigned __int128 sum = static_cast<unsigned __int128>(words_[w]) + term + carry;
      words_[w] = static_cast<std::uint64_t>(sum);
      carry = static_cast<std::uint64_t>(sum >> 64);
    }
  }
  static void negate(Words& words) noexcept {
    std::uint64_t carry = 1;
    for (std::uint64_t& word : words) {
      word = ~word + carry;
      carry = carry != 0 && word == 0 ? 1 : 0;
    }
  }

  Words words_{};
};

}  // namespace qloom::exact
