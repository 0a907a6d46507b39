// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// An operand as a pass of a contraction takes it.
#pragma once

#include <cstdint>

#include "host/contraction/codes.hpp"
#include "host/contraction/contraction.hpp"
#include "host/tensor/tensor.hpp"

namespace qloom::contraction {

/// The buffer's memory, at least n elements.
inline float* grown(Tensor& buffer, std::int64_t n) {
  if (static_cast<std::int64_t>(buffer.size()) < n) buffer.resize({n});
  return buffer.data();
}

/// The buffer's memory as at least n bytes.
inline std::uint8_t* bytes_of(Tensor& buffer, std::int64_t n) {
  return reinterpret_cast<std::uint8_t*>(grown(buffer, (n + 3) / 4));
}

/// An operand with at most one scale as a pass takes it: its values, or one digit of its codes in
/// float32 or, shifted, in bytes.
struct Source {
  enum class As { kValues, kDigit, kByte };

  Operand operand{};
  As as = As::kValues;
  Digits digits{};
  int index = 0;
  std::int32_t shift = 0;

  /// Are they in memory as they are wanted?
  [[nodiscard]] bool is_there() const {
    if (as == As::kValues) return operand.values != nullptr;
    return as == As::kByte && digits.count == 1 && operand.codes.form.bytes() == 1 &&
           operand.codes.form.lo + shift == 0;
  }
  /// Floats of a buffer for n elements of it; 0: needs none.
  [[nodiscard]] std::int64_t buffer_size(std::int64_t n) const {
    return is_there() ? 0 : as == As::kByte ? (n + 3) / 4 : n;
  }
};

/// Elements first .. first + n - 1 of a source: float32 numbers or bytes. Those that are not in
/// memory go to `buffer`.
const void* elements(const Source& source, std::int64_t first, std::int64_t n, Tensor& buffer);
/// The same for all n, on all threads.
const void* all_elements(const Source& source, std::int64_t n, Tensor& buffer);

}  // namespace qloom::contraction
