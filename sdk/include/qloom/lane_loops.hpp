// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Loops over rows of lanes side by side: element i belongs to lane i % width, a width is a multiple
// of the tensor's channels. What a lane has for itself, entries of tables and sums, stays in
// registers while the rows go by.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include <qloom/vectorized.hpp>

namespace qloom::sdk {

/// Where a loop reads: one value per element, or one per lane.
template <std::size_t kCount>
using Sources = std::array<const float*, kCount>;

namespace detail {

/// The lanes that a loop keeps in registers: several vectors of every instruction set.
inline constexpr std::uint64_t kLanesTogether = 64;

/// rows(tables, lanes): one loop over all rows. Rows of kLanesTogether lanes get their number as a
/// constant and the tables' entries in memory that nothing else writes; wider ones are read as they
/// lie, so that memory is read in order.
template <std::size_t kTables, class Rows>
inline void with_entries(std::uint64_t width, const Sources<kTables>& tables,
                         const Rows& rows) noexcept {
  if (width != kLanesTogether) return rows(tables, width);
  alignas(64) float entries[kTables][kLanesTogether];
  std::array<const float*, kTables> own;
  for (std::size_t t = 0; t < kTables; ++t) {
    std::memcpy(entries[t], tables[t], sizeof entries[t]);
    own[t] = entries[t];
  }
  rows(own, std::integral_constant<std::uint64_t, kLanesTogether>{});
}

/// row(first element, lanes) in order; the last row may be short.
template <class Lanes, class Row>
inline void for_each_row(std::uint64_t n, const Lanes& lanes, const Row& row) noexcept {
  const std::uint64_t width = lanes;
  std::uint64_t i = 0;
  for (; width > 0 && i + width <= n; i += width) row(i, width);
  if (i < n) row(i, n - i);
}

}  // namespace detail

/// out[i] = body(value of each stream at i, entry of each table for its lane), vectorized, for
/// elements 0 .. n - 1. out may be one of the streams.
template <std::size_t kStreams, std::size_t kTables, class Body>
void map_lanes(std::uint64_t n, std::uint64_t width, const Sources<kStreams>& streams,
               const Sources<kTables>& tables, float* out, const Body& body) noexcept {
  const auto run = [&]<std::size_t... kS, std::size_t... kT>(std::index_sequence<kS...>,
                                                             std::index_sequence<kT...>) {
    detail::with_entries(width, tables, [&](const auto& entry, const auto& lanes) {
      detail::for_each_row(n, lanes, [&](std::uint64_t i, std::uint64_t count) {
        QLOOM_INDEPENDENT_STEPS
        for (std::uint64_t j = 0; j < count; ++j) {
          out[i + j] = body(streams[kS][i + j]..., entry[kT][j]...);
        }
      });
    });
  };
  vectorized(
      [&] { run(std::make_index_sequence<kStreams>{}, std::make_index_sequence<kTables>{}); });
}

/// sums[term * width + lane] += term `term` of body(streams..., entries...), a std::array of kTerms
/// doubles, each lane in order.
template <std::size_t kTerms, std::size_t kStreams, std::size_t kTables, class Body>
void sum_lanes(std::uint64_t n, std::uint64_t width, const Sources<kStreams>& streams,
               const Sources<kTables>& tables, double* sums, const Body& body) noexcept {
  using Terms = std::array<double, kTerms>;
  const auto add_rows = [&]<std::size_t... kS, std::size_t... kT>(
      const auto& entry, const auto& lanes, double* total, std::index_sequence<kS...>,
      std::index_sequence<kT...>) {
    detail::for_each_row(n, lanes, [&](std::uint64_t i, std::uint64_t count) {
      QLOOM_INDEPENDENT_STEPS
      for (std::uint64_t j = 0; j < count; ++j) {
        const Terms terms = body(streams[kS][i + j]..., entry[kT][j]...);
        for (std::size_t t = 0; t < terms.size(); ++t) total[t * lanes + j] += terms[t];
      }
    });
  };
  vectorized([&] {
    detail::with_entries(width, tables, [&](const auto& entry, const auto& lanes) {
      constexpr std::make_index_sequence<kStreams> own_streams;
      constexpr std::make_index_sequence<kTables> own_tables;
      if (lanes != detail::kLanesTogether) {
        return add_rows(entry, lanes, sums, own_streams, own_tables);
      }
      alignas(64) double total[kTerms * detail::kLanesTogether];
      std::memcpy(total, sums, sizeof total);
      add_rows(entry, lanes, total, own_streams, own_tables);
      std::memcpy(sums, total, sizeof total);
    });
  });
}

}  // namespace qloom::sdk
