// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>

#include "host/layers/common/reader.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::layers {
namespace {

void read(Reader& reader, Layer& layer) {
  layer.pad_top = reader.value<std::int64_t>("top", 0);
  layer.pad_bottom = reader.value<std::int64_t>("bottom", 0);
  layer.pad_left = reader.value<std::int64_t>("left", 0);
  layer.pad_right = reader.value<std::int64_t>("right", 0);
  layer.value = reader.value("value", 0.0F);
  if (layer.value < 0) layer.sign = Sign::kAny;
  layer.out.height += layer.pad_top + layer.pad_bottom;
  layer.out.width += layer.pad_left + layer.pad_right;
  if (layer.out == layer.in) {
    reader.refuse("",
                  "a pad of no pixel; expected \"top\", \"bottom\", \"left\" or \"right\" of 1 "
                  "or more");
  }
}

/// body(row of the input, first element of it in the output), for all samples, on all threads.
template <class Body>
void for_each_input_row(const Layer& layer, std::int64_t batch, const Body& body) {
  for_each(static_cast<std::uint64_t>(batch * layer.in.height), [&](std::uint64_t index) {
    const auto row = static_cast<std::int64_t>(index);
    const std::int64_t sample = row / layer.in.height, h = row % layer.in.height + layer.pad_top;
    body(row,
         ((sample * layer.out.height + h) * layer.out.width + layer.pad_left) * layer.out.channels);
  });
}

void forward(const Layer& layer, const Inputs& inputs, float* y, std::vector<std::int32_t>&) {
  for_each_tile(
      static_cast<std::uint64_t>(inputs.batch * layer.out.size()),
      [&](std::uint64_t first, std::uint64_t n) { std::fill_n(y + first, n, layer.value); });
  const std::int64_t length = layer.in.width * layer.in.channels;
  for_each_input_row(layer, inputs.batch, [&](std::int64_t row, std::int64_t at) {
    std::copy_n(inputs.values[0] + row * length, length, y + at);
  });
}

void gradient(const Layer& layer, const Inputs& inputs, const std::vector<std::int32_t>&,
              const float* dy, std::size_t, float* dx) {
  const std::int64_t length = layer.in.width * layer.in.channels;
  for_each_input_row(layer, inputs.batch, [&](std::int64_t row, std::int64_t at) {
    std::copy_n(dy + at, length, dx + row * length);
  });
}

}  // namespace

extern const LayerType kPad;
/// A frame of one value around the image.
constinit const LayerType kPad{.name = "pad",
                               .keys = {"top", "bottom", "left", "right", "value"},
                               .read = read,
                               .whole = {forward, gradient},
                               .sign = Sign::kOfInputs,
                               .hands_input_on = true};

}  // namespace qloom::layers
