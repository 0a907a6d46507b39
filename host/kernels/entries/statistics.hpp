// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// reduce and histogram on the inner loops of one core: the tiles and chunks of
// reference/reduce.hpp are shared out to threads, their results are combined in the stated order.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "host/kernels/core.hpp"
#include "host/kernels/reference/reduce.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::kernels {

template <const Core& kCore>
struct Statistics {
  static double tile(const qloom_tensor& t, std::uint32_t figure, std::uint64_t start,
                     std::uint64_t end, double center) noexcept {
    const std::uint64_t n = end - start < kTileElements ? end - start : kTileElements;
    return kCore.reduce_tile[figure](t.data + start, n, center);
  }
  /// Room for figures of parts: on the stack, or in memory that a thread keeps. Which thread
  /// reduces a small tensor is chance, and none of them goes to the heap for it.
  class Partials {
   public:
    double* of(std::uint64_t n) {
      if (n <= kFew) return few_;
      thread_local std::vector<double> many;
      if (many.size() < n) many.resize(n);
      return many.data();
    }

   private:
    static constexpr std::uint64_t kFew = 1024;
    double few_[kFew];
  };
  /// A group from its first run to its last, by one thread.
  static double one_group(const qloom_tensor& t, std::uint32_t figure, std::uint64_t group,
                          double center) noexcept {
    double total = neutral(figure);
    for (std::uint64_t start = group * t.inner; start < t.n; start += t.inner * t.groups) {
      const std::uint64_t end = t.n - start < t.inner ? t.n : start + t.inner;
      for (std::uint64_t i = start; i < end; i += kTileElements) {
        total = combine(figure, total, tile(t, figure, i, end, center));
      }
    }
    return total;
  }
  /// One long run: tiles on all threads, then in order.
  static double one_run(const qloom_tensor& t, std::uint32_t figure, std::uint64_t start,
                        std::uint64_t end, double center) noexcept {
    constexpr std::uint64_t kTilesPerTask = 16;
    const std::uint64_t tiles = (end - start + kTileElements - 1) / kTileElements;
    Partials partials;
    double* const out = partials.of(tiles);
    for_each((tiles + kTilesPerTask - 1) / kTilesPerTask, [&](std::uint64_t task) {
      const std::uint64_t first = task * kTilesPerTask;
      for (std::uint64_t i = first; i < tiles && i < first + kTilesPerTask; ++i) {
        out[i] = tile(t, figure, start + i * kTileElements, end, center);
      }
    });
    double total = neutral(figure);
    for (std::uint64_t i = 0; i < tiles; ++i) total = combine(figure, total, out[i]);
    return total;
  }
  static void runs(const qloom_tensor& t, std::uint32_t figure, const double* center,
                   double* out) noexcept {
    constexpr std::uint64_t kLongRun = 32 * kTileElements;
    const auto middle = [&](std::uint64_t g) { return center != nullptr ? center[g] : 0.0; };
    if (t.groups == 1) {
      out[0] = one_run(t, figure, 0, t.n, middle(0));
    } else if (t.n <= t.groups * t.inner && t.inner >= kLongRun) {  // few, long groups
      for (std::uint64_t g = 0; g < t.groups; ++g) {
        const std::uint64_t start = g * t.inner < t.n ? g * t.inner : t.n;
        const std::uint64_t end = t.n - start < t.inner ? t.n : start + t.inner;
        out[g] = one_run(t, figure, start, end, middle(g));
      }
    } else {
      const std::uint64_t per_group = t.n / t.groups + 1;
      const std::uint64_t share = 1 + kTileElements / per_group;  // groups in a task
      for_each((t.groups + share - 1) / share, [&](std::uint64_t task) {
        for (std::uint64_t g = task * share; g < t.groups && g < (task + 1) * share; ++g) {
          out[g] = one_group(t, figure, g, middle(g));
        }
      });
    }
  }
  static void columns(const qloom_tensor& t, std::uint32_t figure, const double* center,
                      double* out) noexcept {
    const std::uint64_t rows = t.n / t.groups, chunk = rows_per_chunk(t.groups);
    const std::uint64_t chunks = (rows + chunk - 1) / chunk;
    Partials partials;
    double* const partial = partials.of(chunks * t.groups);
    for_each(chunks, [&](std::uint64_t c) {
      double* const mine = partial + c * t.groups;
      const std::uint64_t first = c * chunk, n = rows - first < chunk ? rows - first : chunk;
      for (std::uint64_t g = 0; g < t.groups; ++g) mine[g] = neutral(figure);
      kCore.reduce_columns[figure](t.data + first * t.groups, n, t.groups, t.groups, center, mine);
    });
    for (std::uint64_t g = 0; g < t.groups; ++g) {
      out[g] = neutral(figure);
      for (std::uint64_t c = 0; c < chunks; ++c) {
        out[g] = combine(figure, out[g], partial[c * t.groups + g]);
      }
    }
  }
  static void reduce(const qloom_tensor* t, std::uint32_t figure, const double* center,
                     double* out) noexcept {
    if (figure == QLOOM_REDUCE_COUNT) {
      for (std::uint64_t g = 0; g < t->groups; ++g) {
        out[g] = static_cast<double>(group_size(*t, g));
      }
      return;
    }
    if (t->groups > 1 && t->inner == 1)
      columns(*t, figure, center, out);
    else
      runs(*t, figure, center, out);
    for (std::uint64_t g = 0; g < t->groups; ++g) out[g] = canonical(out[g]);
  }

