// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The functions of x86.hpp for the vectors of 64-bit ARM, whose contracts stand there.
#pragma once
#if defined(__aarch64__)

#include <arm_neon.h>

#include "host/kernels/simd/batches.hpp"

namespace qloom::kernels::simd {

template <class Arch, class T>
inline xsimd::batch<T, Arch> load_first(const T* p, std::uint64_t n) noexcept {
  return load_by_copy<Arch>(p, n);
}
template <class Arch, class T>
inline void store_first(T* p, std::uint64_t n, const xsimd::batch<T, Arch>& v) noexcept {
  store_by_copy<Arch>(p, n, v);
}
template <class Arch>
inline std::uint64_t store_some(float* to, const xsimd::batch_bool<float, Arch>& mask,
                                const Floats<Arch>& v) noexcept {
  const uint32x4_t lanes = mask, weights = {1, 2, 4, 8};
  return store_lanes<Arch>(to, static_cast<int>(vaddvq_u32(vandq_u32(lanes, weights))), v);
}
template <class Arch>
inline Floats<Arch> look_up(const float* table, const std::int32_t* lane) noexcept {
  return float32x4_t{table[lane[0]], table[lane[1]], table[lane[2]], table[lane[3]]};
}

template <class Arch>
inline Widened<Arch> widen(const Floats<Arch>& v) noexcept {
  const float32x4_t all = v;
  return {vcvt_f64_f32(vget_low_f32(all)), vcvt_high_f64_f32(all)};
}
template <class Arch>
inline Floats<Arch> narrow(const Doubles<Arch>& low, const Doubles<Arch>& high) noexcept {
  return vcvt_high_f32_f64(vcvt_f32_f64(low), high);
}

/// By comparison: the instructions for it give NaN where one operand is NaN.
template <class Batch>
inline Batch lesser(const Batch& a, const Batch& b) noexcept {
  return xsimd::select(a < b, a, b);
}
template <class Batch>
inline Batch greater(const Batch& a, const Batch& b) noexcept {
  return xsimd::select(a > b, a, b);
}
template <class Arch>
inline void merge_ends(const Floats<Arch>& lo, const Floats<Arch>& hi, float& low,
                       float& high) noexcept {
  const float l = vminvq_f32(lo), h = vmaxvq_f32(hi);
  low = l < low ? l : low;
  high = h > high ? h : high;
}
template <class Arch>
inline Floats<Arch> marked(const Floats<Arch>& v, const Floats<Arch>& c) noexcept {
  return vfmaq_f32(c, v, vdupq_n_f32(0.0F));
}
template <class Arch>
inline xsimd::batch_bool<float, Arch> are_numbers(const Floats<Arch>& a,
                                                  const Floats<Arch>& b) noexcept {
  return (a == a) && (b == b);
}

template <class Arch>
inline constexpr bool kHasIntegral = true;
template <class Arch>
inline Floats<Arch> nearest_integral(const Floats<Arch>& x) noexcept {
  return vrndnq_f32(x);
}
template <class Arch>
inline Doubles<Arch> nearest_integral(const Doubles<Arch>& x) noexcept {
  return vrndnq_f64(x);
}
template <class Arch>
inline Floats<Arch> integral_below(const Floats<Arch>& x) noexcept {
  return vrndmq_f32(x);
}
template <class Arch>
inline Doubles<Arch> integral_below(const Doubles<Arch>& x) noexcept {
  return vrndmq_f64(x);
}
template <class Arch>
inline Floats<Arch> integral_above(const Floats<Arch>& x) noexcept {
  return vrndpq_f32(x);
}
template <class Arch>
inline Doubles<Arch> integral_above(const Doubles<Arch>& x) noexcept {
  return vrndpq_f64(x);
}
template <class Arch>
inline Floats<Arch> integral_toward_zero(const Floats<Arch>& x) noexcept {
  return vrndq_f32(x);
}
template <class Arch>
inline Doubles<Arch> integral_toward_zero(const Doubles<Arch>& x) noexcept {
  return vrndq_f64(x);
}

template <class Arch>
inline Floats<Arch> one_more(const xsimd::batch_bool<std::int32_t, Arch>& where,
                             const Floats<Arch>& x) noexcept {
  return vbslq_f32(where, x + Floats<Arch>(1.0F), x);
}
template <class Arch>
inline constexpr bool kCutsWords = true;
/// What a float32 has no place for, below the upper 24 bits from the first one on, is cleared.
template <class Arch>
inline Floats<Arch> cut_words(const Words<Arch>& w) noexcept {
  const uint32x4_t dropped = vqsubq_u32(vdupq_n_u32(8), vclzq_u32(w));
  const uint32x4_t kept = vshlq_u32(vdupq_n_u32(~0U), vreinterpretq_s32_u32(dropped));
  return vcvtq_f32_u32(vandq_u32(w, kept));
}

/// On the registers: xsimd compares a number of places that is not constant with every possible
/// one.
template <class Batch>
inline Batch shift_left(const Batch& v, std::int32_t places) noexcept {
  const typename Batch::register_type lanes = v;
  return Batch(lanes << static_cast<typename Batch::value_type>(places));
}
template <class Batch>
inline Batch shift_right(const Batch& v, std::int32_t places) noexcept {
  const typename Batch::register_type lanes = v;
  return Batch(lanes >> static_cast<typename Batch::value_type>(places));
}

template <class Arch>
inline Wide<Arch> multiply_low(const Wide<Arch>& a, const Wide<Arch>& b) noexcept {
  return vmull_u32(vmovn_u64(a), vmovn_u64(b));
}
template <class Arch>
inline Wide<Arch> xor_of(const Wide<Arch>& a, const Wide<Arch>& b, const Wide<Arch>& c) noexcept {
  return a ^ (b ^ c);
}
template <class Arch>
inline Wide<Arch> low_halves(const Wide<Arch>& a, const Wide<Arch>& b) noexcept {
  return vsliq_n_u64(a, b, 32);
}
template <class Arch>
inline Wide<Arch> even_pairs(const Wide<Arch>& a, const Wide<Arch>& b) noexcept {
  return vzip1q_u64(a, b);
}
template <class Arch>
inline Wide<Arch> odd_pairs(const Wide<Arch>& a, const Wide<Arch>& b) noexcept {
  return vzip2q_u64(a, b);
}

template <class Arch>
inline Ints<Arch> multiply_pairs(const Ints<Arch>& a, const Ints<Arch>& b) noexcept {
  const int16x8_t x = vreinterpretq_s16_s32(a), y = vreinterpretq_s16_s32(b);
  return vpaddq_s32(vmull_s16(vget_low_s16(x), vget_low_s16(y)), vmull_high_s16(x, y));
}
template <class Lanes>
inline Lanes minus_where_equal(const Lanes& count, const Lanes& a, const Lanes& b) noexcept {
  const typename Lanes::batch_bool_type::register_type mask = a == b;  // all bits where equal
  return count + Lanes(__builtin_bit_cast(typename Lanes::register_type, mask));
}

}  // namespace qloom::kernels::simd

#endif
