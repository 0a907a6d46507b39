// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The layers without weights, forward and backward. NHWC. Every function gives the same bits for
// any number of threads. Gradients overwrite their output.
#pragma once

#include <cstdint>
#include <vector>

namespace qloom::network {

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

/// argmax: index into x of each output's maximum, the first one in row-major order; size of y.
void max_pool(const PoolShape&, const float* x, float* y, std::int32_t* argmax);
void max_pool_gradient(const PoolShape&, const float* dy, const std::int32_t* argmax, float* dx);
/// Mean of the elements inside the image (padding is not counted). A global average pool has the
/// image's size as kernel.
void average_pool(const PoolShape&, const float* x, float* y);
void average_pool_gradient(const PoolShape&, const float* dy, float* dx);

// The next four work on a part of a tensor, on the calling thread; y may be x, dx may be dy.

/// y = min(max(x, 0), ceiling); ceiling is infinity for ReLU, 6 for ReLU6.
void relu(const float* x, float* y, std::uint64_t n, float ceiling);
/// dx = dy where 0 < y < ceiling, else 0; y is relu's output.
void relu_gradient(const float* y, const float* dy, float* dx, std::uint64_t n, float ceiling);
/// y = a + b
void add(const float* a, const float* b, float* y, std::uint64_t n);
/// y[r, c] = x[r, c] * scale[c] + shift[c]
void scale_shift(const float* x, const float* scale, const float* shift, std::uint64_t rows,
                 std::uint64_t channels, float* y);

/// Copies `channels` of a row of pitch y_channels starting at `offset`: y[r, offset + c] = x[r, c].
void concat_part(const float* x, std::int64_t rows, std::int64_t channels, float* y,
                 std::int64_t y_channels, std::int64_t offset);
void concat_part_gradient(const float* dy, std::int64_t rows, std::int64_t channels, float* dx,
                          std::int64_t y_channels, std::int64_t offset);
struct Loss {
  double sum = 0;            ///< over the batch
  std::int64_t correct = 0;  ///< samples whose largest logit (the first one) is the label
};
/// Softmax cross-entropy, natural logarithm. gradient (may be null) is of the batch mean.
Loss softmax_cross_entropy(const float* logits, const std::int32_t* labels, std::int64_t batch,
                           std::int64_t classes, float* gradient);
/// 0.5 * sum (y - onehot)^2; gradient (may be null) is of the sum over batch and classes
/// (Wu et al., 2018, WAGE).
Loss sum_of_squares(const float* logits, const std::int32_t* labels, std::int64_t batch,
                    std::int64_t classes, float* gradient);

}  // namespace qloom::network
