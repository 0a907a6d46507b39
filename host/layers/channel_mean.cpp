// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>

#include "host/layers/common/reader.hpp"
#include "host/layers/common/rows.hpp"

namespace qloom::layers {
namespace {

void read(Reader&, Layer& layer) { layer.out.channels = 1; }

std::int64_t pixels(const Layer& layer, const Inputs& inputs) {
  return inputs.batch * layer.in.height * layer.in.width;
}

void forward(const Layer& layer, const Inputs& inputs, float* y, std::vector<std::int32_t>&) {
  const std::int64_t channels = layer.in.channels;
  for_each_rows(pixels(layer, inputs), channels, [&](std::int64_t first, std::int64_t count) {
    for (std::int64_t r = first; r < first + count; ++r) {
      double sum = 0;  // in the order of the channels
      for (std::int64_t c = 0; c < channels; ++c) sum += inputs.values[0][r * channels + c];
      y[r] = static_cast<float>(sum / static_cast<double>(channels));
    }
  });
}

void gradient(const Layer& layer, const Inputs& inputs, const std::vector<std::int32_t>&,
              const float* dy, std::size_t, float* dx) {
  const std::int64_t channels = layer.in.channels;
  for_each_rows(pixels(layer, inputs), channels, [&](std::int64_t first, std::int64_t count) {
    for (std::int64_t r = first; r < first + count; ++r) {
      std::fill_n(dx + r * channels, channels, dy[r] / static_cast<float>(channels));
    }
  });
}

}  // namespace

extern const LayerType kChannelMean;
/// The mean over the channels, for each pixel.
constinit const LayerType kChannelMean{
    .name = "channel_mean", .read = read, .whole = {forward, gradient}, .sign = Sign::kOfInputs};

}  // namespace qloom::layers
