// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Dot products in a modelled accumulator: the definition. c = a * b, one product at a time.
#pragma once

#include <cmath>
#include <cstdint>

#include <qloom/abi.h>

#include "host/kernels/float_spec.hpp"
#include "host/kernels/reference/overflow.hpp"
#include "host/kernels/reference/round.hpp"

namespace qloom::kernels::ref {

/// One addition in a register of `width` bits, two's complement.
///
/// unit:  integer codes; |product| <= 2^32, so the sum fits 64 bits for every width up to 63
inline std::int64_t add_in_register(std::int64_t total, std::int64_t product, std::uint32_t width,
                                    bool wrap, std::uint64_t& overflows) noexcept {
  const std::int64_t max = (std::int64_t{1} << (width - 1)) - 1, min = -max - 1;
  const std::int64_t sum = total + product;
  if (min <= sum && sum <= max) return sum;
  ++overflows;
  if (!wrap) return sum < min ? min : max;
  const std::uint64_t low = static_cast<std::uint64_t>(sum) << (64 - width);  // keep `width` bits
  return static_cast<std::int64_t>(low) >> (64 - width);                      // sign extended
}

inline void accumulate_integer(const qloom_tile* t, std::uint32_t width, std::uint32_t wrap,
                               std::uint64_t* overflows) noexcept {
  for (std::uint64_t i = 0; i < t->m; ++i) {
    for (std::uint64_t j = 0; j < t->n; ++j) {
      const float* a = t->a + static_cast<std::int64_t>(i) * t->lda;
      const float* b = t->b + j;
      std::int64_t total = 0;
      for (std::uint64_t k = 0; k < t->k; ++k) {
        const auto left = static_cast<std::int64_t>(a[k]);
        const auto right = static_cast<std::int64_t>(b[static_cast<std::int64_t>(k) * t->ldb]);
        total = add_in_register(total, left * right, width, wrap != 0, *overflows);
      }
      t->c[static_cast<std::int64_t>(i) * t->ldc + static_cast<std::int64_t>(j)] =
          static_cast<double>(total);
    }
  }
}

/// Fraction bits of the float32 that a rounding method gets for a sum; the rest is sticky.
inline constexpr int kFractionBits = 23;

/// A sum in grid steps, split so that a rounding method for float32 rounds it rightly.
///
/// t = even + part: even is the even integer next to t toward zero, part lies in (-2, 2) and is
/// kept to kFractionBits; bits beyond are or-ed into the last one (rounding to odd), so no rule
/// that looks at sign, parity, fraction and ties can take another decision than on t itself.
struct Steps {
  double even;
  float part;
};
inline Steps split_steps(double t) noexcept {
  const double magnitude = std::fabs(t);
  const double even = 2.0 * std::floor(magnitude * 0.5);
  const double scaled = std::ldexp(magnitude - even, kFractionBits);
  double kept = std::floor(scaled);
  if (kept != scaled && kept == 2.0 * std::floor(kept * 0.5)) kept += 1.0;
  const double part = std::copysign(std::ldexp(kept, -kFractionBits), t);
  return {std::copysign(even, t), static_cast<float>(part)};
}

/// One sum rounded to the format: R of qloom_kernels.accumulate_float.
///
/// range:  NaN and infinities stay; a finite sum that exceeds the largest value after rounding
///         gives the largest value, infinity or NaN as the format says, the largest value on the
///         sides that the rounding mode keeps, and counts as an overflow
/// errors: what the rounding method returns
inline qloom_status round_sum(const qloom_call& call, const FloatSpec& spec, double sum,
                              std::uint64_t index, double& out, std::uint64_t& overflows) noexcept {
  out = sum;
  if (!std::isfinite(sum)) return QLOOM_OK;
  if (std::fabs(sum) < static_cast<double>(spec.flush_below)) sum = std::copysign(0.0, sum);
  const double smallest = std::ldexp(1.0, spec.exponent_min);
  const int exponent = std::fabs(sum) > smallest ? std::ilogb(sum) : spec.exponent_min;
  const Steps steps = split_steps(std::ldexp(sum, spec.mantissa_bits - exponent));
  float rounded = 0.0F;
  const qloom_status status = round_one(call, index, steps.part, rounded);
  if (status != QLOOM_OK) return status;
  // an even part of 0 must not change the sign of a zero
  const double total =
      steps.even == 0.0 ? static_cast<double>(rounded) : steps.even + static_cast<double>(rounded);
  out = std::ldexp(total, exponent - spec.mantissa_bits);
  if (std::fabs(out) > static_cast<double>(spec.max_value)) {
    ++overflows;
    const bool keeps = (std::signbit(out) ? spec.keep_negative : spec.keep_positive) != 0;
    const auto limit = static_cast<double>(keeps ? spec.max_value : spec.overflow_value);
    out = keeps || spec.overflow_signed != 0 ? std::copysign(limit, out) : limit;
  }
  if (out == 0.0 && spec.unsigned_zero != 0) out = 0.0;
  return QLOOM_OK;
}

/// Number of chunks of k products; chunk 0 means one chunk.
constexpr std::uint64_t chunk_count(std::uint64_t k, std::uint64_t chunk) noexcept {
  return chunk == 0 ? 1 : (k + chunk - 1) / chunk;
}

/// One result; `word` is the index of its first random word.
inline qloom_status accumulate_one(const qloom_call& call, const qloom_tile& t,
                                   const FloatSpec& spec, std::uint64_t chunk, const float* a,
                                   const float* b, std::uint64_t word, double& total,
                                   std::uint64_t& overflows) noexcept {
  const std::uint64_t length = chunk == 0 ? t.k : chunk;
  total = 0.0;
  std::uint64_t k = 0;
  for (std::uint64_t c = 0; c < chunk_count(t.k, chunk); ++c) {
    double s = 0.0;
    for (std::uint64_t end = t.k - k < length ? t.k : k + length; k < end; ++k) {
      const float product = a[k] * b[static_cast<std::int64_t>(k) * t.ldb];
      const qloom_status status =
          round_sum(call, spec, s + static_cast<double>(product), word++, s, overflows);
      if (status != QLOOM_OK) return status;
    }
    const qloom_status status = round_sum(call, spec, total + s, word++, total, overflows);
    if (status != QLOOM_OK) return status;
  }
  if (std::isnan(total)) total = std::nan("");
  return QLOOM_OK;
}

inline qloom_status accumulate_float(const qloom_call* call, const qloom_tile* t,
                                     const qloom_float_format* format, std::uint64_t chunk,
                                     std::uint64_t* overflows) noexcept {
  if (const qloom_status bad = check_rounding(*call); bad != QLOOM_OK) return bad;
  const qloom_call own = for_magnitudes(*call);
  FloatSpec spec;
  if (const qloom_status bad = make_spec(own, *format, spec); bad != QLOOM_OK) return bad;
  const std::uint64_t additions = t->k + chunk_count(t->k, chunk);
  for (std::uint64_t i = 0; i < t->m; ++i) {
    for (std::uint64_t j = 0; j < t->n; ++j) {
      const auto row = static_cast<std::int64_t>(i), column = static_cast<std::int64_t>(j);
      const std::uint64_t word = (t->first + i * t->row_step + j) * additions;
      const qloom_status status =
          accumulate_one(own, *t, spec, chunk, t->a + row * t->lda, t->b + column, word,
                         t->c[row * t->ldc + column], *overflows);
      if (status != QLOOM_OK) return status;
    }
  }
  return QLOOM_OK;
}

}  // namespace qloom::kernels::ref
