// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The grid that the affine quantizer makes of a range. Range estimators score the points of the
// same grid.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include <qloom/support.hpp>

namespace qloom::sdk {

/// One group of a uniform grid: y = offset + scale * (code - zero_point).
struct GroupGrid {
  float scale = 1.0F, inv_scale = 1.0F, zero_point = 0.0F, offset = 0.0F;
  float code_min = 0.0F, code_max = 0.0F;

  [[nodiscard]] float value(float code) const noexcept {
    return offset + (code - zero_point) * scale;
  }
  /// The point that stands for a finite x, ties to the even code: the bits of qloom_kernels.affine.
  [[nodiscard]] float nearest(float x) const noexcept {
    constexpr double kWhole = 0x1.8p52;  // a sum this large has no fraction
    const float steps = (x - offset) * inv_scale, least = code_min - zero_point;
    const float most = code_max - zero_point, low = steps > least ? steps : least;
    const double code = (double{low < most ? low : most} + kWhole) - kWhole;
    return offset + static_cast<float>(code) * scale;
  }
  /// Leaves out codes that stand for no float32. Where an end is beyond the largest one by rounding
  /// only, the next smaller scale holds it; a power of two stays. A grid that is not finite, as a
  /// damaged state gives, stays as it is.
  void keep_finite() noexcept {
    if (has_finite_ends() || !(scale > 0.0F) || !std::isfinite(scale + zero_point + offset)) return;
    GroupGrid smaller = *this;
    smaller.scale = std::nextafter(scale, 0.0F);
    if (floor_log2(scale) != ceil_log2(scale) && smaller.has_finite_ends()) {
      scale = smaller.scale;
      return;
    }
    const double top = std::numeric_limits<float>::max(), step = scale;
    const auto above = static_cast<float>(std::floor((top - double{offset}) / step));
    const auto below = static_cast<float>(std::floor((top + double{offset}) / step));
    code_max = std::min(code_max, zero_point + above);
    code_min = std::max(code_min, zero_point - below);
    // The quotients are rounded: one code more at most is beyond.
    if (!std::isfinite(value(code_max))) code_max -= 1.0F;
    if (!std::isfinite(value(code_min))) code_min += 1.0F;
  }

 private:
  [[nodiscard]] bool has_finite_ends() const noexcept {
    return std::isfinite(value(code_min)) && std::isfinite(value(code_max));
  }
};

/// What decides the points of the affine quantizer's grid besides the range. With the codes
/// code_min .. code_max and a range, extended to hold 0:
///   asymmetric:  s = (hi - lo) / (code_max - code_min);  z = clamp(code_min - round(lo / s))
///   symmetric:   s = max(-lo, hi) / ((code_max - code_min) / 2);  z = 0, or the middle of unsigned
///                codes; of one bit the two codes stand for -max and max
///   exact zero off: the range as it is, y = lo + s * (code - code_min)
///   one code:    it stands for 0, or for lo; s is the whole span
/// s is at least scale_min and 2^-126, or 1.1920929e-07 for an all-zero range, and on request the
/// next power of two above; round is nearest, ties to even. Everything in float32, as PyTorch.
struct AffineRule {
  std::int64_t bits = 8;
  float code_min = 0.0F, code_max = 255.0F;
  bool is_signed = false, is_symmetric = false;
  bool has_exact_zero = true, is_power_of_two = false;
  float scale_min = 0.0F;

  /// The rule of the grid that a range is for, as far as its context tells: the step as computed,
  /// with an exact zero.
  [[nodiscard]] static AffineRule of(const qloom_range_context& context) {
    const std::uint64_t levels = std::max<std::uint64_t>(context.levels, 2);
    AffineRule rule;
    rule.bits = context.bits;
    rule.is_signed = context.is_signed != 0;
    rule.is_symmetric = context.symmetric != 0;
    rule.code_min = rule.is_signed ? -static_cast<float>(levels / 2) : 0.0F;
    rule.code_max = rule.code_min + static_cast<float>(levels - 1);
    return rule;
  }

