// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Random words of results that stand side by side in lanes, one addition after the other.
#pragma once

#include "host/kernels/core.hpp"
#include "host/kernels/simd/random.hpp"

namespace qloom::kernels::simd {

/// Result l draws words (result + l) * additions + 0, 1, 2 ..; a block of the generator holds four
/// words, and each lane starts at its own place of a block.
template <class Arch>
class LaneWords {
 public:
  using W = Wide<Arch>;
  static constexpr std::uint64_t kParts = Philox<Arch>::kBatches;
  static_assert(kParts * W::size == kWidth<Arch>);

  LaneWords(const FloatJob& job, std::uint64_t result) noexcept
      : philox_(job.seed, job.stream, job.step) {
    alignas(64) std::uint64_t block[kWidth<Arch>], place[kWidth<Arch>];
    for (std::uint64_t l = 0; l < kWidth<Arch>; ++l) {
      const std::uint64_t first = (result + l) * job.additions;
      block[l] = first / 4;
      place[l] = first % 4;
    }
    for (std::uint64_t p = 0; p < kParts; ++p) {
      block_[p] = W::load_aligned(block + p * W::size);
      const W at = W::load_aligned(place + p * W::size);
      is_odd_[p] = (at & W(1)) == W(1);
      is_upper_[p] = (at & W(2)) == W(2);
      for (auto& word : last_) word[p] = W(0);
    }
  }
  /// Words of the next addition in the low halves of the lanes, kParts batches of them.
  const W* next() noexcept {
    if (used_ == kAdditions) refill();
    return words_[used_++];
  }

 private:
  static constexpr std::uint64_t kAdditions = 32;

  void refill() noexcept {
    for (std::uint64_t a = 0; a < kAdditions; a += 4) {
      W word[4][kParts];
      for (std::uint64_t p = 0; p < kParts; ++p) {
        word[0][p] = block_[p];
        block_[p] = block_[p] + W(1);
      }
      philox_.scramble(word);
      for (std::uint64_t p = 0; p < kParts; ++p) place_words(word, p, a);
      for (std::uint64_t w = 0; w < 4; ++w) {
        for (std::uint64_t p = 0; p < kParts; ++p) last_[w][p] = word[w][p];
      }
    }
    used_ = skip_;
    skip_ = 0;
  }
  /// Four words: the last block and this one, moved down by each lane's place.
  void place_words(const W (&word)[4][kParts], std::uint64_t p, std::uint64_t a) noexcept {
    W row[7];
    for (std::uint64_t w = 0; w < 4; ++w) row[w] = last_[w][p];
    for (std::uint64_t w = 0; w < 3; ++w) row[4 + w] = word[w][p];
    for (std::uint64_t w = 0; w < 6; ++w) row[w] = xsimd::select(is_odd_[p], row[w + 1], row[w]);
    for (std::uint64_t w = 0; w < 4; ++w) {
      words_[a + w][p] = xsimd::select(is_upper_[p], row[w + 2], row[w]);
    }
  }

  Philox<Arch> philox_;
  W block_[kParts], last_[4][kParts];
  typename W::batch_bool_type is_odd_[kParts], is_upper_[kParts];
  std::uint64_t used_ = kAdditions;
  std::uint64_t skip_ = 4;  // the first block has none before it
  W words_[kAdditions][kParts];
};

/// For rules that draw no words.
template <class Arch>
class NoWords {
 public:
  NoWords(const FloatJob&, std::uint64_t) noexcept {}
  const Wide<Arch>* next() const noexcept { return zero_; }

 private:
  Wide<Arch> zero_[2] = {Wide<Arch>(0), Wide<Arch>(0)};
};

}  // namespace qloom::kernels::simd
