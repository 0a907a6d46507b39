// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Arithmetic element by element that several places need. On a part of a tensor, on the calling
// thread; y may be x, dx may be dy.
#pragma once

#include <cstdint>

namespace qloom::layers {

/// y = min(max(x, 0), ceiling); ceiling is infinity for ReLU, 6 for ReLU6.
void relu(const float* x, float* y, std::uint64_t n, float ceiling);
/// dx = dy where 0 < y < ceiling, else 0; y is relu's output.
void relu_gradient(const float* y, const float* dy, float* dx, std::uint64_t n, float ceiling);
/// y = a + b
void add(const float* a, const float* b, float* y, std::uint64_t n);
/// y[r, c] = x[r, c] * scale[c] + shift[c]
void scale_shift(const float* x, const float* scale, const float* shift, std::uint64_t rows,
                 std::uint64_t channels, float* y);

}  // namespace qloom::layers
