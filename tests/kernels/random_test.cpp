// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <array>
#include <cstdint>
#include <vector>

#include "tests/kernels/every_isa.hpp"

namespace qloom::kernels::test {
namespace {

using Random = EveryIsa;
QLOOM_ON_EVERY_ISA(Random);

/// Known answers of Philox4x32-10: the first three are published with the generator.
struct KnownAnswer {
  std::uint64_t seed, stream, step, block;
  std::array<std::uint32_t, 4> words;
};
constexpr KnownAnswer kKnown[] = {
    {0, 0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {~0ULL, ~0ULL, 0xffffffff, 0xffffffff, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {0x299f31d0a4093822,
     0x0370734413198a2e,
     0x85a308d3,
     0x243f6a88,
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    {0x2a, 0, 0, 0, {0x9ceaf053, 0x77f5493b, 0x12bf50ad, 0x5742b3d7}},
    {0x2a, 0, 0, 1, {0xfcdb2127, 0x53ba6cfd, 0x838f5a6e, 0x744e06fb}}};

TEST_P(Random, GivesThePublishedWords) {
  for (const KnownAnswer& known : kKnown) {
    std::array<std::uint32_t, 4> words{};
    kernels().random_u32(known.seed, known.stream, known.step, 4 * known.block, words.data(), 4);
    EXPECT_EQ(words, known.words);
  }
}

TEST_P(Random, GivesTheSameWordsFromAnyFirstAndInAnyLength) {
  for (std::uint64_t first = 0; first < 9; ++first) {
    for (std::uint64_t n = 0; n <= 150; ++n) {
      std::vector<std::uint32_t> words(n + 1, 0xDEADBEEFU);
      kernels().random_u32(kSeed, kStream, kStep, first, words.data(), n);
      for (std::uint64_t i = 0; i < n; ++i) {
        ASSERT_EQ(words[i], random_word(kSeed, kStream, kStep, first + i)) << first << " " << i;
      }
      ASSERT_EQ(words[n], 0xDEADBEEFU) << "wrote past the end, n " << n;
    }
  }
}

TEST_P(Random, CarriesIntoTheHighHalfOfTheBlockNumber) {
  const std::uint64_t first = (std::uint64_t{1} << 34) - 70;  // block 2^32 lies in the run
  std::vector<std::uint32_t> words(200);
  kernels().random_u32(kSeed, kStream, kStep, first, words.data(), words.size());
  for (std::uint64_t i = 0; i < words.size(); ++i) {
    ASSERT_EQ(words[i], random_word(kSeed, kStream, kStep, first + i)) << i;
  }
}

TEST(RandomDefinition, UniformTakesTheTopBits) {
  EXPECT_EQ(uniform(0xFFFFFFFFU), 1.0F - 0x1p-24F);
  EXPECT_FLOAT_EQ(uniform(random_word(0, 0, 0, 0)), 0.3990464211F);
}

}  // namespace
}  // namespace qloom::kernels::test
