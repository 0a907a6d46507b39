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

/// What integer codes of a tensor mean: value = (code - zero) * scale, rounded once.
class Coding {
 public:
  /// Takes an affine encoding without offset, where one scale serves all groups or the groups are
  /// the `outputs` output channels of a weight. False, and no coding, for any other.
  bool take(const qloom_encoding& encoding, std::uint64_t outputs);
  /// One scale serves all: codes say everything, contractions need no values.
  [[nodiscard]] bool has_one_scale() const { return scale_.size() == 1; }

  /// Room for the codes of a tensor.
  void resize(CodedTensor& codes, std::uint64_t n) const { codes.resize(n, form_); }
  /// Stores codes first .. first + n - 1 of a tensor of this geometry. False when one is not of the
  /// encoding.
  [[nodiscard]] bool store(const qloom_tensor& geometry, std::uint64_t first, std::uint64_t n,
                           const std::int32_t* codes, CodedTensor& out) const noexcept;
  /// Values and codes as an operand; without codes it is one of real values. Refers to this.
  [[nodiscard]] contraction::Operand operand(const float* values, const CodedTensor& codes) const;

 private:
  std::vector<float> scale_;        ///< one, or one per output channel
  std::vector<std::int32_t> zero_;  ///< one, or one per group
  CodeForm form_;                   ///< of code - zero
};

}  // namespace qloom::sites
