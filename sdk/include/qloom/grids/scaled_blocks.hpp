// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Blocks along an axis with a scale each, which the host's groups cannot tell: microscaling
// formats.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <qloom/support.hpp>

namespace qloom::sdk {

/// Elements of a small floating-point format.
struct FloatElements {
  qloom_float_format format{};

  qloom_status round(const qloom_call& call, const qloom_block& flat, const float* t, float* y,
                     std::int32_t* code) const noexcept {
    return kernels().minifloat(&call, &format, &flat, t, y, code);
  }
  void decode(const qloom_block& flat, const std::int32_t* code, float* y) const noexcept {
    kernels().minifloat_decode(&format, code, y, flat.n);
  }
};

/// y = scale * element(x / scale): the base of methods that have one scale for each run of `block`
/// elements along `axis`; the last run of a row may be shorter. A block whose scale is 0 becomes 0.
///
/// Elements gives round() and decode() for values of a tensor in one group. The derived class
/// calls cut() in prepare(), which leaves max|x| of each block in scale_, and makes the scales of
/// that. Groups of its encoding are the blocks, in the order of their first elements.
template <class Elements>
class ScaledBlocks {
 public:
  qloom_status apply(const qloom_call& call, const qloom_block& block, const float* x,
                     float* y) const noexcept {
    return for_each_piece(block, [&](const qloom_block& piece, std::uint64_t i) {
      const qloom_status status = round(call, piece, x + i, y + i, nullptr);
      multiply(piece, y + i);
      return status;
    });
  }
  qloom_status encode(const qloom_call& call, const qloom_block& block, const float* x,
                      std::int32_t* code) const noexcept {
    return for_each_piece(block, [&](const qloom_block& piece, std::uint64_t i) {
      return round(call, piece, x + i, nullptr, code + i);
    });
  }
  void decode(const qloom_block& block, const std::int32_t* code, float* y) const noexcept {
    elements_.decode(flat(block.first, block.n), code, y);
    multiply(block, y);
  }

 protected:
  /// Of the parameters block and axis (negative counts from the last).
  explicit ScaledBlocks(const Params& params)
      : block_(static_cast<std::uint64_t>(params.integer("/block"))),
        axis_(params.integer("/axis")) {}

  /// errors: an axis that the tensor lacks
  void cut(const qloom_tensor& x) {
    const auto rank = static_cast<std::int64_t>(x.rank);
    const std::int64_t axis = axis_ < 0 ? axis_ + rank : axis_;
    if ((axis < 0 || axis >= rank) && rank > 0) {
      throw Error(QLOOM_E_INVALID, concat("/axis: ", axis_, ", expected ", -rank, " to ", rank - 1,
                                          " for a tensor of ", rank, " axes"));
    }
    std::uint64_t outer = 1;
    length_ = inner_ = 1;
    for (std::int64_t i = 0; i < rank; ++i) {
      (i < axis ? outer : i == axis ? length_ : inner_) *= static_cast<std::uint64_t>(x.shape[i]);
    }
    scale_.assign(outer * blocks() * inner_, 0.0F);
    const std::uint64_t size = length_ * inner_;
    for_each(outer, [&](std::uint64_t o) noexcept {
      for_each_element(flat(o * size, size), [&](std::uint64_t i, std::uint64_t b) {
        scale_[b] = std::max(scale_[b], std::fabs(x.data[o * size + i]));
      });
    });
  }
  [[nodiscard]] static qloom_block flat(std::uint64_t first, std::uint64_t n) noexcept {
    return {first, n, 1, std::numeric_limits<std::uint64_t>::max(), 0, 1};
  }

  Elements elements_;
  std::vector<float> scale_;  // per block

 private:
  /// Blocks along the axis.
  [[nodiscard]] std::uint64_t blocks() const noexcept { return (length_ + block_ - 1) / block_; }

  /// body(i, b) for the elements of a piece, i from its first one, b the block: the same for a run
  /// of elements or, where axes lie behind, the next one for each.
  template <class Body>
  void for_each_element(const qloom_block& piece, Body body) const noexcept {
    const bool are_columns = inner_ > 1;
    for (std::uint64_t i = 0; i < piece.n;) {
      const std::uint64_t row = (piece.first + i) / inner_, column = (piece.first + i) % inner_;
      const std::uint64_t place = row % length_, b = row / length_ * blocks() + place / block_;
      const std::uint64_t in_block = std::min(block_ - place % block_, length_ - place);
      const std::uint64_t run = are_columns ? inner_ - column : in_block;
      const std::uint64_t first = b * inner_ + column, count = std::min(run, piece.n - i);
      for (std::uint64_t k = 0; k < count; ++k) body(i + k, first + (are_columns ? k : 0));
      i += count;
    }
  }
  qloom_status round(const qloom_call& call, const qloom_block& piece, const float* x, float* y,
                     std::int32_t* code) const noexcept {
    std::array<float, kPieceElements> t;
    for_each_element(piece, [&](std::uint64_t i, std::uint64_t b) {
      t[i] = scale_[b] > 0.0F ? x[i] / scale_[b] : 0.0F;
    });
    return elements_.round(call, flat(piece.first, piece.n), t.data(), y, code);
  }
  void multiply(const qloom_block& block, float* y) const noexcept {
    for_each_element(block, [&](std::uint64_t i, std::uint64_t b) { y[i] *= scale_[b]; });
  }

  std::uint64_t block_, length_ = 1, inner_ = 1;  // of the axis, and behind it
  std::int64_t axis_;
};

}  // namespace qloom::sdk
