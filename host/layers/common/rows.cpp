// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/layers/common/rows.hpp"

#include <cstring>

namespace qloom::layers {

void concat_part(const float* x, std::int64_t rows, std::int64_t channels, float* y,
                 std::int64_t y_channels, std::int64_t offset) {
  const std::size_t bytes = static_cast<std::size_t>(channels) * sizeof(float);
  for_each_rows(rows, channels, [&](std::int64_t first, std::int64_t count) {
    for (std::int64_t r = first; r < first + count; ++r) {
      std::memcpy(y + r * y_channels + offset, x + r * channels, bytes);
    }
  });
}

void concat_part_gradient(const float* dy, std::int64_t rows, std::int64_t channels, float* dx,
                          std::int64_t y_channels, std::int64_t offset) {
  const std::size_t bytes = static_cast<std::size_t>(channels) * sizeof(float);
  for_each_rows(rows, channels, [&](std::int64_t first, std::int64_t count) {
    for (std::int64_t r = first; r < first + count; ++r) {
      std::memcpy(dx + r * channels, dy + r * y_channels + offset, bytes);
    }
  });
}

}  // namespace qloom::layers
