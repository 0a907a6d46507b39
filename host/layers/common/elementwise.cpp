// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/layers/common/elementwise.hpp"

#include "host/kernels/vectorized.hpp"

namespace qloom::layers {

void relu(const float* x, float* y, std::uint64_t n, float ceiling) {
  kernels::vectorized([=] {
    QLOOM_INDEPENDENT_STEPS
    for (std::uint64_t i = 0; i < n; ++i) {
      const float positive = x[i] < 0 ? 0.0F : x[i];  // NaN stays NaN
      y[i] = positive > ceiling ? ceiling : positive;
    }
  });
}

void relu_gradient(const float* y, const float* dy, float* dx, std::uint64_t n, float ceiling) {
  kernels::vectorized([=] {
    QLOOM_INDEPENDENT_STEPS
    for (std::uint64_t i = 0; i < n; ++i) {
      const float error = dy[i], above = y[i] > 0 ? error : 0.0F;
      dx[i] = y[i] < ceiling ? above : 0.0F;
    }
  });
}

void add(const float* a, const float* b, float* y, std::uint64_t n) {
  kernels::vectorized([=] {
    QLOOM_INDEPENDENT_STEPS
    for (std::uint64_t i = 0; i < n; ++i) y[i] = a[i] + b[i];
  });
}

void scale_shift(const float* x, const float* scale, const float* shift, std::uint64_t rows,
                 std::uint64_t channels, float* y) {
  kernels::vectorized([=] {
    for (std::uint64_t first = 0; first < rows * channels; first += channels) {
      QLOOM_INDEPENDENT_STEPS
      for (std::uint64_t c = 0; c < channels; ++c)
        y[first + c] = x[first + c] * scale[c] + shift[c];
    }
  });
}

}  // namespace qloom::layers