  /// Counts of elements start .. end - 1, all of one group.
  static void count(const qloom_tensor& t, std::uint64_t start, std::uint64_t end, double lo,
                    double hi, std::uint64_t bins, bool abs, std::uint64_t* out) noexcept {
    constexpr std::uint64_t kPart = 1024;
    std::array<std::int32_t, kPart> bin;
    const double per_unit = ref::bins_per_unit(lo, hi, bins);
    for (std::uint64_t i = start; i < end; i += kPart) {
      const std::uint64_t n = end - i < kPart ? end - i : kPart;
      kCore.histogram_bins(t.data + i, n, lo, per_unit, static_cast<double>(bins - 1), abs,
                           bin.data());
      for (std::uint64_t e = 0; e < n; ++e) {
        if (bin[e] >= 0) ++out[bin[e]];
      }
    }
  }
  /// One group: parts of the tensor, of fewer than 2^32 elements, on all threads, each with its own
  /// tables.
  static void histogram_of_tensor(const qloom_tensor& t, double lo, double hi, std::uint64_t bins,
                                  bool abs, std::uint64_t* out) noexcept {
    constexpr std::uint64_t kLeastPart = 65536, kLargePart = 262144, kMostParts = 32;
    constexpr std::uint64_t kCachedBins = 4096;
    thread_local std::vector<std::uint32_t> room;
    const auto threads = static_cast<std::uint64_t>(omp_get_max_threads());
    const std::uint64_t wanted = std::min(std::max(threads, t.n / kLargePart), t.n / kLeastPart);
    const std::uint64_t parts = std::clamp<std::uint64_t>(wanted, 1, kMostParts);
    const std::uint64_t length = (t.n + parts - 1) / parts, table = bins + 1;
    const std::uint64_t tables = bins <= kCachedBins ? std::uint64_t{kHistogramTables} : 1;
    if (room.size() < parts * tables * table) room.resize(parts * tables * table);
    std::uint32_t* const all = room.data();
    for_each(parts, [&](std::uint64_t p) {
      const std::uint64_t start = p * length < t.n ? p * length : t.n;
      const std::uint64_t n = t.n - start < length ? t.n - start : length;
      std::uint32_t* const mine = all + p * tables * table;
      std::fill_n(mine, tables * table, 0U);
      kCore.histogram_tables(t.data + start, n, lo, ref::bins_per_unit(lo, hi, bins),
                             static_cast<double>(bins - 1), abs, mine, tables > 1 ? table : 0);
      for (std::uint64_t k = 1; k < tables; ++k) {
        for (std::uint64_t i = 0; i < table; ++i) mine[i] += mine[k * table + i];
      }
    });
    for (std::uint64_t p = 0; p < parts; ++p) {
      const std::uint32_t* const mine = all + p * tables * table;
      for (std::uint64_t i = 0; i < bins; ++i) out[i] += mine[1 + i];
    }
  }
  /// Columns first .. last - 1: part by part of the rows, so that the part stays in the cache
  /// while its columns are gathered one after the other.
  static void histogram_of_columns(const qloom_tensor& t, std::uint64_t first, std::uint64_t last,
                                   const double* lo, const double* hi, std::uint64_t bins, bool abs,
                                   std::uint64_t* out) noexcept {
    constexpr std::uint64_t kRows = 256;
    std::array<float, kRows> x;
    const qloom_tensor part{x.data(), nullptr, 0, kRows, 1, 1, kRows};
    const std::uint64_t rows = t.n / t.groups;
    for (std::uint64_t r = 0; r < rows; r += kRows) {
      const std::uint64_t n = rows - r < kRows ? rows - r : kRows;
      for (std::uint64_t g = first; g < last; ++g) {
        for (std::uint64_t e = 0; e < n; ++e) x[e] = t.data[(r + e) * t.groups + g];
        count(part, 0, n, lo[g], hi[g], bins, abs, out + g * bins);
      }
    }
  }
  /// One group of several, run by run.
  static void histogram_of_group(const qloom_tensor& t, std::uint64_t group, double lo, double hi,
                                 std::uint64_t bins, bool abs, std::uint64_t* out) noexcept {
    for (std::uint64_t start = group * t.inner; start < t.n; start += t.groups * t.inner) {
      const std::uint64_t end = t.n - start < t.inner ? t.n : start + t.inner;
      count(t, start, end, lo, hi, bins, abs, out);
    }
  }
  static void histogram(const qloom_tensor* t, const double* lo, const double* hi,
                        std::uint64_t bins, std::uint32_t abs, std::uint64_t* out) noexcept {
    for (std::uint64_t i = 0; i < t->groups * bins; ++i) out[i] = 0;
    if (t->groups == 1) {
      histogram_of_tensor(*t, lo[0], hi[0], bins, abs != 0, out);
      return;
    }
    if (t->inner == 1) {
      constexpr std::uint64_t kShare = 16;  // one cache line of columns
      for_each((t->groups + kShare - 1) / kShare, [&](std::uint64_t task) {
        const std::uint64_t first = task * kShare;
        const std::uint64_t last = t->groups - first < kShare ? t->groups : first + kShare;
        histogram_of_columns(*t, first, last, lo, hi, bins, abs != 0, out);
      });
      return;
    }
    for_each(t->groups, [&](std::uint64_t g) {
      histogram_of_group(*t, g, lo[g], hi[g], bins, abs != 0, out + g * bins);
    });
  }
};

}  // namespace qloom::kernels
