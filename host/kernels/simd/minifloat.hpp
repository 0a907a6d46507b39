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

template <class Arch>
struct Scaled {
  Ints<Arch> exponent;
  Floats<Arch> t;
};

/// The constants of a format as batches, and the two halves of a conversion.
template <class Arch>
class Format {
 public:
  using F = Floats<Arch>;
  using I = Ints<Arch>;
  explicit Format(const FloatSpec& s) noexcept : spec_(s), mantissa_(s.mantissa_bits),
        exponent_min_(s.exponent_min), flush_below_(s.flush_below), max_value_(s.max_value),
        overflow_value_(s.overflow_value), nan_value_(s.nan_value),
        overflow_sign_(s.overflow_signed != 0 ? -0.0F : 0.0F),
        keep_zero_sign_(s.unsigned_zero != 0 ? 0.0F : -0.0F) {}

  /// ref::scale
  Scaled<Arch> scale(F x) const noexcept {
    const F sign = x & F(-0.0F);
    x = xsimd::select(xsimd::abs(x) < flush_below_, sign, x);
    const I own = ((bits_of<Arch>(x) & I(0x7FFFFFFF)) >> 23) - I(127);
    const I exponent = xsimd::max(own, exponent_min_);
    return {exponent, times_power<Arch>(x, mantissa_ - exponent)};
  }
  /// ref::finish, the value; x + -0 is x and x + 0 turns -0 into +0
  F value(const F& x, const I& exponent, const F& rounded) const noexcept {
    const F y = times_power<Arch>(rounded, exponent - mantissa_);
    const F over = overflow_value_ | (rounded & overflow_sign_);
    const F kept = xsimd::select(xsimd::abs(y) > max_value_, over, y + keep_zero_sign_);
    return xsimd::select(is_number(x, rounded), kept, nan_value_);
  }
  /// ref::finish, the code
  I code(const F& x, const I& exponent, const F& rounded) const noexcept {
    const F y = times_power<Arch>(rounded, exponent - mantissa_);
    const I below = (exponent - exponent_min_) << spec_.mantissa_bits;
    const I magnitude = below + xsimd::to_int(xsimd::abs(rounded));
    const F signed_rounded = rounded + keep_zero_sign_;
    const I sign = sign_code(signed_rounded);
    const I over = I(spec_.overflow_code) | (sign & I(spec_.overflow_signed != 0 ? -1 : 0));
    const F big = xsimd::select(xsimd::abs(y) > max_value_, F(1.0F), F(0.0F));
    const I kept = choose(big, over, sign | magnitude);
    const F number = xsimd::select(is_number(x, rounded), F(1.0F), F(0.0F));
    return choose(number, kept, I(spec_.nan_code));
  }
  /// ref::decode
  F decode(const I& code) const noexcept {
    const I all = I(static_cast<std::int32_t>((std::uint32_t{1} << spec_.sign_shift) - 1U));
    const I magnitude = code & all;
    const I negative = (code >> spec_.sign_shift) & I(1);
    const I field = (magnitude >> spec_.mantissa_bits);
    const I hidden = I(std::int32_t{1} << spec_.mantissa_bits);
    const I fraction = magnitude & (hidden - I(1));
    const auto normal = field > I(0);
    const I significand = fraction + xsimd::select(normal, hidden, I(0));
    const I exponent = xsimd::select(normal, field - I(1), I(0)) + exponent_min_ - mantissa_;
    const F finite = times_power<Arch>(xsimd::to_float(significand), exponent);
    const F infinity = floats_of<Arch>(I(0x7F800000));
    const F infinite = as_floats(magnitude == I(spec_.infinity_code));
    const F unsigned_value = xsimd::select(infinite == F(1.0F), infinity, finite);
    const F y = unsigned_value | floats_of<Arch>(negative << 31);
    const F nan = as_floats(magnitude >= I(spec_.nan_from));
    const F nan_zero = as_floats((magnitude == I(0)) && (negative == I(spec_.unsigned_zero)) &&
                                 (I(spec_.unsigned_zero) == I(1)));
    return xsimd::select((nan == F(1.0F)) || (nan_zero == F(1.0F)), nan_value_, y);
  }

 private:
  static auto is_number(const F& x, const F& rounded) noexcept {
    return (x == x) && (rounded == rounded);
  }
  template <class Mask>
  static F as_floats(const Mask& mask) noexcept {
    return xsimd::to_float(xsimd::select(mask, I(1), I(0)));
  }
  /// a where flag is 1, b where it is 0
  static I choose(const F& flag, const I& a, const I& b) noexcept {
    return xsimd::select(xsimd::to_int(flag) == I(1), a, b);
  }
  I sign_code(const F& x) const noexcept {
    return ((bits_of<Arch>(x) >> 31) & I(1)) << spec_.sign_shift;
  }

  FloatSpec spec_;
  I mantissa_, exponent_min_;
  F flush_below_, max_value_, overflow_value_, nan_value_, overflow_sign_, keep_zero_sign_;
};

template <class Arch, std::uint32_t R>
void minifloat_value(const FloatSpec& spec, const RoundInput& in, const float* x, float* y,
                     std::uint64_t n) noexcept {
  const Format<Arch> format(spec);
  const Draw<Arch> draw(draw_bits<Arch, R>(in));
  each_batch<Arch>(n, [&](const auto& io, std::uint64_t i) {
    const Floats<Arch> v = io.load(x + i);
    const Scaled<Arch> s = format.scale(v);
    const Floats<Arch> r = rounded<Arch, R>(s.t, in, draw, io, i);
    io.store(y + i, format.value(v, s.exponent, r));
  });
}

template <class Arch, std::uint32_t R>
void minifloat_code(const FloatSpec& spec, const RoundInput& in, const float* x,
                    std::int32_t* code, std::uint64_t n) noexcept {
  const Format<Arch> format(spec);
  const Draw<Arch> draw(draw_bits<Arch, R>(in));
  each_batch<Arch>(n, [&](const auto& io, std::uint64_t i) {
    const Floats<Arch> v = io.load(x + i);
    const Scaled<Arch> s = format.scale(v);
    const Floats<Arch> r = rounded<Arch, R>(s.t, in, draw, io, i);
    io.store(code + i, format.code(v, s.exponent, r));
  });
}

template <class Arch>
void minifloat_steps(const FloatSpec& spec, const float* x, float* t, std::uint64_t n) noexcept {
  const Format<Arch> format(spec);
  each_batch<Arch>(n, [&](const auto& io, std::uint64_t i) {
    io.store(t + i, format.scale(io.load(x + i)).t);
  });
}

template <class Arch>
void minifloat_decode(const FloatSpec& spec, const std::int32_t* code, float* y,
                      std::uint64_t n) noexcept {
  const Format<Arch> format(spec);
  each_batch<Arch>(n, [&](const auto& io, std::uint64_t i) {
    io.store(y + i, format.decode(io.load(code + i)));
  });
}

}  // namespace qloom::kernels::simd
