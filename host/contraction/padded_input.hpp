// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A contraction's input whose padding is not 0, with the padding written out.
#pragma once

#include "host/contraction/contraction.hpp"
#include "host/tensor/coded.hpp"
#include "host/tensor/tensor.hpp"

namespace qloom::contraction {

/// The same contraction without padding, which reads an input that has it.
struct Padded {
  ContractionShape shape;
  Operand x;
};

/// Keeps its memory between calls.
class PaddedInput {
 public:
  /// Does the shape pad, and with something else than 0?
  [[nodiscard]] static bool is_needed(const ContractionShape& s, const Operand& x) {
    return s.pads() && x.pad != 0.0F;
  }
  /// Is Operand::pad the value of one of its codes?
  [[nodiscard]] static bool keeps_codes(const Operand& x);
  /// The operand lies in this object until the next call. It has codes where x keeps
  /// them, values where x has or where there are no codes.
  [[nodiscard]] Padded make(const ContractionShape& s, const Operand& x);

 private:
  Tensor values_, loaded_;
  CodedTensor codes_;
};

}  // namespace qloom::contraction
