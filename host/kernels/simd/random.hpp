// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// qloom::random_word for a run of indices: Philox4x32-10 on several counters at once.
#pragma once

#include <cstdint>
#include <cstring>

#include "host/kernels/simd/lanes.hpp"

namespace qloom::kernels::simd {

/// Each word of a counter sits in the low half of a 64-bit lane, because the widening
/// multiplication takes it there; the high halves hold leftovers that nothing reads.
template <class Arch>
using Wide = xsimd::batch<std::uint64_t, Arch>;

/// Low halves multiplied to 64 bits.
template <class Arch>
inline Wide<Arch> multiply_low(const Wide<Arch>& a, const Wide<Arch>& b) noexcept {
  if constexpr (std::is_base_of_v<xsimd::avx512f, Arch>) return _mm512_mul_epu32(a, b);
  else if constexpr (std::is_base_of_v<xsimd::avx, Arch>) return _mm256_mul_epu32(a, b);
  else return _mm_mul_epu32(a, b);
}

/// Even lanes of a and b in turn, then the odd ones: a0 b0 a2 b2 .. and a1 b1 a3 b3 ..
template <class Arch>
inline Wide<Arch> even_pairs(const Wide<Arch>& a, const Wide<Arch>& b) noexcept {
  if constexpr (std::is_base_of_v<xsimd::avx512f, Arch>) return _mm512_unpacklo_epi64(a, b);
  else if constexpr (std::is_base_of_v<xsimd::avx, Arch>) return _mm256_unpacklo_epi64(a, b);
  else return _mm_unpacklo_epi64(a, b);
}
template <class Arch>
inline Wide<Arch> odd_pairs(const Wide<Arch>& a, const Wide<Arch>& b) noexcept {
  if constexpr (std::is_base_of_v<xsimd::avx512f, Arch>) return _mm512_unpackhi_epi64(a, b);
  else if constexpr (std::is_base_of_v<xsimd::avx, Arch>) return _mm256_unpackhi_epi64(a, b);
  else return _mm_unpackhi_epi64(a, b);
}

/// Philox on kBlocks successive counters of one (seed, stream, step).
template <class Arch>
class Philox {
 public:
  using W = Wide<Arch>;
  /// Batches in flight at once hide the latency of the multiplication.
  static constexpr std::uint64_t kBatches = 2;
  static constexpr std::uint64_t kBlocks = kBatches * W::size;

  Philox(std::uint64_t seed, std::uint64_t stream, std::uint64_t step) noexcept
      : key0_(static_cast<std::uint32_t>(seed)), key1_(static_cast<std::uint32_t>(seed >> 32)),
        step_(step & 0xFFFFFFFFU), low_(stream & 0xFFFFFFFFU), high_(stream >> 32) {
    // the order in which pairs() puts lanes out: even lanes first, then odd ones
    alignas(64) std::uint64_t lanes[W::size];
    for (std::uint64_t l = 0; l < W::size; ++l) lanes[l] = l / 2 + (l % 2) * (W::size / 2);
    lane_block_ = W::load_aligned(lanes);
  }

  /// Words of blocks first .. first + kBlocks - 1, four each.
  void blocks(std::uint64_t first, std::uint32_t* out) const noexcept {
    W word[4][kBatches];
    for (std::uint64_t b = 0; b < kBatches; ++b) word[0][b] = lane_block_ + W(first + b * W::size);
    scramble(word);
    for (std::uint64_t b = 0; b < kBatches; ++b) {
      pairs(word[0][b], word[1][b], word[2][b], word[3][b], out + b * W::size * 4);
    }
  }
  /// In: the lanes' block numbers in word[0]. Out: their four words, in the low halves.
  void scramble(W (&word)[4][kBatches]) const noexcept {
    auto& [c0, c1, c2, c3] = word;
    for (std::uint64_t b = 0; b < kBatches; ++b) {
      c1[b] = step_;
      c2[b] = low_;
      c3[b] = high_ ^ (c0[b] >> 32);
    }
    const W multiplier0(0xD2511F53U), multiplier1(0xCD9E8D57U);
    std::uint32_t k0 = key0_, k1 = key1_;
    for (int round = 0; round < 10; ++round) {
      const W round_key0(k0), round_key1(k1);
      for (std::uint64_t b = 0; b < kBatches; ++b) {
        const W p0 = multiply_low<Arch>(c0[b], multiplier0);
        const W p1 = multiply_low<Arch>(c2[b], multiplier1);
        c0[b] = (p1 >> 32) ^ c1[b] ^ round_key0;
        c1[b] = p1;
        c2[b] = (p0 >> 32) ^ c3[b] ^ round_key1;
        c3[b] = p0;
      }
      k0 += 0x9E3779B9U;
      k1 += 0xBB67AE85U;
    }
  }

 private:
  static void pairs(const W& c0, const W& c1, const W& c2, const W& c3,
                    std::uint32_t* out) noexcept {
    const W low(0xFFFFFFFFU);
    const W first = (c0 & low) | (c1 << 32), second = (c2 & low) | (c3 << 32);
    const W even = even_pairs<Arch>(first, second), odd = odd_pairs<Arch>(first, second);
    std::memcpy(out, &even, sizeof(even));
    std::memcpy(out + W::size * 2, &odd, sizeof(odd));
  }

  std::uint32_t key0_, key1_;
  W step_, low_, high_, lane_block_;
};

template <class Arch>
void random_u32(std::uint64_t seed, std::uint64_t stream, std::uint64_t step, std::uint64_t first,
                std::uint32_t* out, std::uint64_t n) noexcept {
  constexpr std::uint64_t kWords = 4 * Philox<Arch>::kBlocks;
  const Philox<Arch> philox(seed, stream, step);
  std::uint64_t block = first / 4, skip = first % 4;
  while (n > 0) {
    if (skip == 0 && n >= kWords) {
      philox.blocks(block, out);
      out += kWords;
      n -= kWords;
    } else {
      alignas(64) std::uint32_t words[kWords];
      philox.blocks(block, words);
      const std::uint64_t count = n < kWords - skip ? n : kWords - skip;
      std::memcpy(out, words + skip, count * sizeof(std::uint32_t));
      out += count;
      n -= count;
      skip = 0;
    }
    block += Philox<Arch>::kBlocks;
  }
}

}  // namespace qloom::kernels::simd
