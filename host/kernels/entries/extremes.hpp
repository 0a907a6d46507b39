// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// extremes on the inner loops of one core. Smallest and largest depend on no order, so the tensor
// is cut as it suits the machine. The inner loops only tell that a value is not finite; what they
// looked at is then gone through once more, element by element.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "host/kernels/core.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::kernels {

template <const Core& kCore>
struct Extremes {
  static constexpr std::uint64_t kMostParts = 32;
  static constexpr std::uint64_t kPiece = 262144;  // elements that are gone through once more

  /// Ends and counts of the groups.
  struct Figures {
    float *lo, *hi;
    std::uint64_t* nonfinite;

    void clear(std::uint64_t first, std::uint64_t last) const noexcept {
      for (std::uint64_t g = first; g < last; ++g) {
        lo[g] = std::numeric_limits<float>::infinity();
        hi[g] = -lo[g];
        nonfinite[g] = 0;
      }
    }
    void merge(const float* low, const float* high, std::uint64_t n) const noexcept {
      for (std::uint64_t g = 0; g < n; ++g) {
        lo[g] = low[g] < lo[g] ? low[g] : lo[g];
        hi[g] = high[g] > hi[g] ? high[g] : hi[g];
      }
    }
  };

  /// Elements first .. last - 1 of the tensor one by one.
  static void each(const qloom_tensor& t, std::uint64_t first, std::uint64_t last,
                   const Figures& out) noexcept {
    for (std::uint64_t i = first; i < last; ++i) {
      const std::uint64_t g = i / t.inner % t.groups;
      const float x = t.data[i];
      if (x - x != 0.0F) {
        ++out.nonfinite[g];
      } else {
        if (x < out.lo[g]) out.lo[g] = x;
        if (x > out.hi[g]) out.hi[g] = x;
      }
    }
  }
  /// Runs of the groups g, g + 1, ... that begin at element `first`.
  static void runs(const qloom_tensor& t, std::uint64_t first, std::uint64_t count,
                   std::uint64_t length, std::uint64_t g, const Figures& out) noexcept {
    if (!kCore.extremes_runs(t.data + first, count, length, out.lo + g, out.hi + g)) {
      each(t, first, first + count * length, out);
    }
  }
  /// The runs of groups g .. end - 1; the last of them may be cut short by the end of the tensor.
  static void some_groups(const qloom_tensor& t, std::uint64_t g, std::uint64_t end,
                          const Figures& out) noexcept {
    out.clear(g, end);
    for (std::uint64_t o = 0; o < t.n; o += t.groups * t.inner) {
      const std::uint64_t first = o + g * t.inner < t.n ? o + g * t.inner : t.n;
      const std::uint64_t last = o + end * t.inner < t.n ? o + end * t.inner : t.n;
      const std::uint64_t whole = (last - first) / t.inner, rest = (last - first) % t.inner;
      runs(t, first, whole, t.inner, g, out);
      if (rest > 0) runs(t, last - rest, 1, rest, g + whole, out);
    }
  }
  /// Elements first .. last - 1 of a tensor whose runs are long.
  static void part_of_runs(const qloom_tensor& t, std::uint64_t first, std::uint64_t last,
                           const Figures& out) noexcept {
    const std::uint64_t run = t.groups == 1 ? t.n : t.inner;
    for (std::uint64_t i = first; i < last;) {
      std::uint64_t end = i - i % run + run < last ? i - i % run + run : last;
      if (end - i > kPiece) end = i + kPiece;
      runs(t, i, 1, end - i, i / run % t.groups, out);
      i = end;
    }
  }
  /// Elements first .. last - 1, whole rows.
  static void part_of_columns(const qloom_tensor& t, std::uint64_t first, std::uint64_t last,
                              const Figures& out) noexcept {
    const std::uint64_t piece = (kPiece / t.groups + 1) * t.groups;
    for (std::uint64_t i = first; i < last; i += piece) {
      const std::uint64_t n = last - i < piece ? last - i : piece;
      if (!kCore.extremes_columns(t.data + i, n / t.groups, t.groups, out.lo, out.hi)) {
        each(t, i, i + n, out);
      }
    }
  }
  /// body(tensor, first, last, figures) for parts of the tensor, cut at multiples of `unit`, on all
  /// threads; what they found ends up in the first of the figures.
  template <class Body>
  static void in_parts(const qloom_tensor& t, std::uint64_t parts, std::uint64_t unit,
                       const Figures& all, const Body& body) noexcept {
    const std::uint64_t units = (t.n + unit - 1) / unit;
    const std::uint64_t length = (units + parts - 1) / parts * unit;
    for_each(parts, [&](std::uint64_t p) {
      const std::uint64_t skip = p * t.groups;
      const Figures mine{all.lo + skip, all.hi + skip, all.nonfinite + skip};
      mine.clear(0, t.groups);
      const std::uint64_t first = p * length, end = first + length;
      if (first < t.n) body(t, first, end < t.n ? end : t.n, mine);
    });
    for (std::uint64_t p = 1; p < parts; ++p) {
      all.merge(all.lo + p * t.groups, all.hi + p * t.groups, t.groups);
      for (std::uint64_t g = 0; g < t.groups; ++g) {
        all.nonfinite[g] += all.nonfinite[p * t.groups + g];
      }
    }
  }
  /// Parts of a tensor of n elements, at most `most` of them: one for each thread, more of them
  /// when they stay large.
  static std::uint64_t part_count(std::uint64_t n, std::uint64_t most = kMostParts) noexcept {
    constexpr std::uint64_t kLeast = 32768, kLarge = 131072;  // elements
    const auto threads = static_cast<std::uint64_t>(omp_get_max_threads());
    const std::uint64_t wanted = std::max(threads, n / kLarge);
    return std::clamp<std::uint64_t>(std::min(wanted, n / kLeast), 1,
                                     std::clamp<std::uint64_t>(most, 1, kMostParts));
  }
  /// Room for `size` groups that is kept by the thread.
  static Figures room(std::uint64_t size) {
    thread_local std::vector<float> ends;
    thread_local std::vector<std::uint64_t> counts;
    if (counts.size() < size) {
      ends.resize(2 * size);
      counts.resize(size);
    }
    return {ends.data(), ends.data() + size, counts.data()};
  }
  static Figures by_column(const qloom_tensor& t) noexcept {
    constexpr std::uint64_t kLeastRows =
        16;  // in a part: it has figures of its own for all columns
    const std::uint64_t parts = part_count(t.n, t.n / t.groups / kLeastRows);
    const Figures all = room(parts * t.groups);
    in_parts(t, parts, t.groups, all, part_of_columns);
    return all;
  }
  /// Few groups or one: the memory is cut, whatever group it belongs to.
  static Figures by_part(const qloom_tensor& t) noexcept {
    constexpr std::uint64_t kLine = 16;  // elements
    const std::uint64_t parts = part_count(t.n);
    const Figures all = room(parts * t.groups);
    in_parts(t, parts, kLine, all, part_of_runs);
    return all;
  }
  static Figures by_group(const qloom_tensor& t) noexcept {
    const std::uint64_t parts = part_count(t.n), share = (t.groups + parts - 1) / parts;
    const Figures all = room(t.groups);
    for_each(parts, [&](std::uint64_t i) {
      const std::uint64_t first = i * share < t.groups ? i * share : t.groups;
      some_groups(t, first, t.groups - first < share ? t.groups : first + share, all);
    });
    return all;
  }
  static void extremes(const qloom_tensor* tensor, double* lo, double* hi,
                       std::uint64_t* nonfinite) noexcept {
    const qloom_tensor& t = *tensor;
    const Figures all = t.groups > 1 && t.inner == 1 ? by_column(t)
                        : t.groups >= 2 * kMostParts ? by_group(t)
                                                     : by_part(t);
    for (std::uint64_t g = 0; g < t.groups; ++g) {
      lo[g] = static_cast<double>(all.lo[g]) + 0.0;  // -0 + 0 = +0
      hi[g] = static_cast<double>(all.hi[g]) + 0.0;
      nonfinite[g] = all.nonfinite[g];
    }
  }
};

}  // namespace qloom::kernels
