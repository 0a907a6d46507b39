// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What SSE2, AVX2 and AVX-512 have beyond xsimd. neon.hpp has the same functions for 64-bit ARM.
#pragma once
#if defined(__x86_64__)

#include <immintrin.h>

#include "host/kernels/simd/batches.hpp"

namespace qloom::kernels::simd {

template <class Arch>
inline constexpr bool kIsAvx512 = std::is_base_of_v<xsimd::avx512f, Arch>;
template <class Arch>
inline constexpr bool kIsAvx = std::is_base_of_v<xsimd::avx, Arch>;  // and AVX2

/// First n lanes, 0 < n <= kWidth, of 4-byte elements; the others read as 0.
template <class Arch, class T>
inline xsimd::batch<T, Arch> load_first(const T* p, std::uint64_t n) noexcept {
  if constexpr (kIsAvx512<Arch>) {
    const auto mask = static_cast<__mmask16>((1U << n) - 1U);
    if constexpr (std::is_same_v<T, float>)
      return _mm512_maskz_loadu_ps(mask, p);
    else
      return _mm512_maskz_loadu_epi32(mask, p);
  } else if constexpr (kIsAvx<Arch>) {
    const __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    if constexpr (std::is_same_v<T, float>)
      return _mm256_maskload_ps(p, mask);
    else
      return _mm256_maskload_epi32(reinterpret_cast<const int*>(p), mask);
  } else {
    return load_by_copy<Arch>(p, n);
  }
}
template <class Arch, class T>
inline void store_first(T* p, std::uint64_t n, const xsimd::batch<T, Arch>& v) noexcept {
  if constexpr (kIsAvx512<Arch>) {
    const auto mask = static_cast<__mmask16>((1U << n) - 1U);
    if constexpr (std::is_same_v<T, float>)
      _mm512_mask_storeu_ps(p, mask, v);
    else
      _mm512_mask_storeu_epi32(p, mask, v);
  } else {
    store_by_copy<Arch>(p, n, v);
  }
}
/// The lanes of the mask, one after the other; returns how many.
template <class Arch>
inline std::uint64_t store_some(float* to, const xsimd::batch_bool<float, Arch>& mask,
                                const Floats<Arch>& v) noexcept {
  if constexpr (kIsAvx512<Arch>) {
    const __mmask16 lanes = mask;
    _mm512_mask_compressstoreu_ps(to, lanes, v);
    return static_cast<std::uint64_t>(__builtin_popcount(lanes));
  } else if constexpr (kIsAvx<Arch>) {
    return store_lanes<Arch>(to, _mm256_movemask_ps(mask), v);
  } else {
    return store_lanes<Arch>(to, _mm_movemask_ps(mask), v);
  }
}
/// table[lane[0]], table[lane[1]], ..; 16 lanes name at most the first 8 entries.
template <class Arch>
inline Floats<Arch> look_up(const float* table, const std::int32_t* lane) noexcept {
  if constexpr (kIsAvx512<Arch>) {
    const __m512 entries = _mm512_castps256_ps512(_mm256_loadu_ps(table));
    return _mm512_permutexvar_ps(_mm512_loadu_si512(lane), entries);
  } else if constexpr (kIsAvx<Arch>) {
    const __m256i lanes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(lane));
    return _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), lanes);
  } else {
    return _mm_setr_ps(table[lane[0]], table[lane[1]], table[lane[2]], table[lane[3]]);
  }
}

template <class Arch>
inline Widened<Arch> widen(const Floats<Arch>& v) noexcept {
  if constexpr (kIsAvx512<Arch>) {
    const __m512 all = v;
    return {_mm512_cvtps_pd(_mm512_castps512_ps256(all)),
            _mm512_cvtps_pd(_mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(all), 1)))};
  } else if constexpr (kIsAvx<Arch>) {
    const __m256 all = v;
    return {_mm256_cvtps_pd(_mm256_castps256_ps128(all)),
            _mm256_cvtps_pd(_mm256_extractf128_ps(all, 1))};
  } else {
    const __m128 all = v;
    return {_mm_cvtps_pd(all), _mm_cvtps_pd(_mm_movehl_ps(all, all))};
  }
}
/// Doubles that are float32 numbers, as such: widen() back.
template <class Arch>
inline Floats<Arch> narrow(const Doubles<Arch>& low, const Doubles<Arch>& high) noexcept {
  if constexpr (kIsAvx512<Arch>) {
    const __m512d first = _mm512_castps_pd(_mm512_castps256_ps512(_mm512_cvtpd_ps(low)));
    return _mm512_castpd_ps(_mm512_insertf64x4(first, _mm256_castps_pd(_mm512_cvtpd_ps(high)), 1));
  } else if constexpr (kIsAvx<Arch>) {
    return _mm256_set_m128(_mm256_cvtpd_ps(high), _mm256_cvtpd_ps(low));
  } else {
    return _mm_movelh_ps(_mm_cvtpd_ps(low), _mm_cvtpd_ps(high));
  }
}

