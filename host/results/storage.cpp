// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/results/storage.hpp"

#include <algorithm>
#include <cmath>

namespace qloom::results {
namespace {

constexpr std::uint64_t kFloatBits = 32, kExponentBits = 8, kWidthBits = 8;

/// Bits of the shortest integer that holds all of low .. high, in two's complement where low < 0.
std::uint64_t integer_bits(std::int64_t low, std::int64_t high) {
  std::uint64_t bits = 1;
  if (low < 0) {
    while (low < -(std::int64_t{1} << (bits - 1)) || high >= std::int64_t{1} << (bits - 1)) ++bits;
  } else {
    while (high >= std::int64_t{1} << bits) ++bits;
  }
  return bits;
}

/// One zero point, as wide as the integers of the codes with it; 0 where all zero points are 0.
std::uint64_t zero_point_bits(const qloom_encoding& e) {
  const qloom_grid& grid = e.grid;
  std::int64_t low = 0, high = 0;
  bool has_one = false;
  for (std::uint64_t g = 0; g < e.groups; ++g) {
    has_one |= grid.zero_point[g] != 0;
    low = std::min<std::int64_t>({low, grid.code_min[g], grid.zero_point[g]});
    high = std::max<std::int64_t>({high, grid.code_max[g], grid.zero_point[g]});
  }
  return has_one ? integer_bits(low, high) : 0;
}

std::uint64_t code_bits(const qloom_encoding& e, std::uint64_t elements, std::uint64_t group) {
  if (e.kind == QLOOM_ENCODING_VECTORS && e.vector > 0) {
    return (elements + e.vector - 1) / e.vector * e.bits;
  }
  if (e.bits_of_group == nullptr || e.groups == 0) return elements * e.bits;
  const std::uint64_t size = group > 0 ? group : elements / e.groups;
  double bits = 0;
  std::uint64_t left = elements;
  for (std::uint64_t g = 0; g < e.groups; ++g) {
    const std::uint64_t n = std::min(left, size);
    bits += double(n) * double(e.bits_of_group[g]);
    left -= n;
  }
  return static_cast<std::uint64_t>(std::ceil(bits));
}

std::uint64_t table_bits(const qloom_encoding& e) {
  const bool is_shared = (e.flags & QLOOM_ENCODING_SHARED_EXPONENT) != 0;
  const std::uint64_t scale = is_shared ? kExponentBits : kFloatBits;
  const std::uint64_t offset = e.grid.offset == nullptr ? 0 : kFloatBits;
  const std::uint64_t widths = e.bits_of_group == nullptr ? 0 : e.groups * kWidthBits;
  switch (e.kind) {
    case QLOOM_ENCODING_NONE:
      return 0;
    case QLOOM_ENCODING_AFFINE:
      return e.groups * (scale + zero_point_bits(e) + offset) + widths;
    case QLOOM_ENCODING_FLOAT:
      return (e.grid.scale == nullptr ? 0 : e.groups * scale) + widths;
    case QLOOM_ENCODING_CODEBOOK:
      return e.groups * e.codebook_size * kFloatBits + widths;
    case QLOOM_ENCODING_BASES:
      return e.groups * (e.bases * kFloatBits + offset) + widths;
    case QLOOM_ENCODING_VECTORS:
      return e.codebook_size * e.vector * kFloatBits;
  }
  return 0;
}

}  // namespace

Storage storage_of(const qloom_encoding& encoding, std::uint64_t elements, std::uint64_t group) {
  if (encoding.kind == QLOOM_ENCODING_NONE) return {elements * kFloatBits, 0};
  const Storage counted{code_bits(encoding, elements, group), table_bits(encoding)};
  if (!(encoding.stored_bits > 0)) return counted;
  // The method's own count of all; what it is below the codes' is their compression.
  const auto all = static_cast<std::uint64_t>(std::ceil(encoding.stored_bits));
  const std::uint64_t codes = std::min(counted.code_bits, all);
  return {codes, all - codes};
}

}  // namespace qloom::results
