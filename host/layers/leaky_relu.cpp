// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/kernels/vectorized.hpp"
#include "host/layers/common/reader.hpp"

namespace qloom::layers {
namespace {

/// Of PyTorch and of the paper.
constexpr float kSlope = 0.01F;

void read(Reader& reader, Layer& layer) { layer.slope = reader.value("slope", kSlope); }

void forward(const Layer& layer, const Step&, Chunk chunk, const float* x, const float*,
             float* y) noexcept {
  const float slope = layer.slope;
  kernels::vectorized([=] {
    QLOOM_INDEPENDENT_STEPS
    for (std::uint64_t i = 0; i < chunk.n; ++i) {
      y[i] = x[i] < 0 ? slope * x[i] : x[i];
    }
  });
}

void gradient(const Layer& layer, const Step&, Chunk chunk, const float* y, const float* dy,
              float* dx) noexcept {
  const float slope = layer.slope;
  kernels::vectorized([=] {
    QLOOM_INDEPENDENT_STEPS
    for (std::uint64_t i = 0; i < chunk.n; ++i) {
      dx[i] = y[i] < 0 ? slope * dy[i] : dy[i];
    }
  });
}

}  // namespace

extern const LayerType kLeakyRelu;
/// y = x, or slope * x below 0 (Maas, Hannun, Ng, 2013).
constinit const LayerType kLeakyRelu{
    .name = "leaky_relu",
    .keys = {"slope"},
    .read = read,
    .elementwise = {forward, gradient, Elementwise::Reads::kOutput}};

}  // namespace qloom::layers
