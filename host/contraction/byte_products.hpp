// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Convolutions of bytes for who has integers and wants integers: weights are packed once.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "host/contraction/contraction.hpp"

namespace qloom::contraction {

class SlicePrimitive;

/// Exact sums of unsigned bytes times signed ones, for inputs of one shape. What the shape pads
/// counts as 0.
///
/// threads: run() is safe for different slots at once; the rest is for one thread.
class ByteProducts {
 public:
  /// Null where there is no exact way to these sums: no AVX-512 VNNI, no oneDNN, or none of its
  /// convolutions fits. weights: (out_c, kernel_h, kernel_w, in_c / groups); largest_sum: no
  /// partial sum has a larger magnitude.
  [[nodiscard]] static std::unique_ptr<ByteProducts> make(const ContractionShape& shape,
                                                          const std::vector<std::int8_t>& weights,
                                                          double largest_sum);
  ~ByteProducts();

  /// Work areas 0 .. slots - 1.
  void reserve(std::size_t slots);
  /// sums (batch, out_h, out_w, out_c) of x (batch, in_h, in_w, in_c).
  void run(std::size_t slot, const std::uint8_t* x, std::int32_t* sums);

 private:
  ByteProducts(std::unique_ptr<SlicePrimitive> primitive, const std::vector<std::int8_t>& weights);

  std::unique_ptr<SlicePrimitive> primitive_;
  std::vector<std::int8_t> weights_;
  Tensor packed_;
};

}  // namespace qloom::contraction
