// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Loops of a method's own, compiled once for each instruction set that the host chooses among, and
// sums in an order that they can keep. A loop that the host's kernels offer is better left to them.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <type_traits>
#include <vector>

#include <qloom/instruction_sets.hpp>
#include <qloom/support.hpp>

namespace qloom::sdk {

/// loop() with the instruction set of the host's kernels: all that it calls and that can be inlined
/// is compiled for that set. The bits are the same on all: a * b + c is never contracted.
template <class Loop>
void vectorized(const Loop& loop) noexcept {
  run_on(kernels().isa, loop);
}

/// The of_group of the loops below for a table with one entry per group.
template <class T>
[[nodiscard]] auto entry_of(const std::vector<T>& table) noexcept {
  return [data = table.data()](std::uint64_t group) { return data[group]; };
}

/// body(entry, i) for the elements of a block, vectorized, i counted from its first element; entry
/// = of_group(group) is what the method holds for the element's group. Elements must not depend on
/// each other. The body vectorizes when it reads and computes the same for every element and only
/// then chooses, with `?:`; a call into the mathematical library keeps it scalar.
template <class OfGroup, class Body>
void for_each_element(const qloom_block& block, const OfGroup& of_group,
                      const Body& body) noexcept {
  vectorized([&] {
    for_each_span(
        block, [&](std::uint64_t begin, std::uint64_t count, std::uint64_t group, bool is_columns) {
          if (is_columns) {
            QLOOM_INDEPENDENT_STEPS
            for (std::uint64_t j = 0; j < count; ++j) body(of_group(group + j), begin + j);
          } else {
            const auto entry = of_group(group);
            QLOOM_INDEPENDENT_STEPS
            for (std::uint64_t j = 0; j < count; ++j) body(entry, begin + j);
          }
        });
  });
}

inline constexpr std::uint64_t kLanes = 16;  ///< of a sum

/// The lanes of a sum combined pairwise.
[[nodiscard]] inline double joined_lanes(double* lane) noexcept {
  for (std::uint64_t width = kLanes / 2; width > 0; width /= 2) {
    for (std::uint64_t j = 0; j < width; ++j) lane[j] += lane[j + width];
  }
  return lane[0];
}

/// Sum of n values in double, in sixteen lanes combined pairwise: a fixed order that vectorizes.
template <class T>
[[nodiscard]] inline double lane_sum(const T* x, std::uint64_t n) noexcept {
  alignas(64) double lane[kLanes] = {};
  std::uint64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::uint64_t j = 0; j < kLanes; ++j) lane[j] += x[i + j];
  }
  for (std::uint64_t j = 0; i + j < n; ++j) lane[j] += x[i + j];
  return joined_lanes(lane);
}

namespace detail {

/// What body returns for an element: a std::array of float or double.
template <class OfGroup, class Body>
using TermsOf =
    std::invoke_result_t<Body, std::invoke_result_t<OfGroup, std::uint64_t>, std::uint64_t>;

/// Runs of one group. The lanes stay in registers: the compiler unrolls the loop over them and
/// moves their loads and stores out of the loop around it. What lies kAhead elements further on is
/// asked for, so that memory works while the terms are computed.
template <class Terms, class OfGroup, class Body, class... Streams>
inline void sum_runs(const qloom_block& block, double* sums, std::uint64_t width,
                     const OfGroup& of_group, const Body& body,
                     const Streams*... streams) noexcept {
  constexpr std::size_t kCount = std::tuple_size_v<Terms>;
  constexpr std::uint64_t kAhead = 256;
  for_each_piece(block, [&](const qloom_block& piece, std::uint64_t first) {
    for_each_run(piece, [&](std::uint64_t begin, std::uint64_t count, std::uint64_t group) {
      const auto entry = of_group(group);
      alignas(64) double lane[kCount][kLanes] = {};
      std::uint64_t i = first + begin;
      const std::uint64_t end = i + count;
      for (; i + kLanes <= end; i += kLanes) {
        (__builtin_prefetch(streams + i + kAhead), ...);
        QLOOM_INDEPENDENT_STEPS
        for (std::uint64_t j = 0; j < kLanes; ++j) {
          const Terms terms = body(entry, i + j);
          for (std::size_t t = 0; t < kCount; ++t) lane[t][j] += terms[t];
        }
      }
      for (std::uint64_t j = 0; i + j < end; ++j) {
        const Terms terms = body(entry, i + j);
        for (std::size_t t = 0; t < kCount; ++t) lane[t][j] += terms[t];
      }
      double* own = sums + (group - block.group_first) * width;
      for (std::size_t t = 0; t < kCount; ++t) own[t] += joined_lanes(lane[t]);
    });
  });
}

/// Groups side by side: some columns at a time, row by row.
template <class Terms, class OfGroup, class Body>
inline void sum_columns(const qloom_block& block, double* sums, std::uint64_t width,
                        const OfGroup& of_group, const Body& body) noexcept {
  constexpr std::uint64_t kColumns = 256;
  constexpr std::size_t kCount = std::tuple_size_v<Terms>;
  const std::uint64_t end = block.first + block.n;
  const std::uint64_t last_column = block.group_first + block.group_count;
  for (std::uint64_t column = block.group_first; column < last_column; column += kColumns) {
    alignas(64) double total[kCount][kColumns] = {};
    const std::uint64_t left = last_column - column, columns = left < kColumns ? left : kColumns;
    for (std::uint64_t row = block.first - block.first % block.groups; row < end;
         row += block.groups) {
      // elements row + column + from .. row + column + to - 1 of the tensor
      const std::uint64_t start = row + column;
      const std::uint64_t from = start < block.first ? block.first - start : 0;
      const std::uint64_t to = start + columns < end ? columns : end > start ? end - start : 0;
      QLOOM_INDEPENDENT_STEPS
      for (std::uint64_t j = from; j < to; ++j) {
        const Terms terms = body(of_group(column + j), start + j - block.first);
        for (std::size_t t = 0; t < kCount; ++t) total[t][j] += terms[t];
      }
    }
    for (std::uint64_t j = 0; j < columns; ++j) {
      double* own = sums + (column + j - block.group_first) * width;
      for (std::size_t t = 0; t < kCount; ++t) own[t] += total[t][j];
    }
  }
}

}  // namespace detail

