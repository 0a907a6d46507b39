// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The tiles and chunks of reference/reduce.hpp: sixteen virtual lanes whatever the vector width.
#pragma once

#include <bit>

#include "host/kernels/core.hpp"
#include "host/kernels/simd/lanes.hpp"

namespace qloom::kernels::simd {

/// ref::contribution for a batch.
template <class Arch, std::uint32_t Figure, class Batch>
inline Batch contribution(const Batch& x, const Batch& center) noexcept {
  if constexpr (Figure == QLOOM_REDUCE_ABS_MAX || Figure == QLOOM_REDUCE_ABS_SUM) {
    return xsimd::abs(x);
  } else if constexpr (Figure == QLOOM_REDUCE_SQUARE_SUM) {
    return x * x;
  } else if constexpr (Figure == QLOOM_REDUCE_ABS_DEVIATION_SUM) {
    return xsimd::abs(x - center);
  } else if constexpr (Figure == QLOOM_REDUCE_SQUARE_DEVIATION_SUM) {
    const Batch d = x - center;
    return d * d;
  } else if constexpr (Figure == QLOOM_REDUCE_NONFINITE) {
    return xsimd::select(x - x == Batch(0), Batch(0), Batch(1));
  } else {
    return x;
  }
}

template <class Arch, std::uint32_t Figure>
inline constexpr bool kIsExtremum =
    Figure == QLOOM_REDUCE_MIN || Figure == QLOOM_REDUCE_MAX || Figure == QLOOM_REDUCE_ABS_MAX;

/// qloom::kernels::combine for batches.
template <class Arch, std::uint32_t Figure, class Batch>
inline Batch merged(const Batch& total, const Batch& next) noexcept {
  if constexpr (Figure == QLOOM_REDUCE_MIN)
    return lesser(next, total);
  else if constexpr (kIsExtremum<Arch, Figure>)
    return greater(next, total);
  else
    return total + next;
}

template <class Arch, std::uint32_t Figure, class T>
inline T neutral_of() noexcept {
  if constexpr (Figure == QLOOM_REDUCE_MIN)
    return T(__builtin_inf());
  else if constexpr (Figure == QLOOM_REDUCE_MAX)
    return T(-__builtin_inf());
  else
    return T(0);
}

/// Sixteen lanes combined pairwise.
template <class Arch, std::uint32_t Figure, class T>
inline T folded(T* lanes) noexcept {
  for (int half = 8; half > 0; half /= 2) {
    for (int l = 0; l < half; ++l) {
      const T total = lanes[l], next = lanes[l + half];
      if constexpr (Figure == QLOOM_REDUCE_MIN)
        lanes[l] = next < total ? next : total;
      else if constexpr (kIsExtremum<Arch, Figure>)
        lanes[l] = next > total ? next : total;
      else
        lanes[l] = total + next;
    }
  }
  return lanes[0];
}

/// Smallest or largest value: lanes are float32, which loses nothing.
template <class Arch, std::uint32_t Figure>
inline double extremum_tile(const float* x, std::uint64_t n) noexcept {
  using F = Floats<Arch>;
  constexpr std::uint64_t kBatches = 16 / kWidth<Arch>;
  alignas(64) float lanes[16];
  F total[kBatches];
  for (F& t : total) t = F(neutral_of<Arch, Figure, float>());
  std::uint64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (std::uint64_t b = 0; b < kBatches; ++b) {
      const F v = F::load_unaligned(x + i + b * kWidth<Arch>);
      total[b] = merged<Arch, Figure>(total[b], contribution<Arch, Figure>(v, F(0.0F)));
    }
  }
  for (std::uint64_t b = 0; b < kBatches; ++b) total[b].store_aligned(lanes + b * kWidth<Arch>);
  for (std::uint64_t l = 0; i + l < n; ++l) {
    const float v = Figure == QLOOM_REDUCE_ABS_MAX ? __builtin_fabsf(x[i + l]) : x[i + l];
    if (Figure == QLOOM_REDUCE_MIN ? v < lanes[l] : v > lanes[l]) lanes[l] = v;
  }
  return static_cast<double>(folded<Arch, Figure>(lanes));
}

