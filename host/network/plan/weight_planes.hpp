// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Weights that are -n, 0 or p: a codebook of one magnitude for each sign. They are no multiples of
// one scale, but two exact sums: of what the weights above 0 read, and of what those below 0 read.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "host/contraction/contraction.hpp"
#include "host/sites/site_quantizer.hpp"

namespace qloom::network {

/// Is it a codebook of at most one value above 0 and one below it, for all weights or for each of
/// the output channels?
[[nodiscard]] bool is_of_planes(const qloom_encoding& encoding, std::uint64_t outputs);

/// The sum of a contraction's products is value[0] sums[0] + value[1] sums[1], each times the scale
/// of its input.
struct WeightPlanes {
  static constexpr std::size_t kCount = 2;  ///< weights above 0, weights below 0

  std::array<std::vector<double>, kCount> value{};       ///< of each output channel: p and -n
  std::array<contraction::Operand, kCount> weights{};    ///< 1 where the plane has a weight
  std::array<std::vector<std::int64_t>, kCount> sums{};  ///< of the last forward
  bool are_there = false;                                ///< did the last forward make sums?

  /// Takes the planes of quantized weights; is_of_planes() holds.
  void take(const qloom_encoding& encoding, const Tensor& weights, std::uint64_t outputs);
  /// RunError where the input is real.
  void forward(const contraction::ContractionShape& shape, const contraction::Operand& x);

 private:
  std::array<CodedTensor, kCount> codes_;
  std::array<contraction::Contraction, kCount> contraction_;
  Tensor scratch_;
};

}  // namespace qloom::network
