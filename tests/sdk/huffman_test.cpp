// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Lengths of Huffman codes: examples worked by hand, and all codes of small alphabets.
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

#include <gtest/gtest.h>
#include <qloom/huffman.hpp>

namespace qloom::sdk {
namespace {

using Counts = std::vector<std::uint64_t>;
using Lengths = std::vector<std::uint32_t>;

std::uint64_t total_of(const Counts& counts, const Lengths& lengths) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) bits += counts[i] * lengths[i];
  return bits;
}

TEST(Huffman, LengthsOfKnownCounts) {
  EXPECT_EQ(huffman_lengths({40, 30, 20, 10}), (Lengths{1, 2, 3, 3}));
  EXPECT_EQ(huffman_lengths({8, 4, 2, 1, 1}), (Lengths{1, 2, 3, 4, 4}));
  EXPECT_EQ(total_of({40, 30, 20, 10}, {1, 2, 3, 3}), 190U);
  EXPECT_EQ(huffman_lengths({5}), (Lengths{1})) << "a symbol alone needs a bit";
  EXPECT_EQ(huffman_lengths({3, 0, 3}), (Lengths{1, 0, 1})) << "what never comes has no code";
  EXPECT_TRUE(huffman_lengths({}).empty());
  EXPECT_EQ(coded_bits({40, 30, 20, 10}), 190 + 4 * 8);
  EXPECT_EQ(counts_of(std::vector<int>{3, -1, 3, 3, 7}), (Counts{1, 3, 1}));
}

/// The least total over all lengths that a prefix code may have (Kraft: sum 2^-l <= 1).
std::uint64_t least(const Counts& counts, std::size_t i, double room, std::uint64_t bits) {
  if (i == counts.size()) return bits;
  std::uint64_t best = UINT64_MAX;
  for (std::uint32_t l = 1; l < counts.size(); ++l) {
    const double share = std::ldexp(1.0, -static_cast<int>(l));
    if (share <= room) {
      best = std::min(best, least(counts, i + 1, room - share, bits + counts[i] * l));
    }
  }
  return best;
}

TEST(Huffman, NoPrefixCodeIsShorter) {
  std::mt19937 random(7);
  for (int round = 0; round < 60; ++round) {
    Counts counts(2 + random() % 5);
    for (std::uint64_t& c : counts) c = 1 + random() % (round < 30 ? 4 : 1000);
    const Lengths lengths = huffman_lengths(counts);
    double kraft = 0, entropy = 0;
    const double all = static_cast<double>(std::accumulate(counts.begin(), counts.end(), 0ULL));
    for (std::size_t i = 0; i < counts.size(); ++i) {
      kraft += std::ldexp(1.0, -static_cast<int>(lengths[i]));
      const double p = static_cast<double>(counts[i]) / all;
      entropy -= p * std::log2(p);
    }
    EXPECT_EQ(kraft, 1.0);
    const std::uint64_t bits = total_of(counts, lengths);
    EXPECT_EQ(bits, least(counts, 0, 1.0, 0));
    EXPECT_GE(static_cast<double>(bits) / all, entropy - 1e-12);
    EXPECT_LT(static_cast<double>(bits) / all, entropy + 1);
  }
}

}  // namespace
}  // namespace qloom::sdk
