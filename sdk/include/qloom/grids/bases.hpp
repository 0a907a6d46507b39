// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <qloom/support.hpp>

namespace qloom::sdk {

/// Sums of scaled signs, y = sum over j of (bit j of code ? scale_j : -scale_j), a set of scales
/// per group: decode and encoding of methods that find codes in their own way.
///
/// exactness: scales are float32; they are added in double, j ascending, and rounded once
class Bases {
 public:
  /// count: scales of a group, and bits of a code; at most 16.
  explicit Bases(std::uint32_t count) : count_(count) {}

  void resize(std::uint64_t groups) {
    scales_.assign(groups * count_, 0.0F);
    values_.assign(groups << count_, 0.0F);
  }
  /// Places a group's scales[count].
  ///
  /// errors: a scale or a value is beyond float32's range
  void set(std::uint64_t group, const double* scales) {
    float* const own = scales_.data() + group * count_;
    for (std::uint32_t j = 0; j < count_; ++j) own[j] = in_range(group, "scale", scales[j]);
    float* const values = values_.data() + (group << count_);
    for (std::uint64_t code = 0; code < std::uint64_t{1} << count_; ++code) {
      double value = 0;
      for (std::uint32_t j = 0; j < count_; ++j) {
        value += (code >> j & 1U) != 0 ? double{own[j]} : -double{own[j]};
      }
      values[code] = in_range(group, "value", value);
    }
  }
  [[nodiscard]] std::uint32_t count() const noexcept { return count_; }
  [[nodiscard]] float value(std::uint64_t group, std::uint64_t code) const {
    return values_[(group << count_) + code];
  }

  void decode(const qloom_block& block, const std::int32_t* code, float* y) const noexcept {
    for_each_run(block, [&](std::uint64_t begin, std::uint64_t count, std::uint64_t group) {
      const float* const values = values_.data() + (group << count_);
      for (std::uint64_t i = begin; i < begin + count; ++i) y[i] = values[code[i]];
    });
  }
  void encoding(qloom_encoding& out) const {
    out.kind = QLOOM_ENCODING_BASES;
    out.bits = count_;
    out.bases = count_;
    out.groups = scales_.size() / count_;
    out.codebook = scales_.data();
  }

 private:
  static float in_range(std::uint64_t group, const char* what, double value) {
    const auto rounded = static_cast<float>(value);
    if (std::isfinite(rounded)) return rounded;
    throw Error(QLOOM_E_NUMERIC, concat("group ", group, " has the ", what, " ", value,
                                        ", expected one within float32's range"));
  }

  std::uint32_t count_;
  std::vector<float> scales_;  // [groups][count]
  std::vector<float> values_;  // [groups][2^count]
};

}  // namespace qloom::sdk