/// Sums: lanes are doubles.
template <class Arch, std::uint32_t Figure>
inline double sum_tile(const float* x, std::uint64_t n, double center) noexcept {
  using F = Floats<Arch>;
  using D = Doubles<Arch>;
  constexpr std::uint64_t kBatches = 16 / D::size;
  alignas(64) double lanes[16];
  const D middle(center);
  D total[kBatches];
  for (D& t : total) t = D(0.0);
  const auto add_sixteen = [&](const float* p, D* terms) {
    for (std::uint64_t b = 0; b < kBatches; b += 2) {
      const Widened<Arch> v = widen<Arch>(F::load_unaligned(p + b * D::size));
      terms[b] = contribution<Arch, Figure>(v.low, middle);
      terms[b + 1] = contribution<Arch, Figure>(v.high, middle);
    }
  };
  D terms[kBatches];
  std::uint64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    add_sixteen(x + i, terms);
    for (std::uint64_t b = 0; b < kBatches; ++b) total[b] = total[b] + terms[b];
  }
  for (std::uint64_t b = 0; b < kBatches; ++b) total[b].store_aligned(lanes + b * D::size);
  if (i < n) {
    alignas(64) float rest[16] = {};
    alignas(64) double added[16];
    std::memcpy(rest, x + i, (n - i) * sizeof(float));
    add_sixteen(rest, terms);
    for (std::uint64_t b = 0; b < kBatches; ++b) terms[b].store_aligned(added + b * D::size);
    for (std::uint64_t l = 0; i + l < n; ++l) lanes[l] += added[l];
  }
  return folded<Arch, Figure>(lanes);
}

template <class Arch, std::uint32_t Figure>
double reduce_tile(const float* x, std::uint64_t n, double center) noexcept {
  if constexpr (kIsExtremum<Arch, Figure>)
    return extremum_tile<Arch, Figure>(x, n);
  else
    return sum_tile<Arch, Figure>(x, n, center);
}

/// Figures of Count batches of columns over all rows; several at once read whole cache lines in the
/// order of memory.
template <class Arch, std::uint32_t Figure, std::uint64_t Count, class Io>
inline void column_batches(const Io& io, const float* x, std::uint64_t rows, std::uint64_t pitch,
                           const double* center, double* figure) noexcept {
  using D = Doubles<Arch>;
  D total[2 * Count], middle[2 * Count];
  for (std::uint64_t p = 0; p < 2 * Count; ++p) {
    total[p] = D::load_unaligned(figure + p * D::size);
    middle[p] = D::load_unaligned(center + p * D::size);
  }
  for (std::uint64_t r = 0; r < rows; ++r) {
    for (std::uint64_t p = 0; p < 2 * Count; p += 2) {
      const Widened<Arch> v = widen<Arch>(io.load(x + r * pitch + p * D::size));
      total[p] = merged<Arch, Figure>(total[p], contribution<Arch, Figure>(v.low, middle[p]));
      total[p + 1] =
          merged<Arch, Figure>(total[p + 1], contribution<Arch, Figure>(v.high, middle[p + 1]));
    }
  }
  for (std::uint64_t p = 0; p < 2 * Count; ++p) total[p].store_unaligned(figure + p * D::size);
}

/// The same for n <= Count * kWidth columns whose figures and centers need room for whole batches.
template <class Arch, std::uint32_t Figure, std::uint64_t Count, class Io>
inline void padded_columns(const Io& io, const float* x, std::uint64_t rows, std::uint64_t pitch,
                           std::uint64_t n, const double* center, double* figure) noexcept {
  alignas(64) double middle[Count * kWidth<Arch>] = {}, total[Count * kWidth<Arch>] = {};
  if (center != nullptr) std::memcpy(middle, center, n * sizeof(double));
  std::memcpy(total, figure, n * sizeof(double));
  column_batches<Arch, Figure, Count>(io, x, rows, pitch, middle, total);
  std::memcpy(figure, total, n * sizeof(double));
}

