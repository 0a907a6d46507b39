// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Smallest and largest finite values. They do not depend on any order, so the rest of a run or row
// is covered by batches that overlap the ones before. All functions widen the ends [lo, hi] they
// are given and return whether every value was finite; ends that saw another value stay as they
// were.
#pragma once

#include "host/kernels/core.hpp"
#include "host/kernels/simd/lanes.hpp"

namespace qloom::kernels::simd {

/// Ends of one batch of lanes.
template <class Arch>
struct LaneEnds {
  using F = Floats<Arch>;
  F lo = F(__builtin_inff()), hi = F(-__builtin_inff());

  void take(const float* x, F& odd) noexcept {
    const F v = F::load_unaligned(x);
    lo = lesser(v, lo);
    hi = greater(v, hi);
    odd = marked<Arch>(v, odd);
  }
  void take(const LaneEnds& other) noexcept {
    lo = lesser(lo, other.lo);
    hi = greater(hi, other.hi);
  }
  /// All lanes into one pair.
  void merge_into(float& low, float& high) const noexcept { merge_ends<Arch>(lo, hi, low, high); }
};

/// Four batches at a time, which is what keeps the processor busy.
template <class Arch>
struct FourEnds {
  using F = Floats<Arch>;
  LaneEnds<Arch> ends[4];
  F odd[4] = {F(0.0F), F(0.0F), F(0.0F), F(0.0F)};

  /// Batch b from x + at[b].
  void take(const float* x, const std::uint64_t (&at)[4]) noexcept {
    for (std::uint64_t b = 0; b < 4; ++b) ends[b].take(x + at[b], odd[b]);
  }
  /// The first `span` elements of every `span` up to n, and the last `span`; n >= span.
  void take_all(const float* x, std::uint64_t n, std::uint64_t span,
                const std::uint64_t (&at)[4]) noexcept {
    for (std::uint64_t i = 0; i + span <= n; i += span) take(x + i, at);
    if (n % span != 0) take(x + n - span, at);
  }
  [[nodiscard]] bool is_finite() const noexcept {
    return xsimd::all((odd[0] + odd[1]) + (odd[2] + odd[3]) == F(0.0F));
  }
};

template <class Arch>
inline bool long_run(const float* x, std::uint64_t n, float& lo, float& hi) noexcept {
  constexpr std::uint64_t kW = kWidth<Arch>;
  FourEnds<Arch> four;
  four.take_all(x, n, 4 * kW, {0, kW, 2 * kW, 3 * kW});
  for (std::uint64_t b = 1; b < 4; ++b) four.ends[0].take(four.ends[b]);
  if (!four.is_finite()) return false;
  four.ends[0].merge_into(lo, hi);
  return true;
}

/// Four runs of n >= kWidth values, one after the other.
template <class Arch>
inline bool four_runs(const float* x, std::uint64_t n, float* lo, float* hi) noexcept {
  FourEnds<Arch> four;
  four.take_all(x, n, kWidth<Arch>, {0, n, 2 * n, 3 * n});
  if (!four.is_finite()) return false;
  for (std::uint64_t b = 0; b < 4; ++b) four.ends[b].merge_into(lo[b], hi[b]);
  return true;
}

template <class Arch>
inline bool short_run(const float* x, std::uint64_t n, float& lo, float& hi) noexcept {
  float low = lo, high = hi, odd = 0.0F;
  for (std::uint64_t i = 0; i < n; ++i) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
    odd += x[i] * 0.0F;
  }
  if (odd != 0.0F) return false;  // NaN
  lo = low;
  hi = high;
  return true;
}

/// Ends lo[r], hi[r] of run r, for `runs` runs of n values one after the other.
template <class Arch>
bool extremes_runs(const float* x, std::uint64_t runs, std::uint64_t n, float* lo,
                   float* hi) noexcept {
  constexpr std::uint64_t kShort = 256;  // to merge the lanes is a part of the work
  bool is_finite = true;
  std::uint64_t r = 0;
  for (; kWidth<Arch> <= n && n < kShort && r + 4 <= runs; r += 4) {
    is_finite &= four_runs<Arch>(x + r * n, n, lo + r, hi + r);
  }
  for (; r < runs; ++r) {
    is_finite &= n >= 4 * kWidth<Arch> ? long_run<Arch>(x + r * n, n, lo[r], hi[r])
                                       : short_run<Arch>(x + r * n, n, lo[r], hi[r]);
  }
  return is_finite;
}

