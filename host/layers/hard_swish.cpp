// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/kernels/vectorized.hpp"
#include "host/layers/layer.hpp"

namespace qloom::layers {
namespace {

void forward(const Layer&, const Step&, Chunk chunk, const float* x, const float*,
             float* y) noexcept {
  kernels::vectorized([=] {
    QLOOM_INDEPENDENT_STEPS
    for (std::uint64_t i = 0; i < chunk.n; ++i) {
      const float shifted = x[i] + 3.0F, positive = shifted < 0 ? 0.0F : shifted;  // NaN stays NaN
      y[i] = x[i] * (positive > 6.0F ? 6.0F : positive) / 6.0F;
    }
  });
}

void gradient(const Layer&, const Step&, Chunk chunk, const float* x, const float* dy,
              float* dx) noexcept {
  kernels::vectorized([=] {
    QLOOM_INDEPENDENT_STEPS
    for (std::uint64_t i = 0; i < chunk.n; ++i) {
      const float slope = x[i] / 3.0F + 0.5F, below = x[i] < 3.0F ? slope : 1.0F;
      dx[i] = dy[i] * (x[i] <= -3.0F ? 0.0F : below);
    }
  });
}

}  // namespace

extern const LayerType kHardSwish;
/// y = x * min(max(x + 3, 0), 6) / 6 (Howard et al., 2019); no gradient up to -3, all of it from 3
/// on.
constinit const LayerType kHardSwish{
    .name = "hard_swish", .elementwise = {forward, gradient, Elementwise::Reads::kInput}};

}  // namespace qloom::layers