template <class Arch, std::uint32_t Figure>
void reduce_columns(const float* x, std::uint64_t rows, std::uint64_t pitch, std::uint64_t columns,
                    const double* center, double* figure) noexcept {
  constexpr std::uint64_t kTogether = 4, kStride = kTogether * kWidth<Arch>;
  const auto at = [center](std::uint64_t c) { return center != nullptr ? center + c : nullptr; };
  std::uint64_t c = 0;
  for (; c + kStride <= columns; c += kStride) {
    padded_columns<Arch, Figure, kTogether>(Whole<Arch>{}, x + c, rows, pitch, kStride, at(c),
                                            figure + c);
  }
  each_batch<Arch>(columns - c, [&](const auto& io, std::uint64_t i) {
    const std::uint64_t left = columns - c - i;
    const std::uint64_t n = left < kWidth<Arch> ? left : kWidth<Arch>;
    padded_columns<Arch, Figure, 1>(io, x + c + i, rows, pitch, n, at(c + i), figure + c + i);
  });
}

/// ref::bin_of for a run; a plain loop without choices, which g++ 12, g++ 14 and clang 14
/// vectorize.
template <class Arch>
void histogram_bins(const float* __restrict x, std::uint64_t n, double lo, double bins_per_unit,
                    double last_bin, bool abs, std::int32_t* __restrict bin) noexcept {
  const std::uint32_t kept = abs ? 0x7FFFFFFFU : 0xFFFFFFFFU;  // without the sign, or with it
  for (std::uint64_t i = 0; i < n; ++i) {
    const double v = std::bit_cast<float>(std::bit_cast<std::uint32_t>(x[i]) & kept);
    const double place = (v - lo) * bins_per_unit;
    const double low = place > 0.0 ? place : 0.0;
    const auto inside = static_cast<std::int32_t>(low < last_bin ? low : last_bin);
    bin[i] = inside | -static_cast<std::int32_t>(v != v);
  }
}

/// Counts a run in kHistogramTables tables, `pitch` apart, at 1 + bin; place 0 is for NaN.
/// Neighbours count in different tables, so that equal ones do not wait for each other; the next
/// bins are computed while these are counted.
template <class Arch>
void histogram_tables(const float* x, std::uint64_t n, double lo, double bins_per_unit,
                      double last_bin, bool abs, std::uint32_t* tables,
                      std::uint64_t pitch) noexcept {
  constexpr std::uint64_t kPart = 64, kLine = 16, kAhead = 1024;  // elements
  alignas(64) std::int32_t bin[2][kPart];
  const auto compute = [&](std::uint64_t i) {
    for (std::uint64_t e = 0; e < kPart; e += kLine) __builtin_prefetch(x + i + kAhead + e);
    histogram_bins<Arch>(x + i, kPart, lo, bins_per_unit, last_bin, abs, bin[i / kPart % 2]);
  };
  const std::uint64_t whole = n / kPart * kPart;
  if (whole > 0) compute(0);
  for (std::uint64_t i = 0; i < whole; i += kPart) {
    if (i + kPart < whole) compute(i + kPart);
    const std::int32_t* const now = bin[i / kPart % 2];
    for (std::uint64_t e = 0; e < kPart; e += kHistogramTables) {
      for (std::uint64_t k = 0; k < kHistogramTables; ++k) ++tables[k * pitch + 1 + now[e + k]];
    }
  }
  histogram_bins<Arch>(x + whole, n - whole, lo, bins_per_unit, last_bin, abs, bin[0]);
  for (std::uint64_t e = 0; e < n - whole; ++e) ++tables[1 + bin[0][e]];
}

}  // namespace qloom::kernels::simd
