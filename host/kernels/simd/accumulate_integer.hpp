// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// ref::accumulate_integer, vectorized across results, so that the order of every sum holds. The
// largest codes of a tile say which lanes are wide enough:
//
//   no sum can leave the register        32-bit lanes, two products at once, nothing to count
//   <= 16 bits, products below 2^15      16-bit lanes
//   sums below 2^31                      32-bit lanes
//   otherwise                            doubles, exact below 2^53
#pragma once

#include "host/kernels/core.hpp"
#include "host/kernels/simd/packed_tile.hpp"
#include "host/kernels/simd/round.hpp"
#include "host/kernels/simd/wide_tile.hpp"

namespace qloom::kernels::simd {

/// A register whose sums all fit.
template <class Arch>
struct AmpleRegister {
  using Lanes = Ints<Arch>;
  static constexpr std::uint64_t kProducts = 2;
  static constexpr bool kCounts = false;
  explicit AmpleRegister(std::uint32_t) noexcept {}
  Lanes add(const Lanes& total, const Ints<Arch>& left, const Lanes& right, Lanes&) const noexcept {
    return total + multiply_pairs<Arch>(left, right);
  }
};

/// At most 31 bits; register and product together stay below 2^31.
template <class Arch, bool Wrap>
struct WordRegister {
  using Lanes = Ints<Arch>;
  static constexpr std::uint64_t kProducts = 1;
  static constexpr bool kCounts = true;
  explicit WordRegister(std::uint32_t width) noexcept
      : shift(static_cast<std::int32_t>(32 - width)),
        max((std::int32_t{1} << (width - 1)) - 1),
        min(-(std::int32_t{1} << (width - 1))) {}
  Lanes add(const Lanes& total, const Ints<Arch>& left, const Lanes& right,
            Lanes& equal) const noexcept {
    const Lanes sum = total + multiply_pairs<Arch>(left, right);
    const Lanes next =
        Wrap ? shift_right(shift_left(sum, shift), shift) : xsimd::min(xsimd::max(sum, min), max);
    equal = minus_where_equal(equal, next, sum);
    return next;
  }
  std::int32_t shift;
  Lanes max, min;
};

/// At most 16 bits, exactly 16 if Full; |product| < 2^15. The sum in 16 bits comes in two forms,
/// clipped and modulo 2^16; they are equal where it fits 16 bits. Where it does not, neither form
/// cut down to the register can equal the other one: a clipped sum has kept its sign, the other
/// has not, and lies below the ends of 16 bits.
template <class Arch, bool Wrap, bool Full>
struct ShortRegister {
  using Lanes = xsimd::batch<std::int16_t, Arch>;
  static constexpr std::uint64_t kProducts = 1;
  static constexpr bool kCounts = true;
  explicit ShortRegister(std::uint32_t width) noexcept
      : shift(static_cast<std::int32_t>(16 - width)),
        max(static_cast<std::int16_t>((1 << (width - 1)) - 1)),
        min(static_cast<std::int16_t>(-(1 << (width - 1)))) {}
  Lanes add(const Lanes& total, const Ints<Arch>& left, const Lanes& right,
            Lanes& equal) const noexcept {
    const Lanes product = bits_as<Lanes>(left) * right;
    const Lanes modular = total + product, clipped = xsimd::sadd(total, product);
    if constexpr (Wrap) {
      const Lanes next = Full ? modular : shift_right(shift_left(modular, shift), shift);
      equal = minus_where_equal(equal, next, clipped);
      return next;
    } else {
      const Lanes next = Full ? clipped : xsimd::min(xsimd::max(clipped, min), max);
      equal = minus_where_equal(equal, next, modular);
      return next;
    }
  }
  std::int32_t shift;
  Lanes max, min;
};

/// Bounds of a tile's codes.
struct CodeBounds {
  float left, right;  // largest magnitudes
  float column;       // largest sum of magnitudes of a column of b, or infinity from 2^24
};

template <class Arch>
inline float largest_lane(const Floats<Arch>& v) noexcept {
  alignas(64) float lanes[kWidth<Arch>];
  v.store_aligned(lanes);
  float most = 0.0F;
  for (const float lane : lanes) most = lane > most ? lane : most;
  return most;
}

template <class Arch>
inline CodeBounds code_bounds(const qloom_tile& t) noexcept {
  using F = Floats<Arch>;
  F left(0.0F), right(0.0F), column(0.0F);
  for (std::uint64_t i = 0; i < t.m; ++i) {
    const float* row = t.a + static_cast<std::int64_t>(i) * t.lda;
    each_batch<Arch>(t.k, [&](const auto& io, std::uint64_t k) {
      left = greater(left, xsimd::abs(io.load(row + k)));
    });
  }
  each_batch<Arch>(t.n, [&](const auto& io, std::uint64_t j) {
    F sum(0.0F);  // exact while below 2^24; from there it can only stay above
    for (std::uint64_t k = 0; k < t.k; ++k) {
      const F code = xsimd::abs(io.load(t.b + static_cast<std::int64_t>(k) * t.ldb + j));
      right = greater(right, code);
      sum = sum + code;
    }
    column = greater(column, sum);
  });
  const float most = largest_lane<Arch>(column);
  return {largest_lane<Arch>(left), largest_lane<Arch>(right),
          most < 0x1p24F ? most : __builtin_inff()};
}

/// Returns overflows.
template <class Arch, bool Wrap>
std::uint64_t accumulate_integer(const IntegerJob& job) noexcept {
  const CodeBounds codes = code_bounds<Arch>(*job.tile);
  const double product = static_cast<double>(codes.left) * static_cast<double>(codes.right);
  const double sum = codes.left == 0.0F
                         ? 0.0  // infinity times zero
                         : static_cast<double>(codes.left) * static_cast<double>(codes.column);
  const double max = __builtin_ldexp(1.0, static_cast<int>(job.width) - 1) - 1.0;
  constexpr double kShortMax = 0x1p15 - 1.0, kWordMax = 0x1p31 - 1.0;
  const bool are_short = codes.left <= kShortMax && codes.right <= kShortMax;
  if (are_short && sum <= max && sum <= kWordMax) {
    return PackedTile<Arch, AmpleRegister<Arch>>::run(*job.tile, job.width);
  }
  if (job.width == 16 && product <= kShortMax && are_short) {
    return PackedTile<Arch, ShortRegister<Arch, Wrap, true>>::run(*job.tile, job.width);
  }
  if (job.width < 16 && product <= kShortMax && are_short) {
    return PackedTile<Arch, ShortRegister<Arch, Wrap, false>>::run(*job.tile, job.width);
  }
  if (are_short && max + product <= kWordMax) {
    return PackedTile<Arch, WordRegister<Arch, Wrap>>::run(*job.tile, job.width);
  }
  return WideTile<Arch, Wrap>::run(*job.tile, job.width);
}

}  // namespace qloom::kernels::simd
