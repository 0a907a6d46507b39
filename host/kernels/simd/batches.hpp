// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The batches of one architecture, and what the headers of the machines (x86.hpp, neon.hpp) share.
// Everything here and there is a template over Arch: the files of isa/ may hold no symbol that
// another instruction set could share.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

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
/// Each word of a counter sits in the low half of a 64-bit lane, because the widening
/// multiplication takes it there; the high halves hold leftovers that nothing reads.
template <class Arch>
using Wide = xsimd::batch<std::uint64_t, Arch>;

template <class Arch>
inline constexpr std::uint64_t kWidth = Floats<Arch>::size;

/// The same numbers as doubles: lanes 0 .. size/2 - 1 and the rest.
template <class Arch>
struct Widened {
  Doubles<Arch> low, high;
};

/// First n lanes by way of memory, for sets without masked loads and stores; the others read as 0.
template <class Arch, class T>
inline xsimd::batch<T, Arch> load_by_copy(const T* p, std::uint64_t n) noexcept {
  if (n == kWidth<Arch>) return xsimd::batch<T, Arch>::load_unaligned(p);
  alignas(64) T lanes[kWidth<Arch>] = {};
  std::memcpy(lanes, p, n * sizeof(T));
  return xsimd::batch<T, Arch>::load_aligned(lanes);
}
template <class Arch, class T>
inline void store_by_copy(T* p, std::uint64_t n, const xsimd::batch<T, Arch>& v) noexcept {
  alignas(64) T lanes[kWidth<Arch>];
  v.store_aligned(lanes);
  std::memcpy(p, lanes, n * sizeof(T));
}
/// Lanes whose bits are set, one after the other; returns how many.
template <class Arch>
inline std::uint64_t store_lanes(float* to, int bits, const Floats<Arch>& v) noexcept {
  alignas(64) float lanes[kWidth<Arch>];
  v.store_aligned(lanes);
  std::uint64_t n = 0;
  for (; bits != 0; bits &= bits - 1) to[n++] = lanes[__builtin_ctz(static_cast<unsigned>(bits))];
  return n;
}

}  // namespace qloom::kernels::simd
