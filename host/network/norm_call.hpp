// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A norm on a whole tensor of rows x channels, block by block on all threads.
#pragma once

#include <cstdint>
#include <vector>

#include "host/registry/registry.hpp"

namespace qloom::network {

/// Elements of the blocks that passes over `channels` innermost channels hand out: whole rows,
/// whole tiles of kTileElements unless channels are awkward, and enough that a norm's sums per
/// block are few beside its elements. A function of channels alone.
[[nodiscard]] std::uint64_t pass_block(std::uint64_t channels);

/// prepare() and apply().
void norm_forward(const registry::Instance& norm, const qloom_norm_call& call, const float* x,
                  float* y);

/// Where a pass over the blocks leaves a norm's sums: one row of sums per block.
class NormSums {
 public:
  NormSums() = default;
  /// For a tensor of `rows` rows.
  NormSums(const qloom_norm& ops, std::uint64_t rows, std::uint64_t channels) {
    reset(ops, rows, channels);
  }
  void reset(const qloom_norm& ops, std::uint64_t rows, std::uint64_t channels);
  /// Of block i.
  [[nodiscard]] double* block(std::uint64_t i) { return partials_.data() + i * width_; }
  /// Of all blocks, added in order.
  [[nodiscard]] const double* total();

 private:
  std::uint64_t width_ = 0, blocks_ = 0;
  std::vector<double> partials_, total_;
};

/// backward_sums(), backward_prepare() and backward(); dx may be dy, dgamma and dbeta may be null.
void norm_backward(const registry::Instance& norm, const qloom_norm_call& call, const float* x,
                   const float* dy, float* dx, float* dgamma, float* dbeta);

}  // namespace qloom::network
