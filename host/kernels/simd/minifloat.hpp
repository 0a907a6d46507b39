// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// reference/minifloat.hpp, one batch at a time, in integer arithmetic on the float32 bits.
#pragma once

#include "host/kernels/float_spec.hpp"
#include "host/kernels/simd/round.hpp"

namespace qloom::kernels::simd {

/// 2^power for -126 <= power <= 127.
template <class Arch>
inline Floats<Arch> power_of_two(const Ints<Arch>& power) noexcept {
  return floats_of<Arch>((power + Ints<Arch>(127)) << 23);
}

/// x * 2^power for -252 <= power <= 254, in two exact steps where the product is exact.
template <class Arch>
inline Floats<Arch> times_power(const Floats<Arch>& x, const Ints<Arch>& power) noexcept {
  const Ints<Arch> half = power >> 1;
  return x * power_of_two<Arch>(half) * power_of_two<Arch>(power - half);
}

/// a where the mask holds, b elsewhere.
template <class Arch>
inline Ints<Arch> choose(const xsimd::batch_bool<float, Arch>& mask, const Ints<Arch>& a,
                         const Ints<Arch>& b) noexcept {
  return bits_of<Arch>(xsimd::select(mask, floats_of<Arch>(a), floats_of<Arch>(b)));
}

/// How a rounded number becomes value and code.
enum class Finish {
  kPlain,
  kSided,               // the largest value may be kept: FloatSpec::keep_positive, keep_negative
  kMagnitude,           // steps() and what follows see |x|; the sign comes last
  kMagnitudeSignedZero  // the same for formats with a negative zero
};

/// The constants of a format as batches, and the two halves of a conversion. OneFactor: as
/// FloatSpec::one_factor, 2^(mantissa_bits - E) and its inverse are float32 numbers, whose bits
/// come from E's by one subtraction.
template <class Arch, bool OneFactor, Finish kFinish>
class Format {
 public:
  using F = Floats<Arch>;
  using I = Ints<Arch>;
  static constexpr bool kIsMagnitude =
      kFinish == Finish::kMagnitude || kFinish == Finish::kMagnitudeSignedZero;

  explicit Format(const FloatSpec& s) noexcept
      : spec_(s),
        mantissa_(s.mantissa_bits),
        field_min_(shifted(s.exponent_min + 127)),
        flush_below_(s.flush_below > 0.0F ? field_min_ : I(0)),
        per_step_(shifted(254 + s.mantissa_bits)),
        step_(shifted(s.mantissa_bits)),
        overflow_value_(bits_of<Arch>(F(s.overflow_value))),
        overflow_sign_(s.overflow_signed != 0 ? sign_bit() : I(0)),
        max_value_(s.max_value),
        nan_value_(s.nan_value),
        keep_zero_sign_(s.unsigned_zero != 0 ? 0.0F : -0.0F),
        most_number_(s.overflow_signed != 0 ? __builtin_inff() : s.max_value),
        keep_positive_(-s.keep_positive),
        keep_negative_(-s.keep_negative) {}

  /// Exponent E of ref::scale as a float32 has it in its bits: (E + 127) << 23.
  I field(const F& x) const noexcept { return xsimd::max(own_field(x), field_min_); }
  /// t of ref::scale; what is flushed has an exponent below that of the smallest normal
  F steps(const F& x, const I& field) const noexcept {
    if constexpr (OneFactor) {
      return x * floats_of<Arch>(per_step_ - field);
    } else {
      const I bits = bits_of<Arch>(x), sign = bits & sign_bit();
      const F kept = floats_of<Arch>(xsimd::select(own_field(x) < flush_below_, sign, bits));
      return times_power<Arch>(kept, mantissa_ - exponent(field));
    }
  }
  /// ref::finish, the value
  [[gnu::always_inline]] F value(const F& x, const I& field, const F& rounded) const noexcept {
    const F y = unlimited(field, rounded);
    if constexpr (kIsMagnitude) {
      // an overflow without a sign is the one NaN
      const F limited = xsimd::select(y > max_value_, floats_of<Arch>(overflow_value_), y);
      const F kept = with_zero_sign(limited | (x & F(-0.0F)));
      return xsimd::select(y <= most_number_, kept, nan_value_);
    } else {
      const F over = floats_of<Arch>(beyond(field, rounded));
      const F kept = xsimd::select(xsimd::abs(y) > max_value_, over, y);
      return xsimd::select(are_numbers<Arch>(x, rounded), kept, nan_value_);
    }
  }
  /// ref::finish, the code
  [[gnu::always_inline]] I code(const F& x, const I& field, const F& rounded) const noexcept {
    const F y = unlimited(field, rounded);
    const I below = shift_right(field - field_min_, 23 - spec_.mantissa_bits);
    const I magnitude = below + xsimd::to_int(kIsMagnitude ? rounded : xsimd::abs(rounded));
    const I sign = sign_code(kIsMagnitude ? with_zero_sign(rounded | (x & F(-0.0F)))
                                          : rounded + keep_zero_sign_);
    const I plain = I(spec_.overflow_code) | (sign & I(spec_.overflow_signed != 0 ? -1 : 0));
    const I over = kFinish == Finish::kSided
                       ? xsimd::select(is_kept(field, rounded), I(spec_.max_code) | sign, plain)
                       : plain;
    const F size = kIsMagnitude ? y : xsimd::abs(y);
    const I kept = choose<Arch>(size > max_value_, over, sign | magnitude);
    return choose<Arch>(are_numbers<Arch>(x, rounded), kept, I(spec_.nan_code));
  }

