// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The process's one thread pool: OpenMP, as oneDNN has it.
#pragma once

#include <algorithm>
#include <cstdint>

#include <omp.h>

namespace qloom {

/// Elements in a tile: reductions are cut at multiples of it whatever the number of threads.
inline constexpr std::uint64_t kTileElements = 4096;  // 16 KiB of float: stays in a 48 KiB L1

/// body(i) for i in 0 .. count - 1, each once, in no order, on all threads, `together` neighbours
/// at a time; serial when called from inside another for_each. The body must not throw.
template <class Body>
void for_each(std::uint64_t count, Body&& body, int together = 1) {
  if (count <= 1 || omp_in_parallel() != 0 || omp_get_max_threads() == 1) {
    for (std::uint64_t i = 0; i < count; ++i) body(i);
    return;
  }
#pragma omp parallel for schedule(dynamic, together)
  for (std::uint64_t i = 0; i < count; ++i) body(i);
}

/// body(first, n) for tiles of kTileElements that cover 0 .. n - 1. Large tensors go out in runs of
/// tiles: memory is read faster along a run.
template <class Body>
void for_each_tile(std::uint64_t n, Body&& body) {
  constexpr std::uint64_t kMostTogether = 16, kRuns = 32;
  const std::uint64_t count = (n + kTileElements - 1) / kTileElements;
  const auto tile = [&](std::uint64_t i) {
    const std::uint64_t first = i * kTileElements;
    body(first, n - first < kTileElements ? n - first : kTileElements);
  };
  for_each(count, tile,
           static_cast<int>(std::clamp<std::uint64_t>(count / kRuns, 1, kMostTogether)));
}

}  // namespace qloom
