// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// ref::round_by_rule for a batch.
#pragma once

#include <qloom/stochastic.h>

#include "host/kernels/core.hpp"
#include "host/kernels/simd/groups.hpp"
#include "host/kernels/simd/random.hpp"

namespace qloom::kernels::simd {

/// nearbyint, floor, ceil and trunc of IEEE 754, the sign of zero included.
///
/// SSE2 has no instruction for them. There, with m = 2^mantissa bits, (|x| + m) - m is |x| rounded
/// to nearest even for |x| < m, and larger numbers are integers; the others follow by one step.
template <class Batch>
struct Integral {
  static constexpr bool kNative = kHasIntegral<typename Batch::arch_type>;
  static Batch magnitude_nearest(const Batch& magnitude) noexcept {
    const Batch m(sizeof(typename Batch::value_type) == 4 ? 0x1p23 : 0x1p52);
    return xsimd::select(magnitude < m, (magnitude + m) - m, magnitude);
  }
  static Batch with_sign(const Batch& y, const Batch& x) noexcept {
    return y | (x & Batch(typename Batch::value_type(-0.0)));
  }
  static Batch nearest(const Batch& x) noexcept {
    if constexpr (kNative)
      return nearest_integral(x);
    else
      return with_sign(magnitude_nearest(xsimd::abs(x)), x);
  }
  static Batch down(const Batch& x) noexcept {
    if constexpr (kNative) {
      return integral_below(x);
    } else {
      const Batch y = nearest(x);
      return with_sign(xsimd::select(y > x, y - Batch(1), y), x);
    }
  }
  static Batch up(const Batch& x) noexcept {
    if constexpr (kNative) {
      return integral_above(x);
    } else {
      const Batch y = nearest(x);
      return with_sign(xsimd::select(y < x, y + Batch(1), y), x);
    }
  }
  static Batch toward_zero(const Batch& x) noexcept {
    if constexpr (kNative) {
      return integral_toward_zero(x);
    } else {
      const Batch magnitude = xsimd::abs(x), y = magnitude_nearest(magnitude);
      return with_sign(xsimd::select(y > magnitude, y - Batch(1), y), x);
    }
  }
};

/// Rule R for batches of t.
template <class Arch, std::uint32_t R>
class Rounding {
 public:
  using F = Floats<Arch>;
  using I = Ints<Arch>;
  using Integer = Integral<F>;
  /// True where the rule uses random words.
  static constexpr bool kDraws = R == kStochastic || R == kStochasticWide ||
                                 R == kStochasticEqual || R == kStochasticGeneral ||
                                 R == kStochasticMagnitude;

  explicit Rounding(const RoundInput& in) noexcept
      : given_(in.given),
        shift_(static_cast<std::int32_t>(32 - in.bits)),
        scale_(in.bits < 32 ? static_cast<float>(std::uint32_t{1} << in.bits) : 0x1p32F),
        sign_((in.flags & QLOOM_STOCHASTIC_MAGNITUDE) != 0 ? -0.0F : 0.0F),
        is_nearest_((in.flags & QLOOM_STOCHASTIC_NEAREST_FRACTION) != 0),
        rule_(in.rule) {}

  /// t rounded, for elements i .. of the run; NaN stays NaN (its bits are not specified).
  template <class Io>
  F operator()(const F& t, const Words<Arch>& word, const Io& io, std::uint64_t i) const noexcept {
    if constexpr (R == kGiven)
      return io.load(given_ + i);
    else if constexpr (R == kNearestEven)
      return Integer::nearest(t);
    else if constexpr (R == kTowardZero)
      return Integer::toward_zero(t);
    else if constexpr (R == kNearestUp)
      return nearest_up(t);
    else if constexpr (R == kRare)
      return rare(t);
    else if constexpr (R == kTowardNegative)
      return Integer::down(t);
    else if constexpr (R == kTowardPositive)
      return Integer::up(t);
    else if constexpr (R == kNearestAway) {
      const F y = Integer::toward_zero(t);
      const F one = F(1.0F) | (t & F(-0.0F));
      return xsimd::select(xsimd::abs(t - y) >= F(0.5F), y + one, y);
    } else if constexpr (R == kStochasticMagnitude) {
      const F whole = xsimd::abs(t), down = Integer::down(whole);
      return goes_up(whole - down, down, word) | (t & F(-0.0F));
    } else if constexpr (R == kStochasticGeneral) {
      const F sign = t & sign_, whole = t ^ sign, down = Integer::down(whole);
      const F scaled = (whole - down) * scale_;
      const F threshold = is_nearest_ ? Integer::nearest(scaled) : Integer::down(scaled);
      return goes_up_wide(threshold, down, word) | sign;
    } else {
      const F down = Integer::down(t);
      if constexpr (R == kStochastic) {
        return goes_up(t - down, down, word);
      } else if constexpr (R == kStochasticWide) {
        return goes_up_wide(Integer::down((t - down) * scale_), down, word);
      } else {
        const F above = one_more<Arch>(bits_as<I>(word) < I(0), down);
        return xsimd::select(down != t, above, down);
      }
    }
  }

