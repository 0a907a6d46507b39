// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The sign of a sum of products of doubles and integers, whatever their magnitudes: for thresholds
// that must lie on the right side of a tie.
#pragma once

#include <array>
#include <cstddef>

#include <qloom/math/fixed_point.hpp>

namespace qloom::sdk {

/// A number of two's complement that holds a few products of any finite double and any integer of
/// 64 bits. Unit of the last bit: 2^-1074, the smallest double; the largest product is below
/// 2^1087.
class ExactSum {
 public:
  /// Adds x * n; x is finite.
  void add(double x, std::int64_t n) noexcept {
    if (x == 0 || n == 0) return;
    const detail::Dyadic parts = detail::dyadic_of(x);
    const detail::Wide product = static_cast<detail::Wide>(parts.m) * n;
    add_wide(x < 0 ? -product : product, static_cast<std::size_t>(parts.e - kUnit));
  }
  /// -1, 0 or 1
  [[nodiscard]] int sign() const noexcept {
    if ((words_.back() >> 63) != 0) return -1;
    for (const std::uint64_t word : words_) {
      if (word != 0) return 1;
    }
    return 0;
  }

 private:
  static constexpr int kUnit = -1074;
  static constexpr std::size_t kWords = 36;  // 2304 bits: 1087 + 1074, a sign, and some sums

  void add_wide(detail::Wide value, std::size_t shift) noexcept {
    const std::size_t first = shift / 64, bits = shift % 64;
    const auto low = static_cast<std::uint64_t>(value);
    const auto high = static_cast<std::uint64_t>(value >> 64);
    const std::uint64_t sign = value < 0 ? ~std::uint64_t{0} : 0;
    const std::array<std::uint64_t, 3> shifted =
        bits == 0 ? std::array<std::uint64_t, 3>{low, high, sign}
                  : std::array<std::uint64_t, 3>{low << bits, low >> (64 - bits) | high << bits,
                                                 high >> (64 - bits) | sign << bits};
    std::uint64_t carry = 0;
    for (std::size_t w = first; w < kWords; ++w) {
      const std::uint64_t term = w - first < 3 ? shifted[w - first] : sign;
      const std::uint64_t sum = words_[w] + term, with_carry = sum + carry;
      carry = (sum < term || with_carry < sum) ? 1 : 0;
      words_[w] = with_carry;
    }
  }

  std::array<std::uint64_t, kWords> words_{};
};

}  // namespace qloom::sdk
