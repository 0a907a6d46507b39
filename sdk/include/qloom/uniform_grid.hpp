// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include <qloom/affine_grid.hpp>
#include <qloom/support.hpp>

namespace qloom::sdk {

/// A uniform grid per group, y = offset + scale * (code - zero_point): the common base of affine,
/// fixed point, block floating point, PACT, LSQ, DoReFa and WAGE quantizers.
///
/// A derived class fills the grid in prepare() with resize() and set(); apply, encode, decode,
/// encoding and a masked straight-through backward come from here, at the host's SIMD speed.
/// Finite values give finite ones: set() leaves out codes that stand for no float32.
class UniformGrid {
 public:
  qloom_status apply(const qloom_call& call, const qloom_block& block, const float* x,
                     float* y) const noexcept {
    const qloom_grid g = grid();
    return kernels().affine(&call, &g, &block, x, y, nullptr);
  }
  qloom_status encode(const qloom_call& call, const qloom_block& block, const float* x,
                      std::int32_t* code) const noexcept {
    const qloom_grid g = grid();
    return kernels().affine(&call, &g, &block, x, nullptr, code);
  }
  void decode(const qloom_block& block, const std::int32_t* code, float* y) const noexcept {
    const qloom_grid g = grid();
    kernels().affine_decode(&g, &block, code, y);
  }
  void encoding(qloom_encoding& out) const {
    out.kind = QLOOM_ENCODING_AFFINE;
    out.bits = bits_;
    out.is_signed = is_signed_ ? 1 : 0;
    out.groups = scale_.size();
    out.grid = grid();
    if (widths_.empty()) return;
    out.bits = static_cast<std::uint32_t>(*std::max_element(widths_.begin(), widths_.end()));
    out.bits_of_group = widths_.data();
  }

  /// Gradient where the rounded code was not clipped, else 0.
  qloom_status masked_backward(const qloom_call& call, const qloom_block& block, const float* x,
                               const float* dy, float* dx) const noexcept {
    const qloom_grid g = grid();
    return kernels().affine_backward(&call, &g, &block, x, dy, dx);
  }

 protected:
  /// Integer codes of `bits` bits; signed codes run from -2^(bits-1), or from one above it when
  /// narrow. Unit: bits, 1 to 24 (float32 holds these codes exactly).
  void set_codes(std::int64_t bits, bool is_signed, bool narrow) {
    bits_ = static_cast<std::uint32_t>(bits);
    is_signed_ = is_signed;
    const double half = std::ldexp(1.0, static_cast<int>(bits) - 1);
    min_ = static_cast<float>((is_signed ? -half : 0.0) + (narrow ? 1.0 : 0.0));
    max_ = static_cast<float>(is_signed ? half - 1.0 : 2.0 * half - 1.0);
  }
  /// A code range that is no power of two; bits is the stored width.
  void set_codes(std::int64_t bits, double code_min, double code_max) {
    bits_ = static_cast<std::uint32_t>(bits);
    is_signed_ = code_min < 0;
    min_ = static_cast<float>(code_min);
    max_ = static_cast<float>(code_max);
  }
  void resize(std::size_t groups) {
    scale_.assign(groups, 1.0F);
    inv_scale_.assign(groups, 1.0F);
    zero_point_.assign(groups, 0);
    code_min_.assign(groups, whole(min_));
    code_max_.assign(groups, whole(max_));
  }
  /// scale must be positive and finite.
  void set(std::size_t group, float scale, float inv_scale, float zero_point = 0.0F) noexcept {
    GroupGrid one{scale, inv_scale, zero_point, 0.0F, min_, max_};
    one.keep_finite();
    store(group, one);
  }
  /// The same with a reciprocal so large that the magnitude `end`, code_max steps of a grid about
  /// 0, does not fall short of that code: it has no fraction that could be rounded at random. A
  /// scale that is no normal number, as that of zeros, becomes 1.
  void set_reaching(std::size_t group, float scale, float end) noexcept {
    if (!std::isnormal(scale)) return set(group, 1.0F, 1.0F);
    float inverse = std::min(1.0F / scale, std::numeric_limits<float>::max());
    while (end * inverse < max_) inverse = std::nextafter(inverse, HUGE_VALF);
    set(group, scale, inverse);
  }
  /// With an offset, kept as it is; all groups have one or none.
  void set(std::size_t group, const GroupGrid& one) {
    store(group, one);
    offset_.resize(scale_.size());
    offset_[group] = one.offset;
  }
  void set_offset(std::size_t group, float offset) {
    set(group, GroupGrid{scale_[group], inv_scale_[group], float(zero_point_[group]), offset,
                         float(code_min_[group]), float(code_max_[group])});
  }
  [[nodiscard]] qloom_grid grid() const noexcept {
    return {scale_.data(),      inv_scale_.data(), offset_.empty() ? nullptr : offset_.data(),
            zero_point_.data(), code_min_.data(),  code_max_.data()};
  }

  void store(std::size_t group, const GroupGrid& one) noexcept {
    scale_[group] = one.scale;
    inv_scale_[group] = one.inv_scale;
    zero_point_[group] = whole(one.zero_point);
    code_min_[group] = whole(one.code_min);
    code_max_[group] = whole(one.code_max);
  }
  /// A code as the ABI holds it. A number that is none, as a damaged state gives, becomes 0.
  [[nodiscard]] static std::int32_t whole(float code) noexcept {
    constexpr float kMost = 0x1p24F;
    return -kMost <= code && code <= kMost ? static_cast<std::int32_t>(code) : 0;
  }

  std::uint32_t bits_ = 8;
  bool is_signed_ = true;
  float min_ = -128.0F, max_ = 127.0F;  // codes
  std::vector<float> widths_;           // bits of each group's codes; empty: bits_
  std::vector<float> scale_, inv_scale_, offset_;
  std::vector<std::int32_t> zero_point_, code_min_, code_max_;
};

}  // namespace qloom::sdk
