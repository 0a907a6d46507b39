// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The process's one thread pool: OpenMP, as oneDNN has it.
#pragma once

#include <cstdint>

#include <omp.h>

namespace qloom {

/// Elements in a tile: reductions are cut at multiples of it whatever the number of threads.
inline constexpr std::uint64_t kTileElements = 4096;  // 16 KiB of float: stays in a 48 KiB L1

/// body(i) for i in 0 .. count - 1, each once, in no order, on all threads; serial when called
/// from inside another for_each. The body must not throw.
template <class Body>
void for_each(std::uint64_t count, Body&& body) {
  if (count <= 1 || omp_in_parallel() != 0 || omp_get_max_threads() == 1) {
    for (std::uint64_t i = 0; i < count; ++i) body(i);
    return;
  }
#pragma omp parallel for schedule(dynamic, 1)
  for (std::uint64_t i = 0; i < count; ++i) body(i);
}

/// body(first, n) for tiles of kTileElements that cover 0 .. n - 1.
template <class Body>
void for_each_tile(std::uint64_t n, Body&& body) {
  for_each((n + kTileElements - 1) / kTileElements, [&](std::uint64_t i) {
    const std::uint64_t first = i * kTileElements;
    body(first, n - first < kTileElements ? n - first : kTileElements);
  });
}

}  // namespace qloom
