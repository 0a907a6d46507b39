// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/layers/common/elementwise.hpp"
#include "host/layers/common/reader.hpp"

namespace qloom::layers {
namespace {

void read(Reader& reader, Layer&) { require_one_shape(reader); }

void forward(const Layer&, const Step&, Chunk chunk, const float* x, const float* second,
             float* y) noexcept {
  add(x, second, y, chunk.n);
}

}  // namespace

extern const LayerType kAdd;
/// The sum of two; each gets the whole gradient.
constinit const LayerType kAdd{.name = "add",
                               .least_inputs = 2,
                               .most_inputs = 2,
                               .read = read,
                               .elementwise = {.forward = forward},
                               .of_codes = OfCodes::kSum};

}  // namespace qloom::layers
