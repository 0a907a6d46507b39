// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Tensors as rows of channels, whole, on all threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "host/tensor/parallel.hpp"

namespace qloom::layers {

/// body(first row, rows) for blocks of rows of about kTileElements, on all threads.
template <class Body>
void for_each_rows(std::int64_t rows, std::int64_t width, const Body& body) {
  const std::int64_t block =
      std::max<std::int64_t>(1, static_cast<std::int64_t>(kTileElements) / width);
  for_each(static_cast<std::uint64_t>((rows + block - 1) / block), [&](std::uint64_t i) {
    const std::int64_t first = static_cast<std::int64_t>(i) * block;
    body(first, std::min(block, rows - first));
  });
}

/// Copies `channels` of a row of pitch y_channels starting at `offset`: y[r, offset + c] = x[r, c].
void concat_part(const float* x, std::int64_t rows, std::int64_t channels, float* y,
                 std::int64_t y_channels, std::int64_t offset);
void concat_part_gradient(const float* dy, std::int64_t rows, std::int64_t channels, float* dx,
                          std::int64_t y_channels, std::int64_t offset);

}  // namespace qloom::layers
