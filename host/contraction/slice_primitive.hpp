// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// One oneDNN primitive made for one thread, run by any number of threads at once. All that the
// program wants of oneDNN stands here; plain_primitive.cpp does it where the build has none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>

#include "host/contraction/contraction.hpp"

namespace qloom::contraction {

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

/// True when oneDNN's products of bytes are exact on this processor (AVX-512 VNNI). Without VNNI
/// sums of two products saturate in 16 bits. The variable ONEDNN_MAX_CPU_ISA counts.
[[nodiscard]] bool has_exact_bytes();

/// sums[o][k] = or += sum over rows r of dy[r][o] * (x[r][k] - x_shift), signed bytes. Only where
/// has_exact_bytes().
void multiply_bytes(std::int64_t channels, std::int64_t k, std::int64_t rows, const void* dy,
                    const void* x, std::int64_t x_pitch, std::int32_t x_shift, bool is_first,
                    std::int32_t* sums);

/// oneDNN has no such primitive.
struct NoPrimitive : std::runtime_error {
  using std::runtime_error::runtime_error;
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

  /// NoPrimitive when there is none for the key.
  explicit SlicePrimitive(const PrimitiveKey& key);
  ~SlicePrimitive();

  [[nodiscard]] const PrimitiveKey& key() const;
  /// Is it of the kind whose 32-bit sums has_wide_bytes() has proved?
  [[nodiscard]] bool has_wide_sums() const;
  /// Makes work areas 0 .. slots - 1.
  void reserve(std::size_t slots);
  /// Bytes of the weights in the format that the primitive likes best; 0: the plain layout.
  [[nodiscard]] std::size_t packed_size() const;
  /// Weights number `index` in the plain layout; `plain` and `packed`, of packed_size() bytes and
  /// 64-byte aligned, must live until the last run() with them.
  void set_weights(std::size_t index, const void* plain, void* packed);
  void run(std::size_t slot, const Call& call);

 private:
  class Made;  ///< oneDNN's, or plain loops where the build has no oneDNN
  std::unique_ptr<Made> made_;
};

}  // namespace qloom::contraction
