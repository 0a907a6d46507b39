// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <fmt/format.h>

#include "host/layers/common/reader.hpp"
#include "host/layers/common/rows.hpp"

namespace qloom::layers {
namespace {

void read(Reader& reader, Layer& layer) {
  layer.out.channels = 0;
  for (const SampleShape& part : reader.inputs()) {
    if (part.height != layer.in.height || part.width != layer.in.width) {
      reader.refuse("/input", fmt::format("shapes {} and {} differ in height or width",
                                          text(layer.in), text(part)));
    }
    layer.out.channels += part.channels;
  }
}

std::int64_t rows_of(const Layer& layer, const Inputs& inputs) {
  return inputs.batch * layer.out.height * layer.out.width;
}

void forward(const Layer& layer, const Inputs& inputs, float* y, std::vector<std::int32_t>&) {
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < inputs.shapes.size(); ++i) {
    const std::int64_t channels = inputs.shapes[i].channels;
    concat_part(inputs.values[i], rows_of(layer, inputs), channels, y, layer.out.channels, offset);
    offset += channels;
  }
}

void gradient(const Layer& layer, const Inputs& inputs, const std::vector<std::int32_t>&,
              const float* dy, std::size_t input, float* dx) {
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < input; ++i) offset += inputs.shapes[i].channels;
  concat_part_gradient(dy, rows_of(layer, inputs), inputs.shapes[input].channels, dx,
                       layer.out.channels, offset);
}

}  // namespace

extern const LayerType kConcat;
/// Side by side along the channels.
constinit const LayerType kConcat{.name = "concat",
                                  .least_inputs = 2,
                                  .most_inputs = LayerType::kMany,
                                  .read = read,
                                  .whole = {forward, gradient},
                                  .sign = Sign::kOfInputs,
                                  .of_codes = OfCodes::kBeside};

}  // namespace qloom::layers
