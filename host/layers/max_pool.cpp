// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/layers/common/pool.hpp"
#include "host/layers/common/window.hpp"

namespace qloom::layers {
namespace {

void forward(const Layer& layer, const Inputs& inputs, float* y,
             std::vector<std::int32_t>& places) {
  places.resize(static_cast<std::size_t>(inputs.batch * layer.out.size()));
  max_pool(pool_shape(layer, inputs.batch), inputs.values[0], y, places.data());
}

void gradient(const Layer& layer, const Inputs& inputs, const std::vector<std::int32_t>& places,
              const float* dy, std::size_t, float* dx) {
  max_pool_gradient(pool_shape(layer, inputs.batch), dy, places.data(), dx);
}

}  // namespace

extern const LayerType kMaxPool;
constinit const LayerType kMaxPool{.name = "max_pool",
                                   .keys = {"kernel", "stride", "padding"},
                                   .read = read_pool,
                                   .whole = {forward, gradient},
                                   .sign = Sign::kOfInputs,
                                   .of_codes = OfCodes::kChosen,
                                   .hands_input_on = true};

}  // namespace qloom::layers
