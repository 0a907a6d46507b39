// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// qloom::random_word for a run of indices: Philox4x32-10 on several counters at once.
#pragma once

#include <cstdint>
#include <cstring>

#include "host/kernels/simd/lanes.hpp"

namespace qloom::kernels::simd {

/// Philox on several counters of one (seed, stream, step) at once.
///
/// Of a counter (c0, c1, c2, c3) only c0 and c3 depend on the block. So round 1 leaves c0 and c1
/// the same for all blocks, round 2 leaves c3, and what the two make of them is found only once.
template <class Arch>
class Philox {
 public:
  using W = Wide<Arch>;
  /// Batches of counters with as many lanes as a batch of floats.
  static constexpr std::uint64_t kBatches = kWidth<Arch> / W::size;
  /// Batches of counters at once: enough to hide the latency of the multiplication.
  static constexpr std::uint64_t kTogether = kWidth<Arch> == 16 ? 4 : 2;
  static constexpr std::uint64_t kBlocks = kTogether * W::size;
  static constexpr std::uint64_t kWords = 4 * kBlocks;
  static constexpr std::uint64_t kWordBatches = kWords / kWidth<Arch>;

  Philox(std::uint64_t seed, std::uint64_t stream, std::uint64_t step) noexcept {
    auto k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
    for (int round = 0; round < kRounds; ++round) {
      key0_[round] = W(k0);
      key1_[round] = W(k1);
      k0 += 0x9E3779B9U;
      k1 += 0xBB67AE85U;
    }
    const std::uint64_t p1 = kMultiplier1 * (stream & kLow);
    const std::uint64_t c0 = (p1 >> 32) ^ (step & kLow) ^ (seed & kLow);
    const std::uint64_t p0 = kMultiplier0 * c0;
    first2_ = W(stream >> 32) ^ key1_[0];
    second0_ = W(p1 & kLow) ^ key0_[1];
    second2_ = W(p0 >> 32) ^ key1_[1];
    third2_ = W(p0 & kLow) ^ key1_[2];
    // the order in which blocks() puts lanes out: even lanes first, then odd ones
    alignas(64) std::uint64_t lanes[W::size];
    for (std::uint64_t l = 0; l < W::size; ++l) lanes[l] = l / 2 + (l % 2) * (W::size / 2);
    lane_block_ = W::load_aligned(lanes);
  }

  /// In: the lanes' block numbers in word[0]. Out: their four words, in the low halves.
  template <std::uint64_t N>
  [[gnu::always_inline]] void scramble(W (&word)[4][N]) const noexcept {
    const W m0(kMultiplier0), m1(kMultiplier1);
    auto& [c0, c1, c2, c3] = word;
    for (std::uint64_t b = 0; b < N; ++b) {
      c3[b] = multiply_low<Arch>(c0[b], m0);
      c2[b] = xor_of<Arch>(c3[b] >> 32, c0[b] >> 32, first2_);
      c1[b] = multiply_low<Arch>(c2[b], m1);
      c0[b] = (c1[b] >> 32) ^ second0_;
      c2[b] = c3[b] ^ second2_;
    }
    for (std::uint64_t b = 0; b < N; ++b) {
      const W p0 = multiply_low<Arch>(c0[b], m0), p1 = multiply_low<Arch>(c2[b], m1);
      c0[b] = xor_of<Arch>(p1 >> 32, c1[b], key0_[2]);
      c2[b] = (p0 >> 32) ^ third2_;
      c1[b] = p1;
      c3[b] = p0;
    }
#pragma GCC unroll 7
    for (int round = 3; round < kRounds; ++round) {
      for (std::uint64_t b = 0; b < N; ++b) {
        const W p0 = multiply_low<Arch>(c0[b], m0), p1 = multiply_low<Arch>(c2[b], m1);
        c0[b] = xor_of<Arch>(p1 >> 32, c1[b], key0_[round]);
        c2[b] = xor_of<Arch>(p0 >> 32, c3[b], key1_[round]);
        c1[b] = p1;
        c3[b] = p0;
      }
    }
  }
  /// Words of blocks first .. first + kBlocks - 1, four each.
  [[gnu::always_inline]] void blocks(std::uint64_t first, Words<Arch>* out) const noexcept {
    W word[4][kTogether];
    for (std::uint64_t b = 0; b < kTogether; ++b) word[0][b] = lane_block_ + W(first + b * W::size);
    scramble(word);
    for (std::uint64_t b = 0; b < kTogether; ++b) {
      const W first_two = low_halves<Arch>(word[0][b], word[1][b]);
      const W last_two = low_halves<Arch>(word[2][b], word[3][b]);
      out[2 * b] = bits_as<Words<Arch>>(even_pairs<Arch>(first_two, last_two));
      out[2 * b + 1] = bits_as<Words<Arch>>(odd_pairs<Arch>(first_two, last_two));
    }
  }

 private:
  static constexpr int kRounds = 10;
  static constexpr std::uint64_t kMultiplier0 = 0xD2511F53U, kMultiplier1 = 0xCD9E8D57U;
  static constexpr std::uint64_t kLow = 0xFFFFFFFFU;

  W key0_[kRounds], key1_[kRounds];
  W first2_, second0_, second2_, third2_, lane_block_;
};

/// body(words, i, skip, n) for pieces that cover words first .. first + count - 1, ascending: the
/// piece is words skip .. skip + n - 1 of the batches, and i counts those before it.
template <class Arch, class Body>
[[gnu::always_inline]] inline void each_draw(std::uint64_t seed, std::uint64_t stream,
                                             std::uint64_t step, std::uint64_t first,
                                             std::uint64_t count, const Body& body) noexcept {
  const Philox<Arch> philox(seed, stream, step);
  std::uint64_t block = first / 4, skip = first % 4;
  for (std::uint64_t i = 0; i < count;) {
    Words<Arch> words[Philox<Arch>::kWordBatches];
    philox.blocks(block, words);
    const std::uint64_t room = Philox<Arch>::kWords - skip;
    const std::uint64_t n = count - i < room ? count - i : room;
    body(words, i, skip, n);
    i += n;
    skip = 0;
    block += Philox<Arch>::kBlocks;
  }
}

template <class Arch>
void random_u32(std::uint64_t seed, std::uint64_t stream, std::uint64_t step, std::uint64_t first,
                std::uint32_t* out, std::uint64_t n) noexcept {
  each_draw<Arch>(
      seed, stream, step, first, n,
      [&](const Words<Arch>* words, std::uint64_t i, std::uint64_t skip, std::uint64_t count) {
        if (count == Philox<Arch>::kWords) {
          for (std::uint64_t b = 0; b < Philox<Arch>::kWordBatches; ++b) {
            words[b].store_unaligned(out + i + b * kWidth<Arch>);
          }
        } else {
          alignas(64) std::uint32_t some[Philox<Arch>::kWords];
          for (std::uint64_t b = 0; b < Philox<Arch>::kWordBatches; ++b) {
            words[b].store_aligned(some + b * kWidth<Arch>);
          }
          std::memcpy(out + i, some + skip, count * sizeof(std::uint32_t));
        }
      });
}

}  // namespace qloom::kernels::simd
