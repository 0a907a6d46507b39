// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// ref::round_sum for a batch.
#pragma once

#include "host/kernels/core.hpp"
#include "host/kernels/simd/random.hpp"
#include "host/kernels/simd/round.hpp"

namespace qloom::kernels::simd {

/// Sums rounded to the format under rule R, which draws random words or not.
///
/// Sums in the normal range have a quick form for the two rules that networks use most. Both work
/// on the double itself: a format with m fraction bits keeps the upper m of the double's 52, so the
/// steps of its grid are powers of two that the sum's exponent gives.
template <class Arch, std::uint32_t R>
class SumRounder {
 public:
  using D = Doubles<Arch>;
  using Integer = Integral<D>;
  using Bits = xsimd::batch<std::int64_t, Arch>;
  using Usual = typename D::batch_bool_type;
  static constexpr bool kDraws = R == kStochastic || R == kStochasticWide || R == kStochasticEqual;
  /// The largest value is kept on both sides.
  static constexpr bool kKeepsBoth = R == kTowardZero;
  static constexpr bool kHasQuick = R == kNearestEven || R == kStochastic;

  explicit SumRounder(const FloatJob& job) noexcept
      : smallest_(__builtin_ldexp(1.0, job.spec.exponent_min)),
        per_step_(__builtin_ldexp(1.0, job.spec.mantissa_bits)),
        step_(__builtin_ldexp(1.0, -job.spec.mantissa_bits)),
        flush_below_(static_cast<double>(job.spec.flush_below)),
        max_value_(static_cast<double>(job.spec.max_value)),
        limit_(static_cast<double>(kKeepsBoth ? job.spec.max_value : job.spec.overflow_value)),
        limit_sign_(kKeepsBoth || job.spec.overflow_signed != 0 ? -0.0 : 0.0),
        keep_zero_sign_(job.spec.unsigned_zero != 0 ? 0.0 : -0.0),
        draws_(__builtin_ldexp(1.0, static_cast<int>(job.bits))),
        word_shift_(static_cast<std::int32_t>(R == kStochasticEqual ? 31 : 32 - job.bits)),
        is_nearest_(R == kStochasticWide && job.is_nearest) {
    const std::int32_t dropped = 52 - job.spec.mantissa_bits;
    shifter_ = Bits((std::int64_t{dropped} << 52) + (std::int64_t{1} << 51));
    needs_normal_ = R == kStochastic || job.spec.flush_below > 0.0F;
    quick_max_ = max_value_;
    result_sign_ = D(job.spec.unsigned_zero != 0 ? 0.0 : -0.0);
    if constexpr (R == kStochastic) {
      // Up to 22 random bits: the definition's sticky bit at 2^-23 decides nothing.
      const auto bits = static_cast<std::int32_t>(job.bits);
      if (bits > 22 || dropped < 32) {
        quick_max_ = D(-1.0);
        return;
      }
      below_step_ = Bits((std::int64_t{1} << dropped) - 1);
      below_word_ = Bits((std::int64_t{1} << (dropped - bits)) - 1);
      lift_ = dropped - 32;
    }
  }

  /// Lanes that quick() may round, but for zeros where it needs normal numbers.
  Usual is_usual(const D& sum) const noexcept {
    const D magnitude = xsimd::abs(sum);
    const Usual is_bounded = magnitude <= quick_max_;
    return needs_normal_ ? is_bounded && magnitude >= smallest_ : is_bounded;
  }
  /// Lanes that quick() may round.
  Usual is_usual_or_zero(const D& sum) const noexcept {
    const D magnitude = xsimd::abs(sum);
    return (magnitude <= quick_max_) && ((magnitude >= smallest_) || (magnitude == D(0.0)));
  }
  /// The value of operator() for usual lanes.
  D quick(const D& sum, const Wide<Arch>& word) const noexcept {
    const Bits bits = bits_as<Bits>(sum);
    if constexpr (R == kStochastic) {
      // Adding the inverted word to the fraction carries into the last kept place exactly if
      // word < fraction.
      const Bits lifted = shift_left(bits_as<Bits>(word), lift_) | below_word_;
      const Bits carry = ~lifted & below_step_;
      return bits_as<D>((bits + carry) & ~below_step_);
    } else {
      // 1.5 * 2^52 steps: numbers of this size are one step apart
      const D power = bits_as<D>(bits & Bits(0x7FF0000000000000));
      const D far = bits_as<D>(bits_as<Bits>(greater(power, smallest_)) + shifter_);
      return ((sum + far) - far) | (sum & result_sign_);
    }
  }

