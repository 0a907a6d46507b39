// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Levels that lie where a method wants them, and the search for the one that stands for a value.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <limits>
#include <vector>

#include <qloom/vectorized.hpp>

namespace qloom::sdk {

/// The largest float below x: as a threshold, x itself lies above it.
[[nodiscard]] inline float just_below(float x) noexcept {
  return std::nextafter(x, -std::numeric_limits<float>::infinity());
}
/// The threshold of the floats from `from` on, which is no float itself in general.
[[nodiscard]] inline float below_all_from(double from) noexcept {
  const auto nearest = static_cast<float>(from);
  return double{nearest} < from ? nearest : just_below(nearest);
}
/// The threshold of the floats above `to`, which is no float itself in general.
[[nodiscard]] inline float not_above(double to) noexcept {
  const auto nearest = static_cast<float>(to);
  return double{nearest} <= to ? nearest : just_below(nearest);
}
/// The middle of two floats, rounded to float once.
[[nodiscard]] inline float middle_of(float a, float b) noexcept {
  return static_cast<float>((double{a} + double{b}) / 2.0);
}

/// A table of levels per group with thresholds that do not fall: code = number of the group's
/// thresholds below x, y = levels[code]; a NaN has code 0.
///
/// A derived class fills levels() and thresholds() of every group in prepare(), after begin();
/// apply, encode, decode and encoding come from here.
class Levels {
  struct Group {
    const float *levels, *thresholds;
  };
  [[nodiscard]] auto of_group() const noexcept {
    return
        [levels = levels_.data(), thresholds = thresholds_.data(), size = size_](std::uint64_t g) {
          return Group{levels + g * size, thresholds + g * (size - 1)};
        };
  }

 public:
  void apply(const qloom_call&, const qloom_block& block, const float* x, float* y) const noexcept {
    for_each_element(block, of_group(), [=, this](const Group& group, std::uint64_t i) {
      y[i] = group.levels[code_of(group, x[i])];
    });
  }
  void encode(const qloom_call&, const qloom_block& block, const float* x,
              std::int32_t* code) const noexcept {
    for_each_element(block, of_group(), [=, this](const Group& group, std::uint64_t i) {
      code[i] = static_cast<std::int32_t>(code_of(group, x[i]));
    });
  }
  void decode(const qloom_block& block, const std::int32_t* code, float* y) const noexcept {
    for_each_element(block, of_group(),
                     [=](const Group& group, std::uint64_t i) { y[i] = group.levels[code[i]]; });
  }
  void encoding(qloom_encoding& out) const {
    out.kind = QLOOM_ENCODING_CODEBOOK;
    out.bits = static_cast<std::uint32_t>(std::bit_width(size_ - 1));
    out.groups = levels_.size() / size_;
    out.codebook = levels_.data();
    out.codebook_size = size_;
    out.threshold = thresholds_.data();
  }

 protected:
  /// size: levels of a group, at least 2. A threshold that is not set is the largest float.
  void begin(std::uint64_t groups, std::size_t size) {
    size_ = size;
    levels_.assign(groups * size, 0.0F);
    thresholds_.assign(groups * (size - 1), std::numeric_limits<float>::max());
  }
  [[nodiscard]] float* levels(std::size_t group) noexcept { return levels_.data() + group * size_; }
  [[nodiscard]] float* thresholds(std::size_t group) noexcept {
    return thresholds_.data() + group * (size_ - 1);
  }

 private:
  /// How many thresholds are below x, by halving what is left.
  [[nodiscard]] std::size_t code_of(const Group& group, float x) const noexcept {
    std::size_t code = 0;
    for (std::size_t left = size_ - 1; left > 0;) {
      const std::size_t step = (left + 1) / 2;
      const bool is_below = group.thresholds[code + step - 1] < x;
      code += is_below ? step : 0;
      left = is_below ? left - step : step - 1;
    }
    return code;
  }

  std::size_t size_ = 2;
  std::vector<float> levels_, thresholds_;
};

}  // namespace qloom::sdk
