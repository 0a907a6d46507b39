// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What a finite number becomes that is, once rounded, beyond the largest value of a float format.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include <qloom/abi.h>

#include "host/kernels/float_spec.hpp"
#include "host/kernels/reference/round.hpp"

namespace qloom::kernels::ref {

namespace detail {

/// Does the method take all numbers next to the first grid point past the largest value back to the
/// largest value? They are told in grid steps, with the parity of the largest value's significand,
/// and draw the words 0, 1, ..: a stochastic method of one random bit passes with odds of 2^-64.
inline qloom_status ask_method(const qloom_call& call, FloatSpec& spec) noexcept {
  constexpr std::size_t kNumbers = 64;  // on each side
  const std::int32_t hidden = std::int32_t{1} << spec.mantissa_bits;
  const std::int32_t fraction = spec.max_code & (hidden - 1);
  const std::int32_t significand = spec.max_code >= hidden ? hidden + fraction : fraction;
  const float largest = significand % 2 == 0 ? 0.0F : 1.0F;
  const float near = std::nextafter(largest + 1.0F, 0.0F);
  std::array<float, 2 * kNumbers> x{}, y{};
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = i < kNumbers ? near : -near;
  const qloom_rounding_ref& r = call.rounding;
  const qloom_status status = r.ops->round(r.self, &call, 0, x.data(), y.data(), x.size());
  if (status != QLOOM_OK) return status;
  spec.keep_positive = spec.keep_negative = 1;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::fabs(y[i]) == largest) continue;
    (i < kNumbers ? spec.keep_positive : spec.keep_negative) = 0;
  }
  return QLOOM_OK;
}

}  // namespace detail

/// Sets on which sides a number beyond the largest value becomes that value under call.rounding,
/// whatever the format says of overflow: where the rounding mode never goes away from zero.
///
///   nearest_even, nearest_away, nearest_up    on neither side
///   toward_zero                               on both
///   toward_negative                           on the positive one
///   toward_positive                           on the negative one
///   stochastic, stochastic_equal              on neither: both neighbours of a number beyond the
///                                             first grid point past the largest value overflow
///   a rounding method                         where it behaves so, see ask_method
///
/// reference: IEEE 754-2019, 7.4
/// errors:    what the rounding method returns
inline qloom_status set_overflow_sides(const qloom_call& call, FloatSpec& spec) noexcept {
  const std::uint32_t rule = call.rounding.rule;
  spec.keep_positive = rule == QLOOM_ROUND_TOWARD_ZERO || rule == QLOOM_ROUND_TOWARD_NEGATIVE;
  spec.keep_negative = rule == QLOOM_ROUND_TOWARD_ZERO || rule == QLOOM_ROUND_TOWARD_POSITIVE;
  if (rule != QLOOM_ROUND_GENERIC || spec.overflow_code == spec.max_code) return QLOOM_OK;
  return detail::ask_method(call, spec);
}

/// The format under a call: all that minifloat and accumulate_float need to know of the two.
inline qloom_status make_spec(const qloom_call& call, const qloom_float_format& format,
                              FloatSpec& spec) noexcept {
  if (const char* why = kernels::make_spec(format, spec)) return refuse(call, QLOOM_E_INVALID, why);
  return set_overflow_sides(call, spec);
}

}  // namespace qloom::kernels::ref
