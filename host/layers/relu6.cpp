// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/layers/common/elementwise.hpp"
#include "host/layers/layer.hpp"

namespace qloom::layers {
namespace {

constexpr float kCeiling = 6.0F;

void forward(const Layer&, const Step&, Chunk chunk, const float* x, const float*,
             float* y) noexcept {
  relu(x, y, chunk.n, kCeiling);
}

void gradient(const Layer&, const Step&, Chunk chunk, const float* y, const float* dy,
              float* dx) noexcept {
  relu_gradient(y, dy, dx, chunk.n, kCeiling);
}

}  // namespace

extern const LayerType kRelu6;
constinit const LayerType kRelu6{.name = "relu6",
                                 .elementwise = {forward, gradient, Elementwise::Reads::kOutput},
                                 .sign = Sign::kNotNegative,
                                 .clamp = Clamp{0, kCeiling}};

}  // namespace qloom::layers
