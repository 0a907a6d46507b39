// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/layers/common/pool.hpp"
#include "host/layers/common/window.hpp"

namespace qloom::layers {
namespace {

void forward(const Layer& layer, const Inputs& inputs, float* y, std::vector<std::int32_t>&) {
  average_pool(pool_shape(layer, inputs.batch), inputs.values[0], y);
}

void gradient(const Layer& layer, const Inputs& inputs, const std::vector<std::int32_t>&,
              const float* dy, std::size_t, float* dx) {
  average_pool_gradient(pool_shape(layer, inputs.batch), dy, dx);
}

}  // namespace

extern const LayerType kAveragePool;
constinit const LayerType kAveragePool{.name = "average_pool",
                                       .keys = {"kernel", "stride", "padding"},
                                       .read = read_pool,
                                       .whole = {forward, gradient},
                                       .sign = Sign::kOfInputs,
                                       .of_codes = OfCodes::kMean,
                                       .hands_input_on = true};

}  // namespace qloom::layers
