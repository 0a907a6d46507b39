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
      y[i] = sdk::elementary::logistic(x[i]);
    }
  });
}

void gradient(const Layer&, const Step&, Chunk chunk, const float* y, const float* dy,
              float* dx) noexcept {
  kernels::vectorized([=] {
    QLOOM_INDEPENDENT_STEPS
    for (std::uint64_t i = 0; i < chunk.n; ++i) {
      dx[i] = dy[i] * (y[i] * (1.0F - y[i]));
    }
  });
}

}  // namespace

extern const LayerType kSigmoid;
/// y = 1 / (1 + exp(-x)), worked out in double and rounded once.
constinit const LayerType kSigmoid{.name = "sigmoid",
                                   .elementwise = {forward, gradient, Elementwise::Reads::kOutput},
                                   .sign = Sign::kNotNegative};

}  // namespace qloom::layers