/// a < b ? a : b and a > b ? a : b, also of zeros and NaN.
template <class Batch>
inline Batch lesser(const Batch& a, const Batch& b) noexcept {
  return xsimd::min(a, b);
}
template <class Batch>
inline Batch greater(const Batch& a, const Batch& b) noexcept {
  return xsimd::max(a, b);
}
/// Smallest of lo's lanes and `low`, largest of hi's and `high`; no NaN.
template <class Arch>
inline void merge_ends(const Floats<Arch>& lo, const Floats<Arch>& hi, float& low,
                       float& high) noexcept {
  __m128 l, h;
  if constexpr (kIsAvx512<Arch>) {
    const __m512 a = lo, b = hi;
    const __m256 c = _mm256_min_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    const __m256 d = _mm256_max_ps(_mm512_castps512_ps256(b), _mm512_extractf32x8_ps(b, 1));
    l = _mm_min_ps(_mm256_castps256_ps128(c), _mm256_extractf128_ps(c, 1));
    h = _mm_max_ps(_mm256_castps256_ps128(d), _mm256_extractf128_ps(d, 1));
  } else if constexpr (kIsAvx<Arch>) {
    const __m256 c = lo, d = hi;
    l = _mm_min_ps(_mm256_castps256_ps128(c), _mm256_extractf128_ps(c, 1));
    h = _mm_max_ps(_mm256_castps256_ps128(d), _mm256_extractf128_ps(d, 1));
  } else {
    l = lo;
    h = hi;
  }
  l = _mm_min_ps(l, _mm_movehl_ps(l, l));
  h = _mm_max_ps(h, _mm_movehl_ps(h, h));
  low = _mm_cvtss_f32(_mm_min_ss(_mm_min_ss(l, _mm_shuffle_ps(l, l, 1)), _mm_set_ss(low)));
  high = _mm_cvtss_f32(_mm_max_ss(_mm_max_ss(h, _mm_shuffle_ps(h, h, 1)), _mm_set_ss(high)));
}
/// c + 0 * v: c where v is finite, else NaN.
template <class Arch>
inline Floats<Arch> marked(const Floats<Arch>& v, const Floats<Arch>& c) noexcept {
  if constexpr (kIsAvx512<Arch>)
    return _mm512_fmadd_ps(v, _mm512_setzero_ps(), c);
  else
    return xsimd::fma(v, Floats<Arch>(0.0F), c);
}
/// Neither is NaN.
template <class Arch>
inline xsimd::batch_bool<float, Arch> are_numbers(const Floats<Arch>& a,
                                                  const Floats<Arch>& b) noexcept {
  if constexpr (kIsAvx512<Arch>)
    return _mm512_cmp_ps_mask(a, b, _CMP_ORD_Q);
  else if constexpr (kIsAvx<Arch>)
    return _mm256_cmp_ps(a, b, _CMP_ORD_Q);
  else
    return _mm_cmpord_ps(a, b);
}

/// Are the four functions below instructions? SSE2 has none for them.
template <class Arch>
inline constexpr bool kHasIntegral = kIsAvx<Arch> || kIsAvx512<Arch>;
template <class Batch>
inline Batch nearest_integral(const Batch& x) noexcept {
  return xsimd::nearbyint(x);
}
template <class Batch>
inline Batch integral_below(const Batch& x) noexcept {
  return xsimd::floor(x);
}
template <class Batch>
inline Batch integral_above(const Batch& x) noexcept {
  return xsimd::ceil(x);
}
template <class Batch>
inline Batch integral_toward_zero(const Batch& x) noexcept {
  return xsimd::trunc(x);
}

