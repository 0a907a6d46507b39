// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// How methods see a tensor: outer x groups x inner, in tiles of kTileElements. (The checker has a
// second definition of both, as its oracle.)
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include <qloom/abi.h>

#include "host/json/json.hpp"
#include "host/tensor/parallel.hpp"
#include "host/tensor/tensor.hpp"

namespace qloom::methods {

/// What shares one scale, range or threshold.
struct Grouping {
  enum class By { kTensor, kChannel, kElements, kSample };
  By by = By::kTensor;
  int channel_axis = -1;        ///< by channel; negative counts from the last
  std::uint64_t elements = 0;   ///< of one group, by elements
  bool inside_samples = false;  ///< by elements: axis 0 is the batch, and its samples share groups
};

/// granularity: "tensor", "channel", "sample" or {"group": k}.
[[nodiscard]] Grouping grouping_of(const json::Json& granularity, int channel_axis);

/// The tensor as the groups cut it; borrows shape and data, data may be null. Of an empty one inner
/// is at least 1. InputError that begins with `place` where the shape does not divide so.
[[nodiscard]] qloom_tensor tensor_of(const Grouping& grouping, const Shape& shape,
                                     const float* data, const std::string& place);

[[nodiscard]] inline std::uint64_t tile_count(std::uint64_t n) {
  return (n + kTileElements - 1) / kTileElements;
}
/// Tile `index` of the tensor, of which there are tile_count(t.n).
[[nodiscard]] qloom_block tile_of(const qloom_tensor& t, std::uint64_t index);

}  // namespace qloom::methods
