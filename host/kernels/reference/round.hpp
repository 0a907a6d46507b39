// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Rounding rules: the definition. Each rule takes t, in grid steps, to an integer-valued float.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>

#include <qloom/abi.h>
#include <qloom/stochastic.h>

#include "host/tensor/random.hpp"

namespace qloom::kernels {

/// Fills call->error, where there is one, and returns `code`.
inline qloom_status refuse(const qloom_call& call, qloom_status code,
                           const char* message) noexcept {
  if (call.error != nullptr) {
    call.error->code = code;
    std::snprintf(call.error->message, sizeof(call.error->message), "%s", message);
  }
  return code;
}

/// Random bits of the rule STOCHASTIC.
constexpr std::uint32_t random_bits(std::uint32_t argument) noexcept {
  return argument & std::uint32_t{QLOOM_STOCHASTIC_BITS};
}

/// Is call.rounding something the kernels can run?
inline qloom_status check_rounding(const qloom_call& call) noexcept {
  const qloom_rounding_ref& r = call.rounding;
  if (r.rule == QLOOM_ROUND_GENERIC && (r.ops == nullptr || r.ops->round == nullptr)) {
    return refuse(call, QLOOM_E_INVALID, "rounding rule 0 needs a rounding method, got none");
  }
  if (r.rule > QLOOM_ROUND_STOCHASTIC_EQUAL) {
    return refuse(call, QLOOM_E_INVALID, "rounding rule: expected a QLOOM_ROUND_* number, 0 to 8");
  }
  if (r.rule != QLOOM_ROUND_STOCHASTIC) return QLOOM_OK;
  if (random_bits(r.argument) < 1 || random_bits(r.argument) > 32) {
    return refuse(call, QLOOM_E_INVALID, "stochastic rounding: random bits must be 1 to 32");
  }
  constexpr std::uint32_t kKnown = std::uint32_t{QLOOM_STOCHASTIC_BITS} |
                                   QLOOM_STOCHASTIC_MAGNITUDE | QLOOM_STOCHASTIC_NEAREST_FRACTION;
  if ((r.argument & ~kKnown) != 0) {
    return refuse(call, QLOOM_E_INVALID,
                  "stochastic rounding: expected random bits and QLOOM_STOCHASTIC_* flags");
  }
  return QLOOM_OK;
}

/// The call for a format of sign and magnitude: see QLOOM_STOCHASTIC_MAGNITUDE.
inline qloom_call for_magnitudes(const qloom_call& call) noexcept {
  qloom_call own = call;
  if (own.rounding.rule == QLOOM_ROUND_STOCHASTIC || own.rounding.rule == QLOOM_ROUND_GENERIC) {
    own.rounding.argument |= QLOOM_STOCHASTIC_MAGNITUDE;
  }
  return own;
}

namespace ref {

/// True where the rule uses the element's random word.
constexpr bool draws(std::uint32_t rule) noexcept {
  return rule == QLOOM_ROUND_STOCHASTIC || rule == QLOOM_ROUND_STOCHASTIC_EQUAL;
}

/// Does a fraction in [0, 1] go up? True for floor(fraction * 2^bits) of the 2^bits words, or for
/// the nearest integer to it, ties to even.
inline bool goes_up(double fraction, std::uint32_t word, std::uint32_t argument) noexcept {
  const std::uint32_t bits = random_bits(argument);
  const double scaled = std::ldexp(fraction, static_cast<int>(bits));
  const bool is_nearest = (argument & QLOOM_STOCHASTIC_NEAREST_FRACTION) != 0;
  const double threshold = is_nearest ? std::nearbyint(scaled) : std::floor(scaled);
  return static_cast<double>(word >> (32 - bits)) < threshold;
}

/// t rounded by the rule STOCHASTIC.
///
/// exactness: of sign and magnitude the fraction |t| - floor|t| is exact. t - floor(t) is a
///            float32: for -1/2 < t < 0 it is off by up to 2^-25, and a tiny negative t (fraction
///            1) always goes up.
inline float round_stochastic(std::uint32_t argument, std::uint32_t word, float t) noexcept {
  const bool is_magnitude = (argument & QLOOM_STOCHASTIC_MAGNITUDE) != 0;
  const float whole = is_magnitude ? std::fabs(t) : t;
  const float down = std::floor(whole);
  const float fraction = whole - down;  // NaN for infinities: never up
  const float y = goes_up(static_cast<double>(fraction), word, argument) ? down + 1.0F : down;
  return is_magnitude ? std::copysign(y, t) : y;
}

/// t rounded by one of the rules 1 to 8; `word` is the element's random word.
///
/// range:     any t. NaN comes back bit for bit, infinities and |t| >= 2^23 as they are. A zero
///            result has the sign of t in the rules of IEEE 754, nearest_away and stochastic
///            rounding of magnitudes; in nearest_up and the other stochastic rules it has the sign
///            that the formula gives.
/// reference: IEEE 754-2019, 5.9; stochastic: floor(t) + Bernoulli(t - floor(t)), of sign and
///            magnitude sign(t) (floor|t| + Bernoulli(|t| - floor|t|)): Gupta et al. 2015
inline float round_by_rule(std::uint32_t rule, std::uint32_t argument, std::uint32_t word,
                           float t) noexcept {
  if (std::isnan(t)) return t;
  const float down = std::floor(t);
  const float toward_zero = std::trunc(t);
  const float fraction = t - down;  // NaN for infinities: every comparison below is false
  switch (rule) {
    case QLOOM_ROUND_NEAREST_EVEN:
      return std::nearbyint(t);
    case QLOOM_ROUND_NEAREST_AWAY:
      return std::fabs(t - toward_zero) >= 0.5F ? toward_zero + std::copysign(1.0F, t)
                                                : toward_zero;
    case QLOOM_ROUND_NEAREST_UP:
      return fraction >= 0.5F ? down + 1.0F : down;
    case QLOOM_ROUND_TOWARD_ZERO:
      return toward_zero;
    case QLOOM_ROUND_TOWARD_NEGATIVE:
      return down;
    case QLOOM_ROUND_TOWARD_POSITIVE:
      return std::ceil(t);
    case QLOOM_ROUND_STOCHASTIC:
      return round_stochastic(argument, word, t);
    case QLOOM_ROUND_STOCHASTIC_EQUAL:
      return down != t && (word >> 31) != 0 ? down + 1.0F : down;
  }
  return std::nanf("");  // check_rounding() lets no other rule in
}

/// t rounded under call->rounding, as element `index` of its tensor.
inline qloom_status round_one(const qloom_call& call, std::uint64_t index, float t,
                              float& y) noexcept {
  const qloom_rounding_ref& r = call.rounding;
  if (r.rule == QLOOM_ROUND_GENERIC) return r.ops->round(r.self, &call, index, &t, &y, 1);
  const std::uint32_t word =
      draws(r.rule) ? random_word(call.seed, call.stream, call.step, index) : 0;
  y = round_by_rule(r.rule, r.argument, word, t);
  return QLOOM_OK;
}

inline qloom_status round(const qloom_call* call, std::uint64_t first, const float* x, float* y,
                          std::uint64_t n) noexcept {
  if (const qloom_status bad = check_rounding(*call); bad != QLOOM_OK) return bad;
  for (std::uint64_t i = 0; i < n; ++i) {
    const qloom_status status = round_one(*call, first + i, x[i], y[i]);
    if (status != QLOOM_OK) return status;
  }
  return QLOOM_OK;
}

inline void random_u32(std::uint64_t seed, std::uint64_t stream, std::uint64_t step,
                       std::uint64_t first, std::uint32_t* out, std::uint64_t n) noexcept {
  for (std::uint64_t i = 0; i < n; ++i) out[i] = random_word(seed, stream, step, first + i);
}

}  // namespace ref
}  // namespace qloom::kernels
