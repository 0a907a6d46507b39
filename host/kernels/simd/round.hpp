// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// ref::round_by_rule for a batch.
#pragma once

#include "host/kernels/core.hpp"
#include "host/kernels/simd/lanes.hpp"

namespace qloom::kernels::simd {

/// nearbyint, floor, ceil and trunc of IEEE 754, the sign of zero included.
///
/// SSE2 has no instruction for them. There, with m = 2^mantissa bits, (|x| + m) - m is |x| rounded
/// to nearest even for |x| < m, and larger numbers are integers; the others follow by one step.
template <class Batch>
struct Integral {
  using Arch = typename Batch::arch_type;
  static constexpr bool kNative = std::is_base_of_v<xsimd::avx, Arch> ||
                                  std::is_base_of_v<xsimd::avx512f, Arch>;
  static Batch magnitude_nearest(const Batch& magnitude) noexcept {
    const Batch m(sizeof(typename Batch::value_type) == 4 ? 0x1p23 : 0x1p52);
    return xsimd::select(magnitude < m, (magnitude + m) - m, magnitude);
  }
  static Batch with_sign(const Batch& y, const Batch& x) noexcept {
    return y | (x & Batch(typename Batch::value_type(-0.0)));
  }
  static Batch nearest(const Batch& x) noexcept {
    if constexpr (kNative) return xsimd::nearbyint(x);
    else return with_sign(magnitude_nearest(xsimd::abs(x)), x);
  }
  static Batch down(const Batch& x) noexcept {
    if constexpr (kNative) {
      return xsimd::floor(x);
    } else {
      const Batch y = nearest(x);
      return with_sign(xsimd::select(y > x, y - Batch(1), y), x);
    }
  }
  static Batch up(const Batch& x) noexcept {
    if constexpr (kNative) {
      return xsimd::ceil(x);
    } else {
      const Batch y = nearest(x);
      return with_sign(xsimd::select(y < x, y + Batch(1), y), x);
    }
  }
  static Batch toward_zero(const Batch& x) noexcept {
    if constexpr (kNative) {
      return xsimd::trunc(x);
    } else {
      const Batch magnitude = xsimd::abs(x), y = magnitude_nearest(magnitude);
      return with_sign(xsimd::select(y > magnitude, y - Batch(1), y), x);
    }
  }
};

/// Constants of the stochastic rules.
template <class Arch>
struct Draw {
  explicit Draw(std::uint32_t bits) noexcept
      : shift(static_cast<std::int32_t>(32 - bits)),
        scale(bits < 32 ? static_cast<float>(std::uint32_t{1} << bits) : 0x1p32F) {}
  std::int32_t shift;
  Floats<Arch> scale;  // 2^bits
};

/// Random bits that rule R uses, 1 where it uses none.
template <class Arch, std::uint32_t R>
inline std::uint32_t draw_bits(const RoundInput& in) noexcept {
  return R == QLOOM_ROUND_STOCHASTIC || R == kStochasticWide ? in.bits : 1;
}

/// Does the fraction go up? At most 24 bits: the word and the threshold are exact in float32.
template <class Arch>
inline auto goes_up(const Floats<Arch>& fraction, const Words<Arch>& word,
                    const Draw<Arch>& draw) noexcept {
  const Ints<Arch> w = xsimd::bitwise_cast<Ints<Arch>>(word >> draw.shift);
  return xsimd::to_float(w) < Integral<Floats<Arch>>::down(fraction * draw.scale);
}

/// The same for 25 to 32 bits: word and threshold are compared in halves of 16 low bits and the
/// rest, each exact in float32.
template <class Arch>
inline auto goes_up_wide(const Floats<Arch>& fraction, const Words<Arch>& word,
                         const Draw<Arch>& draw) noexcept {
  using F = Floats<Arch>;
  const Words<Arch> w = word >> draw.shift;
  const F high = xsimd::to_float(xsimd::bitwise_cast<Ints<Arch>>(w >> 16));
  const F low = xsimd::to_float(xsimd::bitwise_cast<Ints<Arch>>(w & Words<Arch>(0xFFFFU)));
  const F threshold = Integral<F>::down(fraction * draw.scale);
  const F threshold_high = Integral<F>::down(threshold * F(0x1p-16F));
  const F threshold_low = threshold - threshold_high * F(0x1p16F);
  return (high < threshold_high) || ((high == threshold_high) && (low < threshold_low));
}

/// t rounded by rule R for elements i .. of the run; NaN stays NaN (its bits are not specified).
template <class Arch, std::uint32_t R, class Io>
inline Floats<Arch> rounded(const Floats<Arch>& t, const RoundInput& in, const Draw<Arch>& draw,
                            const Io& io, std::uint64_t i) noexcept {
  using F = Floats<Arch>;
  using Integer = Integral<F>;
  if constexpr (R == kGiven) return io.load(in.given + i);
  else if constexpr (R == QLOOM_ROUND_NEAREST_EVEN) return Integer::nearest(t);
  else if constexpr (R == QLOOM_ROUND_TOWARD_ZERO) return Integer::toward_zero(t);
  else if constexpr (R == QLOOM_ROUND_TOWARD_NEGATIVE) return Integer::down(t);
  else if constexpr (R == QLOOM_ROUND_TOWARD_POSITIVE) return Integer::up(t);
  else if constexpr (R == QLOOM_ROUND_NEAREST_AWAY) {
    const F y = Integer::toward_zero(t);
    const F one = F(1.0F) | (t & F(-0.0F));
    return xsimd::select(xsimd::abs(t - y) >= F(0.5F), y + one, y);
  } else {
    const F down = Integer::down(t), above = down + F(1.0F);
    if constexpr (R == QLOOM_ROUND_NEAREST_UP) {
      return xsimd::select(t - down >= F(0.5F), above, down);
    } else if constexpr (R == QLOOM_ROUND_STOCHASTIC) {
      return xsimd::select(goes_up<Arch>(t - down, io.load(in.words + i), draw), above, down);
    } else if constexpr (R == kStochasticWide) {
      return xsimd::select(goes_up_wide<Arch>(t - down, io.load(in.words + i), draw), above, down);
    } else {
      const F top = xsimd::to_float(xsimd::bitwise_cast<Ints<Arch>>(io.load(in.words + i) >> 31));
      return xsimd::select((down != t) && (top == F(1.0F)), above, down);
    }
  }
}

/// y = x rounded; NaN comes back bit for bit.
template <class Arch, std::uint32_t R>
void round(const RoundInput& in, const float* x, float* y, std::uint64_t n) noexcept {
  const Draw<Arch> draw(draw_bits<Arch, R>(in));
  each_batch<Arch>(n, [&](const auto& io, std::uint64_t i) {
    const Floats<Arch> t = io.load(x + i);
    io.store(y + i, xsimd::select(t == t, rounded<Arch, R>(t, in, draw, io, i), t));
  });
}

}  // namespace qloom::kernels::simd
