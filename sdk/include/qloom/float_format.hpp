// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Small floating-point formats as parameters give them.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>

#include <qloom/support.hpp>

namespace qloom::sdk {

inline constexpr int kFloat32Bias = 127;  ///< also float32's largest exponent

/// Of the parameters exponent_bits, mantissa_bits, bias (a number, or the middle of the exponents),
/// subnormals and overflow ("saturate" or not).
[[nodiscard]] inline qloom_float_format float_format(const Params& params, std::uint32_t specials) {
  qloom_float_format format{};
  format.exponent_bits = static_cast<std::uint32_t>(params.integer("/exponent_bits"));
  format.mantissa_bits = static_cast<std::uint32_t>(params.integer("/mantissa_bits"));
  format.bias = params.is_number("/bias") ? static_cast<std::int32_t>(params.integer("/bias"))
                                          : (1 << (format.exponent_bits - 1)) - 1;
  format.specials = specials;
  format.subnormals = params.flag("/subnormals") ? 1 : 0;
  format.saturate = params.text("/overflow") == "saturate" ? 1 : 0;
  return format;
}

/// The exponent of the largest value, and the value.
struct FloatTop {
  int exponent;
  double value;
};

/// errors: a format without normal numbers, or with a largest value that is no float32
[[nodiscard]] inline FloatTop top_of(const qloom_float_format& format) {
  const auto mantissa = static_cast<int>(format.mantissa_bits);
  const bool is_fn = format.specials == QLOOM_SPECIALS_FN;
  // Largest exponent code of a finite value, and its largest mantissa in units of the last place.
  const bool loses_top = format.specials == QLOOM_SPECIALS_IEEE || (is_fn && mantissa == 0);
  const int top = (1 << format.exponent_bits) - (loses_top ? 2 : 1);
  const int last = (2 << mantissa) - (is_fn && mantissa > 0 ? 2 : 1);
  if (top < 1) {
    throw Error(QLOOM_E_INVALID, concat("/exponent_bits: ", format.exponent_bits,
                                        " leaves no normal numbers, expected 2 or more"));
  }
  if (format.bias > kFloat32Bias || top - format.bias > kFloat32Bias) {
    throw Error(QLOOM_E_INVALID, concat("/bias: ", format.bias, " leaves the range of float32, ",
                                        "expected ", top - kFloat32Bias, " to ", kFloat32Bias));
  }
  return {top - format.bias, std::ldexp(last, top - format.bias - mantissa)};
}

}  // namespace qloom::sdk
