// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Pools of whole tensors, forward and backward. NHWC. The same bits for any number of threads.
// Gradients overwrite their output.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "host/layers/layer.hpp"

namespace qloom::layers {

struct PoolShape {
  std::int64_t batch = 1, in_h = 1, in_w = 1, channels = 1;
  std::int64_t kernel_h = 2, kernel_w = 2, stride_h = 2, stride_w = 2;
  std::int64_t pad_top = 0, pad_bottom = 0, pad_left = 0, pad_right = 0;

  [[nodiscard]] std::int64_t out_h() const {
    return (in_h + pad_top + pad_bottom - kernel_h) / stride_h + 1;
  }
  [[nodiscard]] std::int64_t out_w() const {
    return (in_w + pad_left + pad_right - kernel_w) / stride_w + 1;
  }
};

/// Of one pool layer and this many samples.
[[nodiscard]] PoolShape pool_shape(const Layer& layer, std::int64_t batch);

/// argmax: index into x of each output's maximum, the first one in row-major order; size of y.
void max_pool(const PoolShape&, const float* x, float* y, std::int32_t* argmax);
void max_pool_gradient(const PoolShape&, const float* dy, const std::int32_t* argmax, float* dx);
/// Mean of the elements inside the image (padding is not counted). A global average pool has the
/// image's size as kernel.
void average_pool(const PoolShape&, const float* x, float* y);
/// What the number of elements inside the image divides, for every window; 0: that is beyond 2^20.
[[nodiscard]] std::int64_t common_count(const PoolShape&);
/// common_count() over the number of elements inside the image of each window, (out_h, out_w).
[[nodiscard]] std::vector<std::int64_t> window_multiples(const PoolShape&);
/// Sums of integers whose sums double holds, exactly, times the window's multiple: all of them
/// stand for common_count() elements. Padding counts as 0.
void sum_pool(const PoolShape&, const float* x, std::int64_t* sums);
/// The mean of integers of these sums: float(double(sum) * (scale / common_count)). Scales: one, or
/// one for each channel.
void mean_of_sums(const PoolShape&, const std::int64_t* sums, std::span<const float> scales,
                  float* y);
void average_pool_gradient(const PoolShape&, const float* dy, float* dx);

}  // namespace qloom::layers
