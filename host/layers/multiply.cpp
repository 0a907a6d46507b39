// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/kernels/vectorized.hpp"
#include "host/layers/common/reader.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::layers {
namespace {

void read(Reader& reader, Layer&) { require_one_shape(reader); }

void product(const float* a, const float* b, float* y, std::uint64_t n) noexcept {
  kernels::vectorized([=] {
    QLOOM_INDEPENDENT_STEPS
    for (std::uint64_t i = 0; i < n; ++i) y[i] = a[i] * b[i];
  });
}

void forward(const Layer&, const Step&, Chunk chunk, const float* x, const float* second,
             float* y) noexcept {
  product(x, second, y, chunk.n);
}

/// Each input's gradient is dy times the other input.
void gradient(const Layer& layer, const Inputs& inputs, const std::vector<std::int32_t>&,
              const float* dy, std::size_t input, float* dx) {
  const float* other = inputs.values[1 - input];
  for_each_tile(static_cast<std::uint64_t>(inputs.batch * layer.out.size()),
                [&](std::uint64_t first, std::uint64_t n) {
                  product(dy + first, other + first, dx + first, n);
                });
}

}  // namespace

extern const LayerType kMultiply;
/// The product of two, element by element.
constinit const LayerType kMultiply{.name = "multiply",
                                    .least_inputs = 2,
                                    .most_inputs = 2,
                                    .read = read,
                                    .elementwise = {.forward = forward},
                                    .whole = {.gradient = gradient, .reads_inputs = true},
                                    .sign = Sign::kOfInputs};

}  // namespace qloom::layers
