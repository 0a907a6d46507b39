// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <qloom/elementary.hpp>

#include "host/kernels/vectorized.hpp"
#include "host/layers/layer.hpp"

namespace qloom::layers {
namespace {

void forward(const Layer&, const Step&, Chunk chunk, const float* x, const float*,
             float* y) noexcept {
  kernels::vectorized([=] {
    QLOOM_INDEPENDENT_STEPS
    for (std::uint64_t i = 0; i < chunk.n; ++i) {
      y[i] = sdk::elementary::tanh(x[i]);
    }
  });
}

void gradient(const Layer&, const Step&, Chunk chunk, const float* y, const float* dy,
              float* dx) noexcept {
  kernels::vectorized([=] {
    QLOOM_INDEPENDENT_STEPS
    for (std::uint64_t i = 0; i < chunk.n; ++i) {
      dx[i] = dy[i] * (1.0F - y[i] * y[i]);
    }
  });
}

}  // namespace

extern const LayerType kTanh;
/// y = tanh(x), worked out in double and rounded once.
constinit const LayerType kTanh{.name = "tanh",
                                .elementwise = {forward, gradient, Elementwise::Reads::kOutput}};

}  // namespace qloom::layers
