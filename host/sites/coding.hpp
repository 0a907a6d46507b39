// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The integer codes of a tensor as contractions take them.
#pragma once

#include <cstdint>
#include <vector>

#include "host/contraction/contraction.hpp"
#include "host/tensor/coded.hpp"

namespace qloom::sites {

/// What integer codes of a tensor mean: value = (step * code - zero) * scale, rounded once; step is
/// 2 where the encoding has an offset of half steps, as a grid of -1 and +1 has: the odd codes.
class Coding {
 public:
  /// Takes an affine encoding without offset, or with one that is a whole number of half steps and
  /// leaves each value a whole multiple of half the scale, where one scale serves all groups or the
  /// groups are the `outputs` output channels of a weight. False, and no coding, for any other.
  bool take(const qloom_encoding& encoding, std::uint64_t outputs);
  /// One scale serves all: codes say everything, contractions need no values.
  [[nodiscard]] bool has_one_scale() const { return scale_.size() == 1; }

  /// Of the first group, as operands have them: value = (step * code - zero) * scale.
  [[nodiscard]] std::int64_t step() const { return step_; }
  [[nodiscard]] std::int32_t zero() const { return zero_[0]; }
  [[nodiscard]] float scale() const { return scale_[0]; }

  /// Room for the codes of a tensor.
  void resize(CodedTensor& codes, std::uint64_t n) const { codes.resize(n, form_); }
  /// Stores codes first .. first + n - 1 of a tensor of this geometry. False when one is not of the
  /// encoding.
  [[nodiscard]] bool store(const qloom_tensor& geometry, std::uint64_t first, std::uint64_t n,
                           const std::int32_t* codes, CodedTensor& out) const noexcept;
  /// Values and codes as an operand; without codes it is one of real values. Refers to this.
  [[nodiscard]] contraction::Operand operand(const float* values, const CodedTensor& codes) const;

 private:
  [[nodiscard]] bool store_whole(const qloom_tensor& geometry, std::uint64_t first, std::uint64_t n,
                                 const std::int32_t* codes, CodedTensor& out) const noexcept;

  std::int64_t step_ = 1;           ///< of two codes, in halves where 2
  std::vector<float> scale_;        ///< one, or one per output channel
  std::vector<std::int32_t> zero_;  ///< one, or one per group
  CodeForm form_;                   ///< of code - zero
};

}  // namespace qloom::sites
