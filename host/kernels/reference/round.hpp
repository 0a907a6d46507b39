// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Rounding rules: the definition. Each rule takes t, in grid steps, to an integer-valued float.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>

#include <qloom/abi.h>

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

/// Is call.rounding something the kernels can run?
inline qloom_status check_rounding(const qloom_call& call) noexcept {
  const qloom_rounding_ref& r = call.rounding;
  if (r.rule == QLOOM_ROUND_GENERIC && (r.ops == nullptr || r.ops->round == nullptr)) {
    return refuse(call, QLOOM_E_INVALID, "rounding rule 0 needs a rounding method, got none");
  }
  if (r.rule > QLOOM_ROUND_STOCHASTIC_EQUAL) {
    return refuse(call, QLOOM_E_INVALID, "rounding rule: expected a QLOOM_ROUND_* number, 0 to 8");
  }
  if (r.rule == QLOOM_ROUND_STOCHASTIC && (r.argument < 1 || r.argument > 32)) {
    return refuse(call, QLOOM_E_INVALID, "stochastic rounding: random bits must be 1 to 32");
  }
  return QLOOM_OK;
}

namespace ref {

/// True where the rule uses the element's random word.
constexpr bool draws(std::uint32_t rule) noexcept {
  return rule == QLOOM_ROUND_STOCHASTIC || rule == QLOOM_ROUND_STOCHASTIC_EQUAL;
}

/// Does a fraction in [0, 1] go up? True with probability floor(fraction * 2^bits) / 2^bits.
inline bool goes_up(double fraction, std::uint32_t word, std::uint32_t bits) noexcept {
  const double threshold = std::floor(std::ldexp(fraction, static_cast<int>(bits)));
  return static_cast<double>(word >> (32 - bits)) < threshold;
}

/// t rounded by one of the rules 1 to 8; `word` is the element's random word.
///
/// range:     any t. NaN comes back bit for bit, infinities and |t| >= 2^23 as they are. A zero
///            result has the sign of t in the rules of IEEE 754 and nearest_away; in nearest_up
///            and the stochastic rules it has the sign that the formula gives.
/// reference: IEEE 754-2019, 5.9; stochastic: floor(t) + Bernoulli(t - floor(t)), where the
///            fraction is a float32, so that a tiny negative t (fraction 1) always goes up
inline float round_by_rule(std::uint32_t rule, std::uint32_t argument, std::uint32_t word,
                           float t) noexcept {
  if (std::isnan(t)) return t;
  const float down = std::floor(t);
  const float toward_zero = std::trunc(t);
  const float fraction = t - down;  // NaN for infinities: every comparison below is false
  switch (rule) {
    case QLOOM_ROUND_NEAREST_EVEN: return std::nearbyint(t);
    case QLOOM_ROUND_NEAREST_AWAY:
      return std::fabs(t - toward_zero) >= 0.5F ? toward_zero + std::copysign(1.0F, t)
                                                : toward_zero;
    case QLOOM_ROUND_NEAREST_UP: return fraction >= 0.5F ? down + 1.0F : down;
    case QLOOM_ROUND_TOWARD_ZERO: return toward_zero;
    case QLOOM_ROUND_TOWARD_NEGATIVE: return down;
    case QLOOM_ROUND_TOWARD_POSITIVE: return std::ceil(t);
    case QLOOM_ROUND_STOCHASTIC: return goes_up(fraction, word, argument) ? down + 1.0F : down;
    default: return down != t && (word >> 31) != 0 ? down + 1.0F : down;  // STOCHASTIC_EQUAL
  }
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
