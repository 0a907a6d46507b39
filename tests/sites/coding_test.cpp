// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Which encodings contractions take as codes, and how those lie in memory.
#include "host/sites/coding.hpp"

#include <array>

#include <gtest/gtest.h>

#include "host/kernels/stored_codes.hpp"

namespace qloom::sites {
namespace {

/// Two groups of codes -8 .. 7.
struct Grids {
  std::array<float, 2> scale{0.5F, 0.5F};
  std::array<std::int32_t, 2> zero{0, 0}, lo{-8, -8}, hi{7, 7};
  qloom_encoding encoding{};

  Grids() {
    encoding.struct_size = sizeof encoding;
    encoding.kind = QLOOM_ENCODING_AFFINE;
    encoding.bits = 4;
    encoding.groups = 2;
    encoding.grid = {scale.data(), scale.data(), nullptr, zero.data(), lo.data(), hi.data()};
  }
  [[nodiscard]] bool is_taken(std::uint64_t outputs = 0) const {
    return Coding().take(encoding, outputs);
  }
};

TEST(Coding, TakesOneScaleOrOneEachOutputChannel) {
  Grids grids;
  EXPECT_TRUE(grids.is_taken());
  grids.scale[1] = 0.25F;
  EXPECT_FALSE(grids.is_taken());
  EXPECT_FALSE(grids.is_taken(3));
  EXPECT_TRUE(grids.is_taken(2));
}

TEST(Coding, TakesNoOffsetNoOtherKindAndNoCodeTooLarge) {
  Grids grids;
  const float offset[2] = {};
  grids.encoding.grid.offset = offset;
  EXPECT_FALSE(grids.is_taken());
  grids.encoding.grid.offset = nullptr;
  grids.encoding.kind = QLOOM_ENCODING_CODEBOOK;
  EXPECT_FALSE(grids.is_taken());
  grids.encoding.kind = QLOOM_ENCODING_AFFINE;
  grids.hi[1] = 1 << 22;
  EXPECT_TRUE(grids.is_taken());
  grids.hi[1] = (1 << 22) + 1;
  EXPECT_FALSE(grids.is_taken());
  grids.hi[1] = INT32_MAX;  // and less its zero point it would not even be an int32
  grids.zero[1] = INT32_MIN;
  EXPECT_FALSE(grids.is_taken());
}

TEST(Coding, TakesEachGroupsZeroPointOff) {
  Grids grids;
  grids.zero = {-3, 5};
  Coding coding;
  ASSERT_TRUE(coding.take(grids.encoding, 0));
  const qloom_tensor geometry{nullptr, nullptr, 0, 12, 2, 2, 3};  // 2 x 2 groups x 3
  const std::array<std::int32_t, 12> codes{-8, 0, 7, -8, 0, 7, 1, 2, 3, 4, 5, 6};
  const std::array<float, 12> expected{-5, 3, 10, -13, -5, 2, 4, 5, 6, -1, 0, 1};
  CodedTensor stored;
  coding.resize(stored, 12);
  for (const std::uint64_t cut : {1U, 2U, 5U, 12U}) {  // blocks may end inside a group
    for (std::uint64_t first = 0; first < 12; first += cut) {
      const std::uint64_t n = std::min(cut, 12 - first);
      EXPECT_TRUE(coding.store(geometry, first, n, codes.data() + first, stored));
    }
    std::array<float, 12> found{};
    kernels::load_codes(stored.view(), found.data(), found.size());
    EXPECT_EQ(found, expected);
  }
  const std::array<std::int32_t, 2> stray{0, 16};
  EXPECT_FALSE(coding.store(geometry, 2, 2, stray.data(), stored))
      << "16 - 5 is more than any code";
}

}  // namespace
}  // namespace qloom::sites