/// for_each_element with sums: body returns a std::array of terms, float or double, which are added
/// to sums[(group - block.group_first) * Width + term]; Width 0 stands for the number of terms.
/// streams: arrays of which body reads or writes element i; a hint for speed alone.
///
/// exactness: in double. A run of one group is cut at multiples of kPieceElements from the block's
///            first element; each piece has the lanes of lane_sum(). Where groups alternate from
///            element to element, each adds its terms in order. The same on every instruction set.
template <std::uint64_t Width = 0, class OfGroup, class Body, class... Streams>
void sum_elements(const qloom_block& block, double* sums, const OfGroup& of_group, const Body& body,
                  const Streams*... streams) noexcept {
  using Terms = detail::TermsOf<OfGroup, Body>;
  constexpr std::uint64_t kWidth = Width > 0 ? Width : std::tuple_size_v<Terms>;
  vectorized([&] {
    if (block.inner == 1 && block.groups > 1) {
      detail::sum_columns<Terms>(block, sums, kWidth, of_group, body);
    } else {
      detail::sum_runs<Terms>(block, sums, kWidth, of_group, body, streams...);
    }
  });
}

/// sum_elements over a whole tensor, on the host's threads: [groups][terms]. body's i counts from
/// the tensor's first element. Blocks of a fixed size are added in order.
template <class OfGroup, class Body>
std::vector<double> sum_groups(const qloom_tensor& x, std::vector<double>& scratch,
                               const OfGroup& of_group, const Body& body) {
  constexpr std::uint64_t kBlock = 65536;
  constexpr std::uint64_t kTerms = std::tuple_size_v<detail::TermsOf<OfGroup, Body>>;
  const std::uint64_t blocks = (x.n + kBlock - 1) / kBlock;
  const auto block = [&](std::uint64_t b) {
    return block_of(x, b * kBlock, x.n - b * kBlock < kBlock ? x.n - b * kBlock : kBlock);
  };
  // As many groups as the widest block has.
  std::uint64_t most = 0;
  for (std::uint64_t b = 0; b < blocks; ++b) {
    const std::uint64_t count = block(b).group_count;
    most = count > most ? count : most;
  }
  const std::uint64_t pitch = most * kTerms;
  scratch.assign(blocks * pitch, 0.0);
  for_each(blocks, [&](std::uint64_t b) noexcept {
    const qloom_block own = block(b);
    sum_elements(own, scratch.data() + b * pitch, of_group,
                 [&](const auto& entry, std::uint64_t i) { return body(entry, own.first + i); });
  });
  std::vector<double> sums(x.groups * kTerms, 0.0);
  for (std::uint64_t b = 0; b < blocks; ++b) {
    const qloom_block own = block(b);
    for (std::uint64_t k = 0; k < own.group_count * kTerms; ++k) {
      sums[own.group_first * kTerms + k] += scratch[b * pitch + k];
    }
  }
  return sums;
}

}  // namespace qloom::sdk
