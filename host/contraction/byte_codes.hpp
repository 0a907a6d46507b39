// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Integer codes as bytes, for processors whose byte products are exact.
#pragma once

#include <cstdint>
#include <optional>

#include "host/contraction/codes.hpp"

namespace qloom::network {

/// Codes lo .. lo + span (lo in two's complement) in bytes that hold code + shift.
struct ByteCodes {
  std::uint32_t lo = 0, span = 0;
  std::int32_t shift = 0;
};

/// The operand's codes, or each of their digits, as unsigned bytes; nothing when they do not fit.
[[nodiscard]] std::optional<ByteCodes> unsigned_bytes(const Operand& operand, Digits digits);
/// The same as signed bytes, without a shift where that is possible.
[[nodiscard]] std::optional<ByteCodes> signed_bytes(const Operand& operand, Digits digits);

/// Digit `index` of the codes nearbyint(values / scale) as bytes. False, and bytes without meaning,
/// when one is not in lo .. lo + span: a NaN, or a value that is no code of its encoding.
///
/// shape:   values and out are (n)
/// threads: pure
[[nodiscard]] bool extract_bytes(const float* values, float scale, Digits digits, int index,
                                 const ByteCodes& codes, std::uint8_t* out, std::uint64_t n);
/// The same on all threads, for an operand with `rows` rows of `pitch` values; a scale per row when
/// scale_count is not 1.
[[nodiscard]] bool extract_bytes(const Operand& operand, std::int64_t rows, std::int64_t pitch,
                                 Digits digits, int index, const ByteCodes& codes,
                                 std::uint8_t* out);

}  // namespace qloom::network
