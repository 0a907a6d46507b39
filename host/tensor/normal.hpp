// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

#include "host/tensor/random.hpp"

namespace qloom {

/// Number `index` of a normal distribution with mean 0, from two words of the stream at a step: Box
/// and Muller, 1958. In double, rounded once.
[[nodiscard]] inline float normal(std::uint64_t seed, std::uint64_t stream, std::uint64_t step,
                                  std::uint64_t index, double deviation = 1.0) {
  const double u = 1.0 - double{uniform(random_word(seed, stream, step, 2 * index))};  // (0, 1]
  const double v = uniform(random_word(seed, stream, step, 2 * index + 1));
  return static_cast<float>(deviation * std::sqrt(-2.0 * std::log(u)) *
                            std::cos(2.0 * std::numbers::pi * v));
}

}  // namespace qloom
