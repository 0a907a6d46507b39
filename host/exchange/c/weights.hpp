// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Weights in as few bits as their values allow: weight = low + step * field.
#pragma once

#include <cstdint>
#include <vector>

#include "host/exchange/c/types.hpp"

namespace qloom::exchange::c {

/// How the weights of a layer lie. Fields of 1, 2 or 4 bits begin at the low end of a byte, rows
/// (one an output channel) at a byte; of 8 bits and more they are elements of an array, low 0,
/// step 1.
struct Packing {
  int bits = 8;
  std::int64_t low = 0, step = 1;
};

/// The narrowest packing of these values: of at most 2, 4 or 16 that lie equally far apart.
[[nodiscard]] Packing packing_of(const std::vector<std::int32_t>& weights);

/// Rows of fields as bytes; `row`: weights of one.
[[nodiscard]] std::vector<std::int64_t> packed(const std::vector<std::int32_t>& weights,
                                               std::int64_t row, Packing packing);

}  // namespace qloom::exchange::c
