// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Loads and stores of whole and partial batches, and loops over them.
#pragma once

#include <cstdint>

#include "host/kernels/simd/batches.hpp"
#include "host/kernels/simd/neon.hpp"
#include "host/kernels/simd/x86.hpp"

namespace qloom::kernels::simd {

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
    return load_first<Arch>(p, n);
  }
  template <class T>
  void store(T* p, const xsimd::batch<T, Arch>& v) const noexcept {
    store_first<Arch>(p, n, v);
  }
};

/// body(io, i) for batches that cover 0 .. n - 1; io is Whole, at the end perhaps Part.
template <class Arch, class Body>
[[gnu::always_inline]] inline void each_batch(std::uint64_t n, const Body& body) noexcept {
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
