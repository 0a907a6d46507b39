// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// One oneDNN primitive made for one thread, run by any number of threads at once.
#pragma once

#include <cstddef>
#include <unordered_map>
#include <vector>

#include <dnnl.hpp>

#include "host/contraction/contraction.hpp"

namespace qloom::network {

enum class Role { kForward, kInputGradient, kWeightGradient, kDenseWeightGradient };

/// What a primitive computes. kDenseWeightGradient: rows of dw of a dense layer, shape.out_c of
/// the `row_pitch` output channels. in_bytes: kForward and kInputGradient of codes in bytes;
/// is_wide: without a shift that oneDNN takes off, and the input's gradient as a convolution with
/// the kernel turned round (strides of 1), so that sums beyond 2^24 may be exact too.
struct PrimitiveKey {
  Role role = Role::kForward;
  ContractionShape shape;
  bool has_bias = false, in_bytes = false, is_wide = false;
  std::int64_t row_pitch = 0;
  bool operator==(const PrimitiveKey&) const = default;
};

/// A convolution (direct, NHWC) in one role, with its weights in the format it likes best and one
/// work area per thread. In bytes left holds unsigned codes + shift, the weights signed codes, and
/// out 32-bit integers, which are exact up to 2^24 where has_exact_bytes().
///
/// threads: run() is safe for different slots at once; the rest is for one thread.
class SlicePrimitive {
 public:
  /// left is x or, for the input gradient, dy; right is dy (weight gradients only); weights is an
  /// index of set_weights(). out is y, dx or dw in the plain layout. Without in_bytes all of them
  /// are float32.
  struct Call {
    const void* left = nullptr;
    const void* right = nullptr;
    std::size_t weights = 0;
    const float* bias = nullptr;
    void* out = nullptr;
    std::int32_t shift = 0;
  };

  SlicePrimitive(const dnnl::engine& engine, const PrimitiveKey& key);

  [[nodiscard]] const PrimitiveKey& key() const { return key_; }
  /// Is it of the kind whose 32-bit sums has_wide_bytes() has proved?
  [[nodiscard]] bool has_wide_sums() const { return has_wide_sums_; }
  /// Makes work areas 0 .. slots - 1.
  void reserve(std::size_t slots);
  /// Bytes of the weights in the format that the primitive likes best; 0: the plain layout.
  [[nodiscard]] std::size_t packed_size() const { return has_reorder_ ? weights_.get_size() : 0; }
  /// Weights number `index` in the plain layout; `plain` and `packed`, of packed_size() bytes and
  /// 64-byte aligned, must live until the last run() with them.
  void set_weights(std::size_t index, const void* plain, void* packed);
  void run(std::size_t slot, const Call& call);

 private:
  using Arguments = std::unordered_map<int, dnnl::memory>;
  struct Slot {
    dnnl::stream stream;
    Arguments arguments, reorder_arguments;
    dnnl::memory shift{};                 ///< of left, in bytes
    std::vector<dnnl_exec_arg_t> list{};  ///< of the present call
  };
  /// The role whose arguments the primitive takes: a transposed convolution has those of a forward.
  [[nodiscard]] Role takes() const { return key_.in_bytes ? Role::kForward : key_.role; }
  static void execute(const dnnl::primitive& primitive, Slot& slot, const Arguments& arguments);
  void make_convolution();
  void make_byte_convolution();
  void make_wide_convolution();
  void make_reorder();
  void make_byte_reorder();
  void make_matrix_product();
  void add_slot();

  dnnl::engine engine_;
  PrimitiveKey key_;
  dnnl::primitive primitive_;
  dnnl::reorder reorder_;
  bool has_reorder_ = false, has_wide_sums_ = false;
  dnnl::memory::desc left_, right_, plain_weights_, weights_, bias_, out_, scratchpad_;
  std::vector<dnnl::memory> packed_;
  std::vector<Slot> slots_;
};

}  // namespace qloom::network