 private:
  static I sign_bit() noexcept { return I(std::int32_t{-0x7FFFFFFF - 1}); }
  static I own_field(const F& x) noexcept { return bits_of<Arch>(x) & I(0x7F800000); }
  static I shifted(std::int32_t exponent) noexcept {
    return I(static_cast<std::int32_t>(static_cast<std::uint32_t>(exponent) << 23));
  }
  static I exponent(const I& field) noexcept { return (field >> 23) - I(127); }
  /// rounded in units of x's step; y + -0 is y and y + 0 turns -0 into +0
  [[gnu::always_inline]] F unlimited(const I& field, const F& rounded) const noexcept {
    if constexpr (OneFactor) {  // exact, so that multiply and add may be one
      const F step = floats_of<Arch>(field - step_);
      return kIsMagnitude ? rounded * step : xsimd::fma(rounded, step, keep_zero_sign_);
    } else {
      const F y = times_power<Arch>(rounded, exponent(field) - mantissa_);
      return kIsMagnitude ? y : y + keep_zero_sign_;
    }
  }
  /// A zero of the sign that the format has.
  F with_zero_sign(const F& y) const noexcept {
    return kFinish == Finish::kMagnitudeSignedZero ? y : y + keep_zero_sign_;
  }
  /// Bits of what a value beyond the largest one becomes.
  [[gnu::always_inline]] I beyond(const I& field, const F& rounded) const noexcept {
    const I bits = bits_of<Arch>(rounded), plain = overflow_value_ | (bits & overflow_sign_);
    if constexpr (kFinish == Finish::kSided) {
      const I largest = bits_of<Arch>(max_value_) | (bits & sign_bit());
      return xsimd::select(is_kept(field, rounded), largest, plain);
    } else {
      return plain;
    }
  }
  /// Is it finite, on a side where it stays the largest value?
  [[gnu::always_inline]] xsimd::batch_bool<std::int32_t, Arch> is_kept(
      const I& field, const F& rounded) const noexcept {
    const I is_negative = bits_of<Arch>(rounded) >> 31;
    const I keep = (is_negative & keep_negative_) | (~is_negative & keep_positive_);
    return (keep != I(0)) && (field < I(0x7F800000));
  }
  I sign_code(const F& x) const noexcept {
    return shift_left((bits_of<Arch>(x) >> 31) & I(1), spec_.sign_shift);
  }

