// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Batches, loads and stores of whole and partial batches. Everything here is a template over Arch:
// the files of isa/ may hold no symbol that another instruction set could share.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include <immintrin.h>

#include "host/kernels/simd/xsimd_compat.hpp"

namespace qloom::kernels::simd {

template <class Arch>
using Floats = xsimd::batch<float, Arch>;
template <class Arch>
using Doubles = xsimd::batch<double, Arch>;
template <class Arch>
using Ints = xsimd::batch<std::int32_t, Arch>;
template <class Arch>
using Words = xsimd::batch<std::uint32_t, Arch>;

template <class Arch>
inline constexpr std::uint64_t kWidth = Floats<Arch>::size;

/// Loads and stores of a full batch.
template <class Arch>
struct Whole {
  template <class T>
  static xsimd::batch<T, Arch> load(const T* p) noexcept {
    return xsimd::batch<T, Arch>::load_unaligned(p);
  }
  template <class T>
  static void store(T* p, const xsimd::batch<T, Arch>& v) noexcept {
    v.store_unaligned(p);
  }
};

/// Loads and stores of the first n lanes, 0 < n <= kWidth, of a batch of 4-byte elements; the
/// others read as 0.
template <class Arch>
struct Part {
  std::uint64_t n;
  template <class T>
  xsimd::batch<T, Arch> load(const T* p) const noexcept {
    if constexpr (std::is_base_of_v<xsimd::avx512f, Arch>) {
      const auto mask = static_cast<__mmask16>((1U << n) - 1U);
      if constexpr (std::is_same_v<T, float>)
        return _mm512_maskz_loadu_ps(mask, p);
      else
        return _mm512_maskz_loadu_epi32(mask, p);
    } else if constexpr (std::is_base_of_v<xsimd::avx2, Arch>) {
      const __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
      if constexpr (std::is_same_v<T, float>)
        return _mm256_maskload_ps(p, mask);
      else
        return _mm256_maskload_epi32(reinterpret_cast<const int*>(p), mask);
    } else {
      if (n == kWidth<Arch>) return xsimd::batch<T, Arch>::load_unaligned(p);
      alignas(64) T lanes[kWidth<Arch>] = {};
      std::memcpy(lanes, p, n * sizeof(T));
      return xsimd::batch<T, Arch>::load_aligned(lanes);
    }
  }
  template <class T>
  void store(T* p, const xsimd::batch<T, Arch>& v) const noexcept {
    if constexpr (std::is_base_of_v<xsimd::avx512f, Arch>) {
      const auto mask = static_cast<__mmask16>((1U << n) - 1U);
      if constexpr (std::is_same_v<T, float>)
        _mm512_mask_storeu_ps(p, mask, v);
      else
        _mm512_mask_storeu_epi32(p, mask, v);
    } else {
      alignas(64) T lanes[kWidth<Arch>];
      v.store_aligned(lanes);
      std::memcpy(p, lanes, n * sizeof(T));
    }
  }
};

/// body(io, i) for batches that cover 0 .. n - 1; io is Whole, at the end perhaps Part.
template <class Arch, class Body>
inline void each_batch(std::uint64_t n, const Body& body) noexcept {
  std::uint64_t i = 0;
  for (; i + kWidth<Arch> <= n; i += kWidth<Arch>) body(Whole<Arch>{}, i);
  if (i < n) body(Part<Arch>{n - i}, i);
}

/// The same with four batches in a turn: for loops of a few instructions.
template <class Arch, class Body>
[[gnu::always_inline]] inline void each_batch_of_four(std::uint64_t n, const Body& body) noexcept {
  std::uint64_t i = 0;
#pragma GCC unroll 4
  for (; i + kWidth<Arch> <= n; i += kWidth<Arch>) body(Whole<Arch>{}, i);
  if (i < n) body(Part<Arch>{n - i}, i);
}

/// The same numbers as doubles: lanes 0 .. size/2 - 1 and the rest.
template <class Arch>
struct Widened {
  Doubles<Arch> low, high;
};
template <class Arch>
inline Widened<Arch> widen(const Floats<Arch>& v) noexcept {
  if constexpr (std::is_base_of_v<xsimd::avx512f, Arch>) {
    const __m512 all = v;
    return {_mm512_cvtps_pd(_mm512_castps512_ps256(all)),
            _mm512_cvtps_pd(_mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(all), 1)))};
  } else if constexpr (std::is_base_of_v<xsimd::avx, Arch>) {
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
  if constexpr (std::is_base_of_v<xsimd::avx512f, Arch>) {
    const __m512d first = _mm512_castps_pd(_mm512_castps256_ps512(_mm512_cvtpd_ps(low)));
    return _mm512_castpd_ps(_mm512_insertf64x4(first, _mm256_castps_pd(_mm512_cvtpd_ps(high)), 1));
  } else if constexpr (std::is_base_of_v<xsimd::avx, Arch>) {
    return _mm256_set_m128(_mm256_cvtpd_ps(high), _mm256_cvtpd_ps(low));
  } else {
    return _mm_movelh_ps(_mm_cvtpd_ps(low), _mm_cvtpd_ps(high));
  }
}

/// The bits of a batch as integers, and back.
template <class Arch>
inline Ints<Arch> bits_of(const Floats<Arch>& v) noexcept {
  return bits_as<Ints<Arch>>(v);
}
template <class Arch>
inline Floats<Arch> floats_of(const Ints<Arch>& v) noexcept {
  return bits_as<Floats<Arch>>(v);
}

}  // namespace qloom::kernels::simd
