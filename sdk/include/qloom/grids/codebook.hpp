// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <qloom/support.hpp>

namespace qloom::sdk {

/// A table of values per group, y = levels of the group [code]: decode and encoding of methods that
/// find codes in their own way.
class Codebook {
 public:
  void decode(const qloom_block& block, const std::int32_t* code, float* y) const noexcept {
    for_each_run(block, [&](std::uint64_t begin, std::uint64_t count, std::uint64_t group) {
      const float* const levels = table_.data() + group * size_;
      for (std::uint64_t i = begin; i < begin + count; ++i) y[i] = levels[code[i]];
    });
  }
  void encoding(qloom_encoding& out) const {
    out.kind = QLOOM_ENCODING_CODEBOOK;
    out.bits = bits_;
    out.groups = table_.size() / size_;
    out.codebook = table_.data();
    out.codebook_size = size_;
  }

 protected:
  /// bits: width of one code; size: levels in the table.
  Codebook(std::uint32_t bits, std::uint64_t size) : bits_(bits), size_(size) {}

  void resize(std::uint64_t groups) { table_.assign(groups * size_, 0.0F); }
  [[nodiscard]] float* levels(std::uint64_t group) { return table_.data() + group * size_; }

  std::uint32_t bits_;
  std::uint64_t size_;

 private:
  std::vector<float> table_;  // [groups][size]
};

}  // namespace qloom::sdk
