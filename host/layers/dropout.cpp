// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <array>

#include "host/kernels/kernels.hpp"
#include "host/layers/common/reader.hpp"
#include "host/tensor/random.hpp"

namespace qloom::layers {
namespace {

void read(Reader& reader, Layer& layer) {
  layer.rate = reader.required("rate").get<float>();
  layer.stream = stream_id("dropout/" + layer.name);
}

/// to[i] = from[i] / (1 - rate) where the element's random word keeps it, else 0.
void mask(const Layer& layer, const Step& step, Chunk chunk, const float* from,
          float* to) noexcept {
  constexpr std::uint64_t kWords = 512;
  std::array<std::uint32_t, kWords> words;
  const auto least = static_cast<std::uint64_t>(double{layer.rate} * 0x1p32);
  const float scale = 1.0F / (1.0F - layer.rate);
  for (std::uint64_t first = 0; first < chunk.n; first += kWords) {
    const std::uint64_t n = std::min(kWords, chunk.n - first);
    kernels::table().random_u32(step.seed, layer.stream, step.step, chunk.first + first,
                                words.data(), n);
    for (std::uint64_t i = 0; i < n; ++i) {
      to[first + i] = words[i] >= least ? from[first + i] * scale : 0.0F;
    }
  }
}

void forward(const Layer& layer, const Step& step, Chunk chunk, const float* x, const float*,
             float* y) noexcept {
  if (step.training) return mask(layer, step, chunk, x, y);
  if (y != x) std::copy_n(x, chunk.n, y);
}

void gradient(const Layer& layer, const Step& step, Chunk chunk, const float*, const float* dy,
              float* dx) noexcept {
  forward(layer, step, chunk, dy, nullptr, dx);
}

}  // namespace

extern const LayerType kDropout;
/// Training sets a share of the values to 0 and scales the others up, so that the mean stays
/// (Srivastava et al., 2014). The mask is a function of seed, layer, step and element.
constinit const LayerType kDropout{.name = "dropout",
                                   .keys = {"rate"},
                                   .read = read,
                                   .elementwise = {forward, gradient},
                                   .sign = Sign::kOfInputs,
                                   .acts_in_training_only = true,
                                   .hands_input_on = true};

}  // namespace qloom::layers
