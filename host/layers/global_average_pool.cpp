// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/layers/common/pool.hpp"
#include "host/layers/common/reader.hpp"

namespace qloom::layers {
namespace {

void read(Reader&, Layer& layer) {
  layer.kernel_h = layer.stride_h = layer.in.height;
  layer.kernel_w = layer.stride_w = layer.in.width;
  layer.out = {1, 1, layer.in.channels};
}

void forward(const Layer& layer, const Inputs& inputs, float* y, std::vector<std::int32_t>&) {
  average_pool(pool_shape(layer, inputs.batch), inputs.values[0], y);
}

void gradient(const Layer& layer, const Inputs& inputs, const std::vector<std::int32_t>&,
              const float* dy, std::size_t, float* dx) {
  average_pool_gradient(pool_shape(layer, inputs.batch), dy, dx);
}

}  // namespace

extern const LayerType kGlobalAveragePool;
constinit const LayerType kGlobalAveragePool{.name = "global_average_pool",
                                             .read = read,
                                             .whole = {forward, gradient},
                                             .sign = Sign::kOfInputs,
                                             .of_codes = OfCodes::kMean};

}  // namespace qloom::layers
