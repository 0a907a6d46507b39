// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A qloom_float_format turned into the constants that loops need. Plain data, so that the files
// with instruction-set flags may include it.
#pragma once

#include <cstdint>

#include <qloom/abi.h>

namespace qloom::kernels {

/// Codes are sign << sign_shift | magnitude. See qloom_float_format for the meaning of the format.
struct FloatSpec {
  std::int32_t mantissa_bits;
  std::int32_t exponent_min;   // of the smallest normal: 1 - bias
  std::int32_t sign_shift;     // exponent_bits + mantissa_bits
  std::int32_t infinity_code;  // magnitude that means infinity, or -1
  std::int32_t nan_from;       // magnitudes from here mean NaN; INT32_MAX: none
  std::int32_t unsigned_zero;  // 1: no negative zero, its code is NaN
  float max_value;             // largest finite value
  std::int32_t max_code;       // its magnitude
  float flush_below;           // smaller magnitudes become 0; 0: none do
  std::int32_t overflow_code;  // what overflow gives: largest value, infinity or NaN
  float overflow_value;
  std::int32_t overflow_signed;  // 1: with the sign of the number
  std::int32_t keep_positive;    // 1: a finite positive number overflows to the largest value,
  std::int32_t keep_negative;    // whatever overflow gives; the same for negative ones. Set by
                                 // ref::set_overflow_sides, 0 in make_spec
  std::int32_t nan_code;  // what NaN gives: the NaN, or the largest value where there is none
  float nan_value;
  std::int32_t one_factor;  // 1: for every float32, 2^(mantissa_bits - E) and its inverse are
                            // normal float32 numbers, dividing by a step is exact, and
                            // nothing is flushed
};

/// Fills `spec` but for the sides of overflow; otherwise returns what is wrong with the format:
/// expected are 1 to 8 exponent bits (IEEE: 2 to 8), 0 to 23 mantissa bits (IEEE: 1 to 23),
/// 1 - bias >= -126 and a largest value below 2^128.
const char* make_spec(const qloom_float_format& format, FloatSpec& spec) noexcept;

}  // namespace qloom::kernels