 private:
  static F nearest_up(const F& t) noexcept {
    const F down = Integer::down(t);
    return xsimd::select(t - down >= F(0.5F), down + F(1.0F), down);
  }
  F rare(const F& t) const noexcept {
    if (rule_ == kTowardZero) return Integer::toward_zero(t);
    return rule_ == kTowardPositive ? Integer::up(t) : nearest_up(t);
  }
  /// At most 24 bits: word and threshold are integers. A fraction that is NaN converts to INT_MIN
  /// or 0, by machine: no word is below either.
  F goes_up(const F& fraction, const F& down, const Words<Arch>& word) const noexcept {
    const I threshold = xsimd::to_int(fraction * scale_);
    return one_more<Arch>(bits_as<I>(shift_right(word, shift_)) < threshold, down);
  }
  /// Any number of bits; the threshold is a whole number. It is a float32, so that a word is below
  /// it exactly when the word cut to a float32 toward zero is. Where no instruction cuts so, word
  /// and threshold are compared in halves of 16 low bits and the rest, each exact in float32.
  F goes_up_wide(const F& threshold, const F& down, const Words<Arch>& word) const noexcept {
    const Words<Arch> w = shift_right(word, shift_);
    if constexpr (kCutsWords<Arch>) {
      return xsimd::select(cut_words<Arch>(w) < threshold, down + F(1.0F), down);
    } else {
      const F high = xsimd::to_float(bits_as<I>(w >> 16));
      const F low = xsimd::to_float(bits_as<I>(w & Words<Arch>(0xFFFFU)));
      const F threshold_high = Integer::down(threshold * F(0x1p-16F));
      const F threshold_low = threshold - threshold_high * F(0x1p16F);
      const auto low_up = (high == threshold_high) && (low < threshold_low);
      return xsimd::select((high < threshold_high) || low_up, down + F(1.0F), down);
    }
  }

  const float* given_;
  std::int32_t shift_;
  F scale_;  // 2^bits
  // of kStochasticGeneral
  F sign_;  // the bit that is kept apart, or none
  bool is_nearest_;
  std::uint32_t rule_;  // of kRare
};

/// body(io, i, place, words) for batches that cover 0 .. n - 1, with the random words of rule R
/// straight from the registers they are made in. (Bodies are marked always_inline: the compiler
/// would leave some of them as functions of their own, with all operands in memory.)
template <class Arch, std::uint32_t R, std::uint32_t L, class Body>
[[gnu::always_inline]] inline void each_rounded(const RoundInput& in, const GroupRun& groups,
                                                std::uint64_t n, const Body& body) noexcept {
  if constexpr (!Rounding<Arch, R>::kDraws) {
    const auto one_batch = [&](const auto& io, std::uint64_t i, const auto& place)
        __attribute__((always_inline)) {
      body(io, i, place, Words<Arch>(0U));
    };
    each_in_groups<Arch, L, R == kGiven || (R >= kFusedRules)>(groups, n, one_batch);
  } else {
    constexpr std::uint64_t kWords = Philox<Arch>::kWords;
    Place<Arch, L> place(groups);
    const auto piece = [&](const Words<Arch>* words, std::uint64_t i, std::uint64_t skip,
                           std::uint64_t count) __attribute__((always_inline)) {
      if (count == kWords) {
        for (std::uint64_t b = 0; b < Philox<Arch>::kWordBatches; ++b) {
          body(Whole<Arch>{}, i + b * kWidth<Arch>, place, words[b]);
          place.next();
        }
        return;
      }
      alignas(64) std::uint32_t some[kWords + kWidth<Arch>] = {};
      for (std::uint64_t b = 0; b < Philox<Arch>::kWordBatches; ++b) {
        words[b].store_aligned(some + b * kWidth<Arch>);
      }
#pragma GCC unroll 1
      for (std::uint64_t j = 0; j < count; j += kWidth<Arch>) {
        const std::uint64_t lanes = count - j < kWidth<Arch> ? count - j : kWidth<Arch>;
        body(Part<Arch>{lanes}, i + j, place, Words<Arch>::load_unaligned(some + skip + j));
        place.next();
      }
      place = Place<Arch, L>(groups, i + count);
    };
    each_draw<Arch>(in.seed, in.stream, in.step, in.first, n, piece);
  }
}

/// y = x rounded; NaN comes back bit for bit.
template <class Arch, std::uint32_t R>
void round(const RoundInput& in, const float* x, float* y, std::uint64_t n) noexcept {
  const Rounding<Arch, R> rounding(in);
  const auto one_batch = [&](const auto& io, std::uint64_t i, const auto&, const Words<Arch>& word)
      __attribute__((always_inline)) {
    const Floats<Arch> t = io.load(x + i);
    io.store(y + i, xsimd::select(t == t, rounding(t, word, io, i), t));
  };
  each_rounded<Arch, R, kOneGroup>(in, {}, n, one_batch);
}

}  // namespace qloom::kernels::simd