/// x + 1 in the lanes of the mask, x elsewhere.
template <class Arch>
inline Floats<Arch> one_more(const xsimd::batch_bool<std::int32_t, Arch>& where,
                             const Floats<Arch>& x) noexcept {
  const Floats<Arch> one(1.0F);
  if constexpr (kIsAvx512<Arch>) {
    return _mm512_mask_add_ps(x, where, x, one);
  } else {
    return bits_as<Floats<Arch>>(
        xsimd::select(where, bits_as<Ints<Arch>>(x + one), bits_as<Ints<Arch>>(x)));
  }
}
/// Is cut_words an instruction?
template <class Arch>
inline constexpr bool kCutsWords = kIsAvx512<Arch>;
/// Words as float32 numbers, cut toward zero.
template <class Arch>
inline Floats<Arch> cut_words(const Words<Arch>& w) noexcept {
  return _mm512_cvt_roundepu32_ps(w, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
}

/// Every lane moved by the same number of places, less than it has; signed ones keep their sign.
template <class Batch>
inline Batch shift_left(const Batch& v, std::int32_t places) noexcept {
  return v << places;
}
template <class Batch>
inline Batch shift_right(const Batch& v, std::int32_t places) noexcept {
  return v >> places;
}

/// Low halves multiplied to 64 bits.
template <class Arch>
inline Wide<Arch> multiply_low(const Wide<Arch>& a, const Wide<Arch>& b) noexcept {
  if constexpr (kIsAvx512<Arch>)
    return _mm512_mul_epu32(a, b);
  else if constexpr (kIsAvx<Arch>)
    return _mm256_mul_epu32(a, b);
  else
    return _mm_mul_epu32(a, b);
}
template <class Arch>
inline Wide<Arch> xor_of(const Wide<Arch>& a, const Wide<Arch>& b, const Wide<Arch>& c) noexcept {
  if constexpr (kIsAvx512<Arch>)
    return _mm512_ternarylogic_epi64(a, b, c, 0x96);
  else
    return a ^ (b ^ c);
}
/// Low halves of a and b side by side, those of a first.
template <class Arch>
inline Wide<Arch> low_halves(const Wide<Arch>& a, const Wide<Arch>& b) noexcept {
  if constexpr (kIsAvx512<Arch>)
    return _mm512_mask_shuffle_epi32(a, 0xAAAA, b, _MM_PERM_CCAA);
  else if constexpr (kIsAvx<Arch>)
    return _mm256_blend_epi32(a, _mm256_slli_epi64(b, 32), 0xAA);
  else
    return (a & Wide<Arch>(0xFFFFFFFFU)) | (b << 32);
}
/// Even lanes of a and b in turn, then the odd ones: a0 b0 a2 b2 .. and a1 b1 a3 b3 ..
template <class Arch>
inline Wide<Arch> even_pairs(const Wide<Arch>& a, const Wide<Arch>& b) noexcept {
  if constexpr (kIsAvx512<Arch>)
    return _mm512_unpacklo_epi64(a, b);
  else if constexpr (kIsAvx<Arch>)
    return _mm256_unpacklo_epi64(a, b);
  else
    return _mm_unpacklo_epi64(a, b);
}
template <class Arch>
inline Wide<Arch> odd_pairs(const Wide<Arch>& a, const Wide<Arch>& b) noexcept {
  if constexpr (kIsAvx512<Arch>)
    return _mm512_unpackhi_epi64(a, b);
  else if constexpr (kIsAvx<Arch>)
    return _mm256_unpackhi_epi64(a, b);
  else
    return _mm_unpackhi_epi64(a, b);
}

/// a[2i] * b[2i] + a[2i + 1] * b[2i + 1] of 16-bit halves, below 2^31.
template <class Arch>
inline Ints<Arch> multiply_pairs(const Ints<Arch>& a, const Ints<Arch>& b) noexcept {
  if constexpr (kIsAvx512<Arch>)
    return _mm512_madd_epi16(a, b);
  else if constexpr (kIsAvx<Arch>)
    return _mm256_madd_epi16(a, b);
  else
    return _mm_madd_epi16(a, b);
}
/// count, less 1 in the lanes where a equals b.
template <class Lanes>
inline Lanes minus_where_equal(const Lanes& count, const Lanes& a, const Lanes& b) noexcept {
  if constexpr (kIsAvx512<typename Lanes::arch_type>) {
    return xsimd::select(a == b, count - Lanes(1), count);
  } else {
    const typename Lanes::register_type mask = a == b;  // -1 where equal
    return count + Lanes(mask);
  }
}

}  // namespace qloom::kernels::simd

#endif
