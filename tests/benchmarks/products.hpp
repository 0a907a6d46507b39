// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Multiply-adds that a convolution needs: those with padding are not counted, as nobody does them.
#pragma once

#include <cstdint>

namespace qloom::bench {

/// Pairs of an output and a kernel position along one axis that lie inside the input.
[[nodiscard]] inline std::int64_t taps(std::int64_t in, std::int64_t out, std::int64_t kernel,
                                       std::int64_t stride, std::int64_t pad_before) {
  std::int64_t count = 0;
  for (std::int64_t o = 0; o < out; ++o) {
    for (std::int64_t k = 0; k < kernel; ++k) {
      const std::int64_t position = o * stride - pad_before + k;
      if (position >= 0 && position < in) ++count;
    }
  }
  return count;
}

}  // namespace qloom::bench
