// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What a tensor takes where it is stored: codes, and what is needed to read them.
#pragma once

#include <cstdint>

#include <qloom/abi.h>

namespace qloom::results {

/// unit: bits
struct Storage {
  std::uint64_t code_bits = 0;   ///< of all codes
  std::uint64_t table_bits = 0;  ///< scales, exponents, zero points, offsets, tables, widths
  /// All of it, packed. Unit: bytes.
  [[nodiscard]] std::uint64_t bytes() const { return (code_bits + table_bits + 7) / 8; }
};

/// The rule of docs/numerics.md, "Bytes of a model". `group` is how many elements share one entry
/// of the tables, the last group may have fewer; 0: all groups are equal. Encodings of kind NONE
/// are float32 values.
[[nodiscard]] Storage storage_of(const qloom_encoding& encoding, std::uint64_t elements,
                                 std::uint64_t group);

}  // namespace qloom::results