  /// word: random words in the low halves of the lanes
  D operator()(const D& sum, const Wide<Arch>& word, D& overflows) const noexcept {
    const D sign = sum & D(-0.0);
    const D kept = xsimd::select(xsimd::abs(sum) < flush_below_, sign, sum);
    const D above = greater(xsimd::abs(kept), smallest_);
    // 2^E and 2^-E by their exponent fields
    const Bits field = bits_as<Bits>(above) & Bits(0x7FF0000000000000);
    const D power = bits_as<D>(field);
    const D inverse = bits_as<D>(Bits(0x7FE0000000000000) - field);
    const D t = kept * (inverse * per_step_);
    const D y = rounded(t, word) * (power * step_);
    const auto finite = xsimd::abs(sum) < D(__builtin_inf());
    const auto over = (xsimd::abs(y) > max_value_) && finite;
    overflows = overflows + xsimd::select(over, D(1.0), D(0.0));
    const D limited = xsimd::select(over, beyond(y), y + keep_zero_sign_);
    return xsimd::select(finite, limited, sum);
  }

 private:
  /// What a sum beyond the largest value becomes.
  D beyond(const D& y) const noexcept {
    const D plain = limit_ | (y & limit_sign_);
    if constexpr (R == kTowardNegative) {
      return xsimd::select(y > D(0.0), max_value_, plain);
    } else if constexpr (R == kTowardPositive) {
      return xsimd::select(y < D(0.0), -max_value_, plain);
    } else {
      return plain;
    }
  }
  D rounded(const D& t, const Wide<Arch>& word) const noexcept {
    if constexpr (R == kNearestEven)
      return Integer::nearest(t);
    else if constexpr (R == kTowardZero)
      return Integer::toward_zero(t);
    else if constexpr (R == kTowardNegative)
      return Integer::down(t);
    else if constexpr (R == kTowardPositive)
      return Integer::up(t);
    else if constexpr (R == kNearestAway) {
      const D y = Integer::toward_zero(t);
      return xsimd::select(xsimd::abs(t - y) >= D(0.5), y + (D(1.0) | (t & D(-0.0))), y);
    } else if constexpr (R == kNearestUp) {
      const D down = Integer::down(t);
      return xsimd::select(t - down >= D(0.5), down + D(1.0), down);
    } else {
      return drawn(t, drawn_bits(word));
    }
  }
  /// The random bits that the rule uses, as a number.
  D drawn_bits(const Wide<Arch>& word) const noexcept {
    const Wide<Arch> used = shift_right(word & Wide<Arch>(0xFFFFFFFFU), word_shift_);
    // below 2^32 in the fraction of 2^52
    return bits_as<D>(used | Wide<Arch>(0x4330000000000000)) - D(0x1p52);
  }
  /// ref::split_steps, the stochastic rules on its part, and the even integer back.
  D drawn(const D& t, const D& word) const noexcept {
    const D sign = t & D(-0.0), magnitude = xsimd::abs(t);
    const D even = D(2.0) * Integer::down(magnitude * D(0.5));
    const D scaled = (magnitude - even) * D(0x1p23);
    const D cut = Integer::down(scaled);
    const D low_bit = cut - D(2.0) * Integer::down(cut * D(0.5));
    const D kept = xsimd::select((cut != scaled) && (low_bit == D(0.0)), cut + D(1.0), cut);
    const D part = kept * D(0x1p-23);
    if constexpr (R == kStochasticEqual) {
      const D down = Integer::down(part | sign), fraction = (part | sign) - down;
      const auto up = (fraction != D(0.0)) && (word == D(1.0));
      return joined(even | sign, xsimd::select(up, down + D(1.0), down));
    } else {
      const D down = Integer::down(part), spread = (part - down) * draws_;
      const auto up = word < (is_nearest_ ? Integer::nearest(spread) : Integer::down(spread));
      return (even + xsimd::select(up, down + D(1.0), down)) | sign;
    }
  }
  static D joined(const D& even, const D& part) noexcept {
    return xsimd::select(even == D(0.0), part, even + part);
  }

  D smallest_, per_step_, step_, flush_below_, max_value_, limit_, limit_sign_, keep_zero_sign_,
      draws_;
  std::int32_t word_shift_;
  bool is_nearest_;
  // of the quick form
  bool needs_normal_;
  D quick_max_, result_sign_;
  Bits shifter_, below_step_, below_word_;
  std::int32_t lift_ = 0;
};

}  // namespace qloom::kernels::simd