  [[nodiscard]] bool is_binary() const noexcept { return bits == 1 && is_symmetric; }

  /// The rule with codes of another width, signed and narrow as these are; of 0 bits the code 0.
  [[nodiscard]] AffineRule of_width(std::int64_t width) const noexcept {
    const auto least = [this](std::int64_t b) {
      return is_signed ? -std::ldexp(1.0F, static_cast<int>(b) - 1) : 0.0F;
    };
    AffineRule other = *this;
    const float narrowed = code_min - least(bits),
                codes = std::ldexp(1.0F, static_cast<int>(width));
    other.bits = width;
    other.code_min = width > 0 ? least(width) + narrowed : 0.0F;
    other.code_max = width > 0 ? least(width) + codes - 1.0F : 0.0F;
    return other;
  }
  /// What the grid of a range covers: the range, or on a symmetric grid its larger side.
  [[nodiscard]] float span(qloom_range range) const noexcept {
    float lo = static_cast<float>(range.lo), hi = static_cast<float>(range.hi);
    if (!has_exact_zero) return hi - lo;
    lo = std::min(lo, 0.0F);
    hi = std::max(hi, 0.0F);
    return is_symmetric ? std::max(-lo, hi) : hi - lo;
  }

  [[nodiscard]] GroupGrid grid(qloom_range range) const noexcept {
    float lo = static_cast<float>(range.lo), hi = static_cast<float>(range.hi);
    const float steps = code_max - code_min;
    if (steps == 0.0F) return placed(span(range), 1.0F, code_min, has_exact_zero ? 0.0F : lo);
    if (!has_exact_zero) return placed(hi - lo, steps, code_min, lo);
    lo = std::min(lo, 0.0F);
    hi = std::max(hi, 0.0F);
    const float largest = std::max(-lo, hi);
    if (is_binary()) {
      const float step = step_of(largest, 0.5F);
      return placed(largest, 0.5F, 0.0F, largest > 0.0F ? (-0.5F - code_min) * step : 0.0F);
    }
    if (is_symmetric) return placed(largest, steps / 2.0F, middle(), 0.0F);
    const float step = step_of(hi - lo, steps);
    const float zero = std::clamp(code_min - std::nearbyint(lo / step), code_min, code_max);
    return placed(hi - lo, steps, zero, 0.0F);
  }

 private:
  [[nodiscard]] float step_of(float span, float steps) const noexcept {
    constexpr float kZeroStep = 1.1920929e-07F;  // float32 epsilon, as in PyTorch
    constexpr float kLeastStep = 0x1p-126F;      // below it the reciprocal would not be finite
    constexpr int kTopExponent = 126;            // its reciprocal is a normal float32
    const float least = scale_min > 0.0F ? scale_min : span > 0.0F ? kLeastStep : kZeroStep;
    const float step = std::clamp(span / steps, least, std::numeric_limits<float>::max());
    return is_power_of_two ? std::ldexp(1.0F, std::min(ceil_log2(step), kTopExponent)) : step;
  }
  [[nodiscard]] GroupGrid placed(float span, float steps, float zero_point,
                                 float offset) const noexcept {
    const float step = step_of(span, steps);
    GroupGrid grid{step, 1.0F / step, zero_point, offset, code_min, code_max};
    grid.keep_finite();
    return grid;
  }
  /// The code that stands for 0 on a symmetric grid: as PyTorch, 128 of 256 codes, otherwise the
  /// middle of the unsigned codes, rounded down.
  [[nodiscard]] float middle() const noexcept {
    if (is_signed) return 0.0F;
    if (bits == 8 && code_max - code_min == 255.0F) return code_min + 128.0F;
    return std::floor((code_min + code_max) / 2.0F);
  }
};

}  // namespace qloom::sdk
