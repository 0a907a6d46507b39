// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/contraction/byte_codes.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>

#include "host/kernels/vectorized.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::network {
namespace {

constexpr double kByteSpan = 255, kSignedMin = -128, kSignedMax = 127;

/// The codes themselves, or what every digit of theirs may be.
CodeRange range_of(const Operand& operand, Digits digits) {
  if (digits.count == 1) return {operand.code_min, operand.code_max};
  const double limit = std::ldexp(1.0, digits.bits - 1);
  return {-limit, limit};
}

ByteCodes shifted(const CodeRange& range, double shift) {
  return {static_cast<std::uint32_t>(static_cast<std::int32_t>(range.lo)),
          static_cast<std::uint32_t>(range.hi - range.lo), static_cast<std::int32_t>(shift)};
}

/// An integer of at most 2^22 in magnitude, in two's complement; a NaN gives a larger one.
inline std::uint32_t integer_bits(float x) {
  constexpr float kShift = 12582912.0F;  // 1.5 * 2^23: the integer lands in the last bits
  return std::bit_cast<std::uint32_t>(x + kShift) - std::bit_cast<std::uint32_t>(kShift);
}

/// Codes as bytes; returns how far above codes.lo the furthest one is (those below count as very
/// far).
[[gnu::always_inline]] inline std::uint32_t narrow(const float* from, const ByteCodes codes,
                                                   std::uint8_t* to, std::uint64_t n) {
  const std::uint32_t lo = codes.lo, shift = static_cast<std::uint32_t>(codes.shift);
  std::uint32_t furthest = 0;
  QLOOM_INDEPENDENT_STEPS
  for (std::uint64_t i = 0; i < n; ++i) {
    const std::uint32_t code = integer_bits(from[i]);
    furthest = std::max(furthest, code - lo);
    to[i] = static_cast<std::uint8_t>(code + shift);
  }
  return furthest;
}

}  // namespace

std::optional<ByteCodes> unsigned_bytes(const Operand& operand, Digits digits) {
  const CodeRange range = range_of(operand, digits);
  if (range.hi - range.lo > kByteSpan) return std::nullopt;
  return shifted(range, -range.lo);
}

std::optional<ByteCodes> signed_bytes(const Operand& operand, Digits digits) {
  const CodeRange range = range_of(operand, digits);
  if (range.lo >= kSignedMin && range.hi <= kSignedMax) return shifted(range, 0);
  if (range.hi - range.lo > kByteSpan) return std::nullopt;
  return shifted(range, kSignedMin - range.lo);
}

bool extract_bytes(const float* values, float scale, Digits digits, int index,
                   const ByteCodes& codes, std::uint8_t* out, std::uint64_t n) {
  constexpr std::uint64_t kBlock = 1024;
  alignas(64) std::array<float, kBlock> digit;
  for (std::uint64_t first = 0; first < n; first += kBlock) {
    const std::uint64_t count = std::min(kBlock, n - first);
    extract_digit(values + first, scale, digits, index, digit.data(), count);
    std::uint32_t furthest = 0;
    kernels::vectorized(
        [=, &digit, &furthest] { furthest = narrow(digit.data(), codes, out + first, count); });
    if (furthest > codes.span) return false;
  }
  return true;
}

bool extract_bytes(const Operand& operand, std::int64_t rows, std::int64_t pitch, Digits digits,
                   int index, const ByteCodes& codes, std::uint8_t* out) {
  std::atomic<bool> fits = true;
  const auto n = static_cast<std::uint64_t>(pitch);
  for_each(static_cast<std::uint64_t>(rows), [&](std::uint64_t r) {
    const float scale = operand.scale[operand.scale_count == 1 ? 0 : r];
    if (!extract_bytes(operand.values + r * n, scale, digits, index, codes, out + r * n, n)) {
      fits = false;
    }
  });
  return fits;
}

}  // namespace qloom::network
