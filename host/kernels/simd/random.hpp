// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// qloom::random_word for a run of indices: Philox4x32-10 on sixteen counters at once, in plain
// loops over lanes that the compiler turns into widening vector multiplications.
#pragma once

#include <cstdint>
#include <cstring>

namespace qloom::kernels::simd {

/// Blocks of four words made at once.
template <class Arch>
inline constexpr std::uint64_t kBlocks = 16;

/// Key and the fixed part of the counter.
template <class Arch>
struct Stream {
  Stream(std::uint64_t seed, std::uint64_t stream, std::uint64_t step_number) noexcept
      : key0(static_cast<std::uint32_t>(seed)), key1(static_cast<std::uint32_t>(seed >> 32)),
        step(static_cast<std::uint32_t>(step_number)), low(static_cast<std::uint32_t>(stream)),
        high(static_cast<std::uint32_t>(stream >> 32)) {}
  std::uint32_t key0, key1, step, low, high;
};

/// Words of blocks first .. first + kBlocks - 1.
template <class Arch>
inline void philox_blocks(const Stream<Arch>& s, std::uint64_t first,
                          std::uint32_t* __restrict out) noexcept {
  constexpr std::uint64_t kLanes = kBlocks<Arch>;
  alignas(64) std::uint32_t c0[kLanes], c1[kLanes], c2[kLanes], c3[kLanes];
  for (std::uint64_t l = 0; l < kLanes; ++l) {
    const std::uint64_t block = first + l;
    c0[l] = static_cast<std::uint32_t>(block);
    c1[l] = s.step;
    c2[l] = s.low;
    c3[l] = s.high ^ static_cast<std::uint32_t>(block >> 32);
  }
  std::uint32_t k0 = s.key0, k1 = s.key1;
  for (int round = 0; round < 10; ++round) {
    for (std::uint64_t l = 0; l < kLanes; ++l) {
      const std::uint64_t p0 = std::uint64_t{0xD2511F53U} * c0[l];
      const std::uint64_t p1 = std::uint64_t{0xCD9E8D57U} * c2[l];
      c0[l] = static_cast<std::uint32_t>(p1 >> 32) ^ c1[l] ^ k0;
      c1[l] = static_cast<std::uint32_t>(p1);
      c2[l] = static_cast<std::uint32_t>(p0 >> 32) ^ c3[l] ^ k1;
      c3[l] = static_cast<std::uint32_t>(p0);
    }
    k0 += 0x9E3779B9U;
    k1 += 0xBB67AE85U;
  }
  for (std::uint64_t l = 0; l < kLanes; ++l) {
    out[4 * l] = c0[l];
    out[4 * l + 1] = c1[l];
    out[4 * l + 2] = c2[l];
    out[4 * l + 3] = c3[l];
  }
}

template <class Arch>
void random_u32(std::uint64_t seed, std::uint64_t stream, std::uint64_t step, std::uint64_t first,
                std::uint32_t* out, std::uint64_t n) noexcept {
  constexpr std::uint64_t kWords = 4 * kBlocks<Arch>;
  const Stream<Arch> s(seed, stream, step);
  std::uint64_t block = first / 4, skip = first % 4;
  while (n > 0) {
    if (skip == 0 && n >= kWords) {
      philox_blocks<Arch>(s, block, out);
      out += kWords;
      n -= kWords;
    } else {
      alignas(64) std::uint32_t words[kWords];
      philox_blocks<Arch>(s, block, words);
      const std::uint64_t count = n < kWords - skip ? n : kWords - skip;
      std::memcpy(out, words + skip, count * sizeof(std::uint32_t));
      out += count;
      n -= count;
      skip = 0;
    }
    block += kBlocks<Arch>;
  }
}

}  // namespace qloom::kernels::simd
