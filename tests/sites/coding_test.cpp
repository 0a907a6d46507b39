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

TEST(Coding, TakesNoOtherOffsetNoOtherKindAndNoCodeTooLarge) {
  Grids grids;
  const float offset[2] = {0, 0.125F};
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

TEST(Coding, AnOffsetOfHalfStepsMakesOddCodes) {
  Grids grids;
  const float offset[2] = {-0.25F, 0.75F};  // -1 and 3 halves of 0.5
  grids.zero = {-3, 5};
  grids.encoding.grid.offset = offset;
  Coding coding;
  ASSERT_TRUE(coding.take(grids.encoding, 0));
  const qloom_tensor geometry{nullptr, nullptr, 0, 6, 1, 2, 3};
  const std::array<std::int32_t, 6> codes{-8, 0, 7, -8, 0, 7};
  CodedTensor stored;
  coding.resize(stored, 6);
  EXPECT_TRUE(coding.store(geometry, 0, 2, codes.data(), stored));
  EXPECT_TRUE(coding.store(geometry, 2, 4, codes.data() + 2, stored));
  std::array<float, 6> found{};
  kernels::load_codes(stored.view(), found.data(), found.size());
  EXPECT_EQ(found, (std::array<float, 6>{-11, 5, 19, -23, -7, 7}));
  EXPECT_EQ(*coding.operand(nullptr, stored).scale, 0.25F);
  for (std::size_t i = 0; i < 6; ++i) {  // the values that the encoding states
    const std::size_t g = i / 3;
    EXPECT_EQ(found[i] * 0.25F, offset[g] + 0.5F * float(codes[i] - grids.zero[g])) << i;
  }
}

TEST(Coding, AnOffsetOfWholeStepsMovesTheZeroPoint) {
  Grids grids;
  const float offset[2] = {-1, 2};
  grids.encoding.grid.offset = offset;
  Coding coding;
  ASSERT_TRUE(coding.take(grids.encoding, 0));
  const qloom_tensor geometry{nullptr, nullptr, 0, 2, 1, 2, 1};
  const std::array<std::int32_t, 2> codes{7, -8};
  CodedTensor stored;
  coding.resize(stored, 2);
  EXPECT_TRUE(coding.store(geometry, 0, 2, codes.data(), stored));
  std::array<float, 2> found{};
  kernels::load_codes(stored.view(), found.data(), found.size());
  EXPECT_EQ(found, (std::array<float, 2>{5, -4}));
  EXPECT_EQ(*coding.operand(nullptr, stored).scale, 0.5F);
}

TEST(Coding, AnOffsetThatLeavesValuesOffTheGridIsNone) {
  Grids grids;
  grids.scale = {0.1F, 0.1F};  // 7 * 0.1F - 0.05F is rounded twice
  const float offset[2] = {-0.05F, -0.05F};
  grids.encoding.grid.offset = offset;
  EXPECT_FALSE(grids.is_taken());
  grids.lo = {0, 0};
  grids.hi = {1, 1};
  EXPECT_TRUE(grids.is_taken()) << "one bit: -0.05 and 0.05";
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
