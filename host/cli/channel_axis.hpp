// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <cstddef>

#include <fmt/format.h>

#include "host/tensor/error.hpp"
#include "host/tensor/tensor.hpp"

namespace qloom::cli {

/// x is outer x channels x inner.
struct ChannelAxis {
  std::size_t outer = 1, channels = 1, inner = 1;

  ChannelAxis(const Shape& shape, int axis) {
    const auto rank = static_cast<int>(shape.size());
    if (rank == 0 && (axis == -1 || axis == 0)) return;  // one row of one channel
    const int a = axis < 0 ? axis + rank : axis;
    if (a < 0 || a >= rank) {
      throw InputError(
          fmt::format("--channel-axis: an array of rank {} has no axis {}", rank, axis));
    }
    for (int i = 0; i < rank; ++i) {
      (i < a    ? outer
       : i == a ? channels
                : inner) *= static_cast<std::size_t>(shape[static_cast<std::size_t>(i)]);
    }
  }
  [[nodiscard]] std::size_t rows() const { return outer * inner; }

  /// Rows of channels, and back.
  [[nodiscard]] Tensor to_rows(const Tensor& x) const {
    Tensor moved(x.shape());
    visit([&](std::size_t from, std::size_t to) { moved[to] = x[from]; });
    return moved;
  }
  [[nodiscard]] Tensor from_rows(const Tensor& moved) const {
    Tensor x(moved.shape());
    visit([&](std::size_t from, std::size_t to) { x[from] = moved[to]; });
    return x;
  }

 private:
  template <class Body>
  void visit(Body body) const {
    for (std::size_t o = 0; o < outer; ++o) {
      for (std::size_t c = 0; c < channels; ++c) {
        for (std::size_t i = 0; i < inner; ++i) {
          body((o * channels + c) * inner + i, (o * inner + i) * channels + c);
        }
      }
    }
  }
};

}  // namespace qloom::cli
