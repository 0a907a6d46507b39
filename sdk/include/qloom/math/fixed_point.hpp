// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Real factors as integers, without a rounding that is not named: for requantizers. Doubles are
// integers times a power of two, so all of it is exact up to the one rounding.
#pragma once

#include <cmath>
#include <cstdint>

#include <qloom/support.hpp>

namespace qloom::sdk {

/// factor = q / 2^bits * 2^exponent, up to the rounding of q.
struct Multiplier {
  std::int64_t q = 0;
  int exponent = 0;
};

/// factor = f * 2^e with 0.5 <= |f| < 1, q = f * 2^bits rounded half away from 0; 2^bits becomes
/// 2^(bits - 1) and e + 1. So |q| has exactly `bits` bits. 0 is {0, 0}. bits: 1 to 62.
[[nodiscard]] inline Multiplier multiplier_of(double factor, int bits) {
  Multiplier m;
  const double f = std::frexp(factor, &m.exponent);
  if (factor == 0) return {};
  m.q = static_cast<std::int64_t>(std::round(std::ldexp(f, bits)));
  if (m.q == std::int64_t{1} << bits || m.q == -(std::int64_t{1} << bits)) {
    m.q /= 2;
    ++m.exponent;
  }
  return m;
}

/// x as an integer, rounded as `rounding` (QLOOM_ROUND_* without random words) says. |x| < 2^63.
[[nodiscard]] inline std::int64_t rounded(double x, std::uint32_t rounding) {
  const double whole = std::trunc(x), rest = x - whole;  // both exact
  const auto near = static_cast<std::int64_t>(whole);    // the one toward 0
  const std::int64_t far = near + (x < 0 ? -1 : 1);
  if (rest == 0 || rounding == QLOOM_ROUND_TOWARD_ZERO) return near;
  if (rounding == QLOOM_ROUND_TOWARD_NEGATIVE) return x < 0 ? far : near;
  if (rounding == QLOOM_ROUND_TOWARD_POSITIVE) return x < 0 ? near : far;
  if (std::fabs(rest) != 0.5) return std::fabs(rest) < 0.5 ? near : far;
  if (rounding == QLOOM_ROUND_NEAREST_UP) return x < 0 ? near : far;
  if (rounding == QLOOM_ROUND_NEAREST_AWAY) return far;
  return near % 2 == 0 ? near : far;
}

/// The integer nearest to x, half way between two the even one. |x| < 2^63.
[[nodiscard]] inline std::int64_t nearest_even(double x) {
  return rounded(x, QLOOM_ROUND_NEAREST_EVEN);
}

namespace detail {
__extension__ using Wide = __int128;

/// |x| = m * 2^e, m an odd integer of at most 53 bits; x is finite and not 0.
struct Dyadic {
  std::int64_t m;
  int e;
};
inline Dyadic dyadic_of(double x) noexcept {
  int e = 0;
  auto m = static_cast<std::int64_t>(std::ldexp(std::frexp(std::fabs(x), &e), 53));
  e -= 53;
  while (m % 2 == 0) {
    m /= 2;
    ++e;
  }
  return {m, e};
}
}  // namespace detail

/// The integer nearest to a / b, half way between two the even one; exact. Error
/// QLOOM_E_UNSUPPORTED from 2^40 on.
[[nodiscard]] inline std::int64_t nearest_quotient(double a, double b) {
  const double about = std::fabs(a / b);
  if (!(about < 0x1p40)) {
    throw Error(QLOOM_E_UNSUPPORTED, concat(a, " / ", b, " is 2^40 or more"));
  }
  if (about < 0.25) return 0;
  // |a| / |b| = n / d with integers below 2^53 * 2^95, since the quotient lies in 2^-2 .. 2^40
  const detail::Dyadic n = detail::dyadic_of(a), d = detail::dyadic_of(b);
  detail::Wide above = n.m, below = d.m;
  if (n.e > d.e) above <<= n.e - d.e;
  if (d.e > n.e) below <<= d.e - n.e;
  auto k = static_cast<std::int64_t>(above / below);
  const detail::Wide twice_rest = 2 * (above - below * k);
  if (twice_rest > below || (twice_rest == below && k % 2 != 0)) ++k;
  return (a < 0) != (b < 0) ? -k : k;
}

/// The bias at the sum's scale, offset / factor rounded half to even; Error QLOOM_E_UNSUPPORTED
/// with the channel where 32 bits do not hold it.
[[nodiscard]] inline std::int64_t sum_bias(double offset, double factor, std::uint64_t channel) {
  const bool is_small = std::fabs(offset / factor) < 0x1p32;
  const std::int64_t bias = is_small ? nearest_quotient(offset, factor) : INT64_MAX;
  if (bias >= INT32_MIN && bias <= INT32_MAX) return bias;
  throw Error(QLOOM_E_UNSUPPORTED,
              concat("channel ", channel, ": the bias at the sum's scale, offset / factor = ",
                     offset, " / ", factor, " = ", offset / factor, ", does not fit into 32 bits"));
}

}  // namespace qloom::sdk
