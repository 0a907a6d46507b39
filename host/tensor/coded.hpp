// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Integer codes of a tensor, as narrow as their range allows.
#pragma once

#include <cstddef>
#include <cstdint>

#include "host/tensor/tensor.hpp"

namespace qloom {

/// How integer codes lie in memory: code - lo as an unsigned number of 1, 2 or 4 bytes.
struct CodeForm {
  std::int32_t lo = 0;
  std::uint32_t span = 0;  ///< codes are lo .. lo + span
  [[nodiscard]] std::size_t bytes() const { return span <= 0xFF ? 1 : span <= 0xFFFF ? 2 : 4; }
};

/// Codes that somebody else holds; without data: none.
struct CodeView {
  const std::uint8_t* data = nullptr;
  CodeForm form;

  [[nodiscard]] explicit operator bool() const { return data != nullptr; }
  /// The codes from number i on.
  [[nodiscard]] CodeView from(std::uint64_t i) const { return {data + i * form.bytes(), form}; }
};

/// A tensor's codes, 64-byte aligned; memory grows but never shrinks.
class CodedTensor {
 public:
  /// Room for n codes; contents are undefined afterwards.
  void resize(std::size_t n, CodeForm form) {
    size_ = n;
    form_ = form;
    const std::size_t words = (n * form.bytes() + sizeof(float) - 1) / sizeof(float);
    memory_.resize({static_cast<std::int64_t>(words)});
  }
  void clear() { size_ = 0; }

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] CodeForm form() const { return form_; }
  /// Code number i.
  [[nodiscard]] std::uint8_t* at(std::uint64_t i) {
    return reinterpret_cast<std::uint8_t*>(memory_.data()) + i * form_.bytes();
  }
  [[nodiscard]] CodeView view() const {
    if (empty()) return {};
    return {reinterpret_cast<const std::uint8_t*>(memory_.data()), form_};
  }

 private:
  Tensor memory_;
  std::size_t size_ = 0;
  CodeForm form_;
};

}  // namespace qloom