  FloatSpec spec_;
  I mantissa_, field_min_, flush_below_, per_step_, step_, overflow_value_, overflow_sign_;
  F max_value_, nan_value_, keep_zero_sign_;
  F most_number_;                    // magnitudes: what is not at most this becomes NaN
  I keep_positive_, keep_negative_;  // kSided
};

template <class Arch, std::uint32_t R, bool OneFactor, Finish kFinish>
void minifloat_loop(const FloatSpec& spec, const RoundInput& in, const float* x, float* y,
                    std::int32_t* code, std::uint64_t n) noexcept {
  using Own = Format<Arch, OneFactor, kFinish>;
  const Own format(spec);
  const Rounding<Arch, R> rounding(in);
  const auto one_batch = [&](const auto& io, std::uint64_t i, const auto&, const Words<Arch>& word)
      __attribute__((always_inline)) {
    const Floats<Arch> v = io.load(x + i);
    const Floats<Arch> seen = Own::kIsMagnitude ? xsimd::abs(v) : v;
    const Ints<Arch> field = format.field(seen);
    const Floats<Arch> r = rounding(format.steps(seen, field), word, io, i);
    if (code != nullptr) io.store(code + i, format.code(v, field, r));
    if (y != nullptr) io.store(y + i, format.value(v, field, r));
  };
  each_rounded<Arch, R, kOneGroup>(in, {}, n, one_batch);
}

/// The loop that suits rule and format.
template <class Arch, std::uint32_t R>
void minifloat(const FloatSpec& spec, const RoundInput& in, const float* x, float* y,
               std::int32_t* code, std::uint64_t n) noexcept {
  using enum Finish;
  constexpr bool kIsMagnitude = R == kStochastic || R == kStochasticWide;
  constexpr bool kIsSided = R == kGiven || R == kTowardNegative;
  if constexpr (kIsSided) {
    if (spec.overflow_code != spec.max_code) {
      return minifloat_loop<Arch, R, false, kSided>(spec, in, x, y, code, n);
    }
  }
  if constexpr (kIsMagnitude) {
    if (spec.one_factor != 0 && spec.unsigned_zero == 0) {
      return minifloat_loop<Arch, R, true, kMagnitudeSignedZero>(spec, in, x, y, code, n);
    }
  }
  constexpr Finish kOwn = kIsMagnitude ? kMagnitude : kPlain;
  if (spec.one_factor != 0)
    minifloat_loop<Arch, R, true, kOwn>(spec, in, x, y, code, n);
  else
    minifloat_loop<Arch, R, false, kOwn>(spec, in, x, y, code, n);
}

template <class Arch, bool OneFactor>
void minifloat_steps_loop(const FloatSpec& spec, const float* x, float* t,
                          std::uint64_t n) noexcept {
  const Format<Arch, OneFactor, Finish::kPlain> format(spec);
  each_batch_of_four<Arch>(n, [&](const auto& io, std::uint64_t i) {
    const Floats<Arch> v = io.load(x + i);
    io.store(t + i, format.steps(v, format.field(v)));
  });
}
template <class Arch>
void minifloat_steps(const FloatSpec& spec, const float* x, float* t, std::uint64_t n) noexcept {
  if (spec.one_factor != 0)
    minifloat_steps_loop<Arch, true>(spec, x, t, n);
  else
    minifloat_steps_loop<Arch, false>(spec, x, t, n);
}

/// ref::decode
template <class Arch>
void minifloat_decode(const FloatSpec& spec, const std::int32_t* code, float* y,
                      std::uint64_t n) noexcept {
  using I = Ints<Arch>;
  const I all(static_cast<std::int32_t>((std::uint32_t{1} << spec.sign_shift) - 1U));
  const I hidden(std::int32_t{1} << spec.mantissa_bits);
  const I lowest(spec.exponent_min - spec.mantissa_bits);
  const I nan_sign(spec.unsigned_zero != 0 ? std::int32_t{-0x7FFFFFFF - 1} : 1);  // of a zero
  const I nan = bits_of<Arch>(Floats<Arch>(spec.nan_value));
  each_batch<Arch>(n, [&](const auto& io, std::uint64_t i) {
    const I pattern = io.load(code + i);
    const I magnitude = pattern & all;
    const I sign = (shift_right(pattern, spec.sign_shift) & I(1)) << 31;
    const I field = shift_right(magnitude, spec.mantissa_bits);
    const auto normal = field > I(0);
    const I significand = (magnitude & (hidden - I(1))) + xsimd::select(normal, hidden, I(0));
    const I exponent = xsimd::select(normal, field - I(1), I(0)) + lowest;
    const I finite = bits_of<Arch>(times_power<Arch>(xsimd::to_float(significand), exponent));
    const I value = xsimd::select(magnitude == I(spec.infinity_code), I(0x7F800000), finite) | sign;
    const auto nan_zero = (magnitude == I(0)) && (sign == nan_sign);
    const auto is_nan = (magnitude >= I(spec.nan_from)) || nan_zero;
    io.store(y + i, floats_of<Arch>(xsimd::select(is_nan, nan, value)));
  });
}

}  // namespace qloom::kernels::simd