/// 4 batches of columns; rows are `pitch` apart.
template <class Arch>
inline bool four_columns(const float* x, std::uint64_t rows, std::uint64_t pitch, float* lo,
                         float* hi) noexcept {
  constexpr std::uint64_t kW = kWidth<Arch>, kLine = 16;  // elements
  FourEnds<Arch> four;
  for (std::uint64_t b = 0; b < 4; ++b) {
    four.ends[b].lo = Floats<Arch>::load_unaligned(lo + b * kW);
    four.ends[b].hi = Floats<Arch>::load_unaligned(hi + b * kW);
  }
  for (std::uint64_t r = 0; r < rows; ++r) {
    four.take(x + r * pitch, {0, kW, 2 * kW, 3 * kW});
    for (std::uint64_t c = 0; c < 4 * kW; c += kLine) {  // the same place of the rows after these
      __builtin_prefetch(x + (r + rows) * pitch + c, 0, 2);  // into the L2: far ahead
    }
  }
  if (!four.is_finite()) return false;
  for (std::uint64_t b = 0; b < 4; ++b) {
    four.ends[b].lo.store_unaligned(lo + b * kW);
    four.ends[b].hi.store_unaligned(hi + b * kW);
  }
  return true;
}

/// More columns than that.
template <class Arch>
inline bool wide_rows(const float* x, std::uint64_t rows, std::uint64_t columns, float* lo,
                      float* hi) noexcept {
  constexpr std::uint64_t kWide = 4 * kWidth<Arch>;
  bool is_finite = true;
  for (std::uint64_t c = 0; c < columns; c += kWide) {
    const std::uint64_t at = c + kWide <= columns ? c : columns - kWide;
    is_finite &= four_columns<Arch>(x + at, rows, columns, lo + at, hi + at);
  }
  return is_finite;
}

/// At most 4 batches of columns, n elements in whole rows: as many rows as 4 batches hold are
/// looked at together, by batches that may overlap.
template <class Arch>
inline bool narrow_rows(const float* x, std::uint64_t n, std::uint64_t columns, float* lo,
                        float* hi) noexcept {
  constexpr std::uint64_t kW = kWidth<Arch>;
  const std::uint64_t span = 4 * kW / columns * columns, last = span - kW;  // span > 2 batches
  const std::uint64_t at[4] = {0, kW, 2 * kW < last ? 2 * kW : last, last};
  FourEnds<Arch> four;
  four.take_all(x, n, span, at);
  if (!four.is_finite()) return false;
  alignas(64) float low[kW], high[kW];
  for (std::uint64_t b = 0; b < 4; ++b) {
    four.ends[b].lo.store_aligned(low);
    four.ends[b].hi.store_aligned(high);
    std::uint64_t c = at[b] % columns;
    for (std::uint64_t l = 0; l < kW; ++l) {
      lo[c] = low[l] < lo[c] ? low[l] : lo[c];
      hi[c] = high[l] > hi[c] ? high[l] : hi[c];
      c = c + 1 == columns ? 0 : c + 1;
    }
  }
  return true;
}

/// Ends lo[c], hi[c] of column c.
template <class Arch>
bool extremes_columns(const float* x, std::uint64_t rows, std::uint64_t columns, float* lo,
                      float* hi) noexcept {
  constexpr std::uint64_t kSome = 8192, kLeastRows = 32;  // elements
  const std::uint64_t some = kSome / columns > kLeastRows ? kSome / columns : kLeastRows;
  bool is_finite = true;
  std::uint64_t r = 0;
  if (columns > 4 * kWidth<Arch>) {
    for (; r < rows; r += some) {
      const std::uint64_t n = rows - r < some ? rows - r : some;
      is_finite &= wide_rows<Arch>(x + r * columns, n, columns, lo, hi);
    }
  } else if (rows * columns >= 4 * kWidth<Arch>) {
    return narrow_rows<Arch>(x, rows * columns, columns, lo, hi);
  }
  for (; r < rows; ++r) {
    for (std::uint64_t c = 0; c < columns; ++c) {
      is_finite &= short_run<Arch>(x + r * columns + c, 1, lo[c], hi[c]);
    }
  }
  return is_finite;
}

}  // namespace qloom::kernels::simd
