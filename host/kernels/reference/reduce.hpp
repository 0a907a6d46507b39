// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Figures per group and histograms: the definition, with the order of every addition.
//
// A run is a longest stretch of memory in one group (the whole tensor when it has one group).
//  - Runs (one group, or inner > 1): each run is cut into tiles of kTileElements from its start;
//    inside a tile element i belongs to virtual lane i % 16, lanes are combined pairwise (l with
//    l + 8, then l + 4, l + 2, l + 1), the tiles of a group are combined in ascending order.
//  - Columns (inner == 1, several groups): rows are cut into chunks of rows_per_chunk(groups);
//    inside a chunk rows are combined in ascending order, then the chunks.
// Everything is done in double. A NaN figure is the quiet NaN with a clear sign.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

#include <qloom/abi.h>

#include "host/tensor/parallel.hpp"

namespace qloom::kernels {

/// Rows in a chunk of the column order: a function of the geometry only.
constexpr std::uint64_t rows_per_chunk(std::uint64_t groups) noexcept {
  constexpr std::uint64_t kChunkElements = 65536, kLeastRows = 64;
  const std::uint64_t rows = kChunkElements / groups;
  return rows < kLeastRows ? kLeastRows : rows;
}

/// What a group without elements has, and what combining starts from.
constexpr double neutral(std::uint32_t figure) noexcept {
  if (figure == QLOOM_REDUCE_MIN) return std::numeric_limits<double>::infinity();
  if (figure == QLOOM_REDUCE_MAX) return -std::numeric_limits<double>::infinity();
  return 0.0;
}

/// Two partial figures, the later one second. MIN, MAX and ABS_MAX pass over NaN.
constexpr double combine(std::uint32_t figure, double total, double next) noexcept {
  if (figure == QLOOM_REDUCE_MIN) return next < total ? next : total;
  if (figure == QLOOM_REDUCE_MAX || figure == QLOOM_REDUCE_ABS_MAX) {
    return next > total ? next : total;
  }
  return total + next;
}

/// Elements in group g of a tensor.
constexpr std::uint64_t group_size(const qloom_tensor& t, std::uint64_t g) noexcept {
  const std::uint64_t period = t.groups * t.inner;
  const std::uint64_t rest = t.n % period;
  const std::uint64_t start = g * t.inner;
  const std::uint64_t part = rest <= start ? 0 : rest - start;
  return t.n / period * t.inner + (part < t.inner ? part : t.inner);
}

inline double canonical(double x) noexcept {
  return std::isnan(x) ? std::numeric_limits<double>::quiet_NaN() : x;
}

namespace ref {

/// What one element adds to its figure.
inline double contribution(std::uint32_t figure, double x, double center) noexcept {
  switch (figure) {
    case QLOOM_REDUCE_ABS_MAX:
    case QLOOM_REDUCE_ABS_SUM:
      return std::fabs(x);
    case QLOOM_REDUCE_SQUARE_SUM:
      return x * x;
    case QLOOM_REDUCE_ABS_DEVIATION_SUM:
      return std::fabs(x - center);
    case QLOOM_REDUCE_SQUARE_DEVIATION_SUM:
      return (x - center) * (x - center);
    case QLOOM_REDUCE_NONFINITE:
      return std::isfinite(x) ? 0.0 : 1.0;
    case QLOOM_REDUCE_COUNT:
      return 1.0;
    case QLOOM_REDUCE_MIN:
    case QLOOM_REDUCE_MAX:
    case QLOOM_REDUCE_SUM:
      return x;
  }
  return std::numeric_limits<double>::quiet_NaN();  // no figure
}

inline double reduce_tile(std::uint32_t figure, const float* x, std::uint64_t n,
                          double center) noexcept {
  constexpr std::uint64_t kLanes = 16;
  std::array<double, kLanes> lanes;
  lanes.fill(neutral(figure));
  for (std::uint64_t i = 0; i < n; ++i) {
    double& lane = lanes[i % kLanes];
    lane = combine(figure, lane, contribution(figure, static_cast<double>(x[i]), center));
  }
  for (std::uint64_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::uint64_t l = 0; l < half; ++l) lanes[l] = combine(figure, lanes[l], lanes[l + half]);
  }
  return lanes[0];
}

inline double reduce_runs(const qloom_tensor& t, std::uint32_t figure, std::uint64_t group,
                          double center) noexcept {
  const std::uint64_t run = t.groups == 1 ? t.n : t.inner;
  double total = neutral(figure);
  for (std::uint64_t start = group * run; start < t.n; start += run * t.groups) {
    const std::uint64_t end = start + run < t.n ? start + run : t.n;
    for (std::uint64_t i = start; i < end; i += kTileElements) {
      const std::uint64_t n = end - i < kTileElements ? end - i : kTileElements;
      total = combine(figure, total, reduce_tile(figure, t.data + i, n, center));
    }
  }
  return total;
}

inline double reduce_column(const qloom_tensor& t, std::uint32_t figure, std::uint64_t group,
                            double center) noexcept {
  const std::uint64_t rows = t.n / t.groups, chunk = rows_per_chunk(t.groups);
  double total = neutral(figure);
  for (std::uint64_t start = 0; start < rows; start += chunk) {
    double partial = neutral(figure);
    for (std::uint64_t r = start; r < rows && r < start + chunk; ++r) {
      const auto x = static_cast<double>(t.data[r * t.groups + group]);
      partial = combine(figure, partial, contribution(figure, x, center));
    }
    total = combine(figure, total, partial);
  }
  return total;
}

inline void reduce(const qloom_tensor* t, std::uint32_t figure, const double* center,
                   double* out) noexcept {
  for (std::uint64_t g = 0; g < t->groups; ++g) {
    const double middle = center != nullptr ? center[g] : 0.0;
    if (figure == QLOOM_REDUCE_COUNT) {
      out[g] = static_cast<double>(group_size(*t, g));
    } else if (t->groups > 1 && t->inner == 1) {
      out[g] = canonical(reduce_column(*t, figure, g, middle));
    } else {
      out[g] = canonical(reduce_runs(*t, figure, g, middle));
    }
  }
}

/// Bin of one value, or -1 for NaN: floor((x - lo) * (bins / (hi - lo))) in double, kept inside
/// 0 .. bins - 1. With hi <= lo everything goes to bin 0.
inline std::int32_t bin_of(double x, double lo, double bins_per_unit, std::uint64_t bins) noexcept {
  if (std::isnan(x)) return -1;
  const double place = (x - lo) * bins_per_unit;
  const auto last = static_cast<double>(bins - 1);
  const double low = place > 0.0 ? place : 0.0;
  return static_cast<std::int32_t>(low < last ? low : last);
}

inline double bins_per_unit(double lo, double hi, std::uint64_t bins) noexcept {
  return hi > lo ? static_cast<double>(bins) / (hi - lo) : 0.0;
}

inline void histogram(const qloom_tensor* t, const double* lo, const double* hi, std::uint64_t bins,
                      std::uint32_t abs, std::uint64_t* out) noexcept {
  for (std::uint64_t i = 0; i < t->groups * bins; ++i) out[i] = 0;
  for (std::uint64_t i = 0; i < t->n; ++i) {
    const std::uint64_t g = i / t->inner % t->groups;
    const auto x = static_cast<double>(t->data[i]);
    const std::int32_t bin =
        bin_of(abs != 0 ? std::fabs(x) : x, lo[g], bins_per_unit(lo[g], hi[g], bins), bins);
    if (bin >= 0) ++out[g * bins + static_cast<std::uint64_t>(bin)];
  }
}

}  // namespace ref
}  // namespace qloom::kernels
