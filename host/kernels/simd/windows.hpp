// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What of a run lies in windows, and how much below them: the one loop over a whole tensor that
// order statistics need.
#pragma once

#include "host/kernels/core.hpp"
#include "host/kernels/simd/lanes.hpp"

namespace qloom::kernels::simd {

/// The figures of one window as float lanes: exact below 2^24 elements.
template <class Arch>
struct WindowLanes {
  using F = Floats<Arch>;
  F low, high, below = F(0.0F), to_low = F(0.0F), to_high = F(0.0F);

  /// Counts finite keys; returns those inside.
  auto count(const F& key, const xsimd::batch_bool<float, Arch>& finite) noexcept {
    const F one(1.0F), none(0.0F);
    below = below + xsimd::select(finite && (key < low), one, none);
    to_low = to_low + xsimd::select(finite && (key <= low), one, none);
    to_high = to_high + xsimd::select(finite && (key <= high), one, none);
    return (key > low) && (key < high);
  }
  static std::uint64_t sum(const F& lanes) noexcept {
    alignas(64) float lane[kWidth<Arch>];
    lanes.store_aligned(lane);
    std::uint64_t n = 0;
    for (const float l : lane) n += static_cast<std::uint64_t>(l);
    return n;
  }
};

template <class Arch>
std::uint64_t count_windows(const float* x, std::uint64_t n, bool abs, RankWindow* window,
                            std::uint64_t windows, float* inside) noexcept {
  using F = Floats<Arch>;
  WindowLanes<Arch> own[kMostWindows];
  for (std::uint64_t w = 0; w < windows; ++w) {
    own[w].low = F(window[w].low);
    own[w].high = F(window[w].high);
  }
  const F sign(abs ? -0.0F : 0.0F), largest(__FLT_MAX__);
  std::uint64_t hits = 0;
  const auto one_batch = [&](const F& v) __attribute__((always_inline)) {
    const F key = xsimd::bitwise_andnot(v, sign);
    const auto finite = xsimd::abs(v) <= largest;
    auto any = own[0].count(key, finite);
    for (std::uint64_t w = 1; w < windows; ++w) any = any || own[w].count(key, finite);
    if (xsimd::any(any)) hits += store_some<Arch>(inside + hits, any, key);
  };
  std::uint64_t i = 0;
  for (; i + kWidth<Arch> <= n; i += kWidth<Arch>) one_batch(F::load_unaligned(x + i));
  if (i < n) {
    alignas(64) float rest[kWidth<Arch>];
    for (float& lane : rest) lane = __builtin_nanf("");
    std::memcpy(rest, x + i, (n - i) * sizeof(float));
    one_batch(F::load_aligned(rest));
  }
  for (std::uint64_t w = 0; w < windows; ++w) {
    window[w].below += WindowLanes<Arch>::sum(own[w].below);
    window[w].to_low += WindowLanes<Arch>::sum(own[w].to_low);
    window[w].to_high += WindowLanes<Arch>::sum(own[w].to_high);
  }
  return hits;
}

}  // namespace qloom::kernels::simd
