// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// How a norm is called, on rows x channels: by one who passes over the rows himself, or on a whole
// tensor, block by block on all threads.
#pragma once

#include <cstdint>
#include <vector>

#include "host/methods/driver.hpp"
#include "host/methods/method.hpp"

namespace qloom::methods {

/// Elements of the blocks that passes over `channels` innermost channels hand out: whole rows,
/// whole tiles of kTileElements unless channels are awkward, and enough that a norm's sums per
/// block are few beside its elements. A function of channels alone.
[[nodiscard]] std::uint64_t pass_block(std::uint64_t channels);

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

/// A call without gamma, beta and slots, with the method's own momentum.
[[nodiscard]] qloom_norm_call norm_call(std::uint32_t mode, std::uint64_t rows,
                                        std::uint64_t channels);
/// Slots whose values stay as they are.
[[nodiscard]] qloom_slots kept_slots();

/// One function for each entry of the kind's table, and two for a tensor as a whole.
class Norm : public Driver {
 public:
  Norm() = default;
  /// begin() is called. fan_in: products per output of the contraction before it, 0: none.
  Norm(registry::Instance instance, std::uint64_t channels, std::uint64_t fan_in,
       std::string place = {});

  [[nodiscard]] bool has_affine() const { return (ops().caps & QLOOM_NORM_AFFINE) != 0; }
  /// Statistics of x, or those that are known; before apply().
  void prepare(const qloom_norm_call& c, const float* x) const;
  /// Rows first .. first + rows - 1; x and y point to row `first`; y may be x.
  void apply(const qloom_norm_call& c, std::uint64_t first, std::uint64_t rows, const float* x,
             float* y) const noexcept;
  /// Empties `sums` for backward_sums() of each block of pass_block(channels) elements.
  void reset(NormSums& sums, const qloom_norm_call& c) const {
    sums.reset(ops(), c.rows, c.channels);
  }
  void backward_sums(const qloom_norm_call& c, std::uint64_t first, std::uint64_t rows,
                     const float* x, const float* dy, double* sums) const noexcept;
  /// dgamma and dbeta may be null.
  void backward_prepare(const qloom_norm_call& c, const double* sums, float* dgamma,
                        float* dbeta) const;
  /// dx may be dy.
  void backward(const qloom_norm_call& c, std::uint64_t first, std::uint64_t rows, const float* x,
                const float* dy, float* dx) const noexcept;
  /// y = scale[c] * x + shift[c].
  void inference(const qloom_norm_call& c, std::vector<float>& scale,
                 std::vector<float>& shift) const;

  /// prepare() and apply() of all rows.
  void forward(const qloom_norm_call& c, const float* x, float* y) const;
  /// backward_sums(), backward_prepare() and backward() of all rows.
  void backward(const qloom_norm_call& c, const float* x, const float* dy, float* dx, float* dgamma,
                float* dbeta) const;

 private:
  [[nodiscard]] const qloom_norm& ops() const { return instance().ops<qloom_norm>(); }
  /// A layer's refusals speak of the layer's passes, not of the method's functions.
  [[nodiscard]] const char* said(const char* in_layer) const {
    return place().empty() ? nullptr : in_layer;
  }
};

}  // namespace qloom::methods
