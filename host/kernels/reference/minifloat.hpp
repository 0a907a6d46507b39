// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Small floating-point formats: the definition.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include <qloom/abi.h>

#include "host/kernels/float_spec.hpp"
#include "host/kernels/reference/overflow.hpp"
#include "host/kernels/reference/round.hpp"

namespace qloom::kernels::ref {

/// One number on its way through the format.
///
/// E is the exponent of |x|, at least that of the smallest normal; the grid around x has the step
/// 2^(E - mantissa_bits), and t = x / step.
struct Scaled {
  int exponent;
  float t;
};

/// x / step for every x, exactly (the step is a power of two); only where the format's step is
/// above 2^-126 and x is below 2^-126 * step may t be subnormal and thus rounded to nearest even.
/// Magnitudes below spec.flush_below become a zero of the same sign first.
inline Scaled scale(const FloatSpec& spec, float x) noexcept {
  if (std::fabs(x) < spec.flush_below) x = std::copysign(0.0F, x);
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x) & 0x7FFFFFFFU;
  const int own = static_cast<int>(bits >> 23) - 127;  // 128 for infinities and NaN
  const int exponent = own > spec.exponent_min ? own : spec.exponent_min;
  // 2^(mantissa_bits - exponent) may be no float32: two factors that are.
  const int power = spec.mantissa_bits - exponent;
  const int half = power >> 1;  // rounds down
  return {exponent, x * std::ldexp(1.0F, half) * std::ldexp(1.0F, power - half)};
}

/// Value and code of a rounded t.
struct Minifloat {
  float value;
  std::int32_t code;
};

/// range: a finite value beyond the largest one and infinities overflow as FloatSpec says, but a
///        finite one stays the largest value on the sides that the rounding mode keeps; NaN
///        gives the format's one NaN, or its largest value where it has none. The value is rounded
///        as if exponents had no upper end; then what exceeds the largest value overflows.
inline Minifloat finish(const FloatSpec& spec, float x, int exponent, float rounded) noexcept {
  if (std::isnan(x) || std::isnan(rounded)) return {spec.nan_value, spec.nan_code};
  const bool negative = std::signbit(rounded);
  const int power = exponent - spec.mantissa_bits;
  const int half = power >> 1;
  const float value = rounded * std::ldexp(1.0F, half) * std::ldexp(1.0F, power - half);
  const std::int32_t sign = negative ? std::int32_t{1} << spec.sign_shift : 0;
  if (std::fabs(value) > spec.max_value) {
    if (std::isfinite(x) && (negative ? spec.keep_negative : spec.keep_positive) != 0) {
      return {negative ? -spec.max_value : spec.max_value, sign | spec.max_code};
    }
    return {negative && spec.overflow_signed != 0 ? -spec.overflow_value : spec.overflow_value,
            spec.overflow_code | (spec.overflow_signed != 0 ? sign : 0)};
  }
  const std::int32_t magnitude = ((exponent - spec.exponent_min) << spec.mantissa_bits) +
                                 static_cast<std::int32_t>(std::fabs(rounded));
  if (magnitude == 0 && spec.unsigned_zero != 0) return {0.0F, 0};
  return {value, sign | magnitude};
}

inline qloom_status minifloat(const qloom_call* call, const qloom_float_format* format,
                              const qloom_block* block, const float* x, float* y,
                              std::int32_t* code) noexcept {
  if (const qloom_status bad = check_rounding(*call); bad != QLOOM_OK) return bad;
  const qloom_call own = for_magnitudes(*call);
  FloatSpec spec;
  if (const qloom_status bad = make_spec(own, *format, spec); bad != QLOOM_OK) return bad;
  for (std::uint64_t i = 0; i < block->n; ++i) {
    const Scaled s = scale(spec, x[i]);
    float rounded = 0.0F;
    const qloom_status status = round_one(own, block->first + i, s.t, rounded);
    if (status != QLOOM_OK) return status;
    const Minifloat result = finish(spec, x[i], s.exponent, rounded);
    if (y != nullptr) y[i] = result.value;
    if (code != nullptr) code[i] = result.code;
  }
  return QLOOM_OK;
}

/// The value of one code; bits above the sign bit are ignored.
inline float decode(const FloatSpec& spec, std::int32_t code) noexcept {
  const auto pattern = static_cast<std::uint32_t>(code);
  const bool negative = (pattern >> spec.sign_shift & 1U) != 0;
  const auto magnitude =
      static_cast<std::int32_t>(pattern & ((std::uint32_t{1} << spec.sign_shift) - 1));
  if (magnitude >= spec.nan_from) return spec.nan_value;
  if (magnitude == 0 && negative && spec.unsigned_zero != 0) return spec.nan_value;
  float value = std::numeric_limits<float>::infinity();
  if (magnitude != spec.infinity_code) {
    const int field = magnitude >> spec.mantissa_bits;
    const std::int32_t fraction = magnitude & ((std::int32_t{1} << spec.mantissa_bits) - 1);
    const std::int32_t significand =
        field > 0 ? (std::int32_t{1} << spec.mantissa_bits) + fraction : fraction;
    const int exponent = (field > 0 ? field - 1 : 0) + spec.exponent_min;
    value = std::ldexp(static_cast<float>(significand), exponent - spec.mantissa_bits);
  }
  return negative ? -value : value;
}

inline void minifloat_decode(const qloom_float_format* format, const std::int32_t* code, float* y,
                             std::uint64_t n) noexcept {
  FloatSpec spec;
  if (kernels::make_spec(*format, spec) != nullptr) {
    for (std::uint64_t i = 0; i < n; ++i) y[i] = std::numeric_limits<float>::quiet_NaN();
    return;
  }
  for (std::uint64_t i = 0; i < n; ++i) y[i] = decode(spec, code[i]);
}

}  // namespace qloom::kernels::ref
