// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/kernels/float_spec.hpp"

#include <cmath>
#include <cstdint>
#include <limits>

namespace qloom::kernels {
namespace {

/// Value of a finite magnitude code, which make_spec() has found to fit a float32.
float magnitude_value(const FloatSpec& spec, std::int32_t magnitude) {
  const std::int32_t field = magnitude >> spec.mantissa_bits;
  const std::int32_t fraction = magnitude & ((std::int32_t{1} << spec.mantissa_bits) - 1);
  const std::int32_t hidden = field > 0 ? std::int32_t{1} << spec.mantissa_bits : 0;
  const std::int32_t exponent = (field > 0 ? field - 1 : 0) + spec.exponent_min;
  return std::ldexp(static_cast<float>(hidden + fraction), exponent - spec.mantissa_bits);
}

/// NaN and infinity codes of the format; returns the code of the largest finite magnitude.
std::int32_t set_specials(const qloom_float_format& format, FloatSpec& spec) {
  const auto all_ones = static_cast<std::int32_t>((std::uint32_t{1} << spec.sign_shift) - 1);
  spec.infinity_code = -1;
  spec.nan_from = std::numeric_limits<std::int32_t>::max();
  spec.unsigned_zero = 0;
  spec.nan_value = std::numeric_limits<float>::quiet_NaN();
  if (format.specials == QLOOM_SPECIALS_IEEE) {
    spec.infinity_code = all_ones >> spec.mantissa_bits << spec.mantissa_bits;
    spec.nan_from = spec.infinity_code + 1;
    spec.nan_code = spec.infinity_code | std::int32_t{1} << (spec.mantissa_bits - 1);
    return spec.infinity_code - 1;
  }
  if (format.specials == QLOOM_SPECIALS_FN) {
    spec.nan_from = all_ones;
    spec.nan_code = all_ones;
    return all_ones - 1;
  }
  if (format.specials == QLOOM_SPECIALS_FNUZ) {
    spec.unsigned_zero = 1;
    spec.nan_code = std::int32_t{1} << spec.sign_shift;
    return all_ones;
  }
  spec.nan_code = all_ones;  // no NaN: the largest value
  return all_ones;
}

void set_overflow(const qloom_float_format& format, std::int32_t max_code, FloatSpec& spec) {
  spec.overflow_signed = 1;
  if (format.saturate != 0 || format.specials == QLOOM_SPECIALS_NONE) {
    spec.overflow_code = max_code;
    spec.overflow_value = spec.max_value;
  } else if (format.specials == QLOOM_SPECIALS_IEEE) {
    spec.overflow_code = spec.infinity_code;
    spec.overflow_value = std::numeric_limits<float>::infinity();
  } else {
    spec.overflow_signed = 0;
    spec.overflow_code = spec.nan_code;
    spec.overflow_value = spec.nan_value;
  }
}

}  // namespace

const char* make_spec(const qloom_float_format& format, FloatSpec& spec) noexcept {
  const bool ieee = format.specials == QLOOM_SPECIALS_IEEE;
  if (format.specials > QLOOM_SPECIALS_FNUZ) {
    return "float format: specials must be a QLOOM_SPECIALS_* number, 0 to 3";
  }
  if (format.exponent_bits < (ieee ? 2U : 1U) || format.exponent_bits > 8) {
    return "float format: exponent_bits must be 1 to 8 (2 to 8 with IEEE specials)";
  }
  if (format.mantissa_bits < (ieee ? 1U : 0U) || format.mantissa_bits > 23) {
    return "float format: mantissa_bits must be 0 to 23 (1 to 23 with IEEE specials)";
  }
  if (format.bias > 127 || format.bias < -127) {
    return "float format: bias must be -127 to 127";
  }
  spec = {};
  spec.mantissa_bits = static_cast<std::int32_t>(format.mantissa_bits);
  spec.exponent_min = 1 - format.bias;
  spec.sign_shift = static_cast<std::int32_t>(format.exponent_bits + format.mantissa_bits);
  const std::int32_t max_code = set_specials(format, spec);
  spec.max_code = max_code;
  const std::int32_t top = max_code >> spec.mantissa_bits;
  if (max_code <= 0 || (top > 0 ? top - 1 : 0) + spec.exponent_min > 127) {
    return "float format: the largest value must be above 0 and below 2^128";
  }
  spec.max_value = magnitude_value(spec, max_code);
  spec.flush_below = format.subnormals != 0 ? 0.0F : std::ldexp(1.0F, spec.exponent_min);
  if (format.specials == QLOOM_SPECIALS_NONE) spec.nan_value = spec.max_value;
  set_overflow(format, max_code, spec);
  // E goes from exponent_min to 128 (infinity); only a factor below 1 can lose bits of a subnormal
  const std::int32_t m = spec.mantissa_bits, low = spec.exponent_min;
  const bool exact = m >= 2 && low <= m && low >= m - 126;
  spec.one_factor = exact && format.subnormals != 0 ? 1 : 0;
  return nullptr;
}

}  // namespace qloom::kernels
