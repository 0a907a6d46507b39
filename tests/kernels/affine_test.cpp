// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>
#include <cstdint>
#include <vector>

#include "tests/kernels/every_isa.hpp"

namespace qloom::kernels::test {
namespace {

/// Tables of `groups` different grids.
struct Grids {
  explicit Grids(std::size_t groups) : offset(groups) {
    for (std::size_t g = 0; g < groups; ++g) {
      scale.push_back(0.05F + 0.003F * static_cast<float>(g % 37));
      inv_scale.push_back(1.0F / scale.back());
      zero_point.push_back(static_cast<int>(g % 11) - 5);
      offset[g] = 0.1F * static_cast<float>(g % 3);
      code_min.push_back(-8 - static_cast<int>(g % 5));
      code_max.push_back(7 + static_cast<int>(g % 7));
    }
  }
  [[nodiscard]] qloom_grid view(bool with_offset) const {
    const float* const offsets = with_offset ? offset.data() : nullptr;
    return {scale.data(),      inv_scale.data(), offsets,
            zero_point.data(), code_min.data(),  code_max.data()};
  }
  std::vector<float> scale, inv_scale, offset;
  std::vector<std::int32_t> zero_point, code_min, code_max;
};

/// Blocks of every kind: one group, long and short runs, columns, wrapping and not.
std::vector<qloom_block> blocks() {
  std::vector<qloom_block> out;
  const std::uint64_t shapes[][2] = {{1, 5000}, {3, 1},   {16, 1},  {64, 1},  {100, 1},
                                     {1500, 1}, {5, 7},   {9, 31},  {4, 100}, {2, 3000},
                                     {700, 3},  {90, 20}, {600, 2}, {2, 2},   {530, 9}};
  for (const auto& s : shapes) {
    for (const std::uint64_t first : {0U, 1U, 37U, 4096U}) {
      for (const std::uint64_t n : {0U, 1U, 67U, 2100U}) {
        out.push_back({first, n, s[0], s[1], 0, s[0]});
      }
    }
  }
  return out;
}

std::vector<float> inputs(std::size_t n) {
  std::vector<float> x = spread(n, 1.5F, 7);
  const std::vector<float> hard = hard_values();
  for (std::size_t i = 0; i < n; i += 13) x[i] = hard[i / 13 % hard.size()];
  return x;
}

class Affine : public EveryIsa {};
QLOOM_ON_EVERY_ISA(Affine);

TEST_P(Affine, QuantizesByTheFormula) {
  const float scale = 0.5F, inverse = 2.0F;
  const std::int32_t zero = 3, lo = 0, hi = 15;
  const qloom_grid grid{&scale, &inverse, nullptr, &zero, &lo, &hi};
  const float infinity = from_bits(0x7F800000U);
  const std::vector<float> x{0.0F, 0.25F, 0.75F,    -1.5F,     -2.0F,
                             6.0F, 6.5F,  infinity, -infinity, from_bits(0x7FC00000U),
                             -0.0F};
  const std::vector<float> value{0.0F, 0.0F, 1.0F,  -1.5F, -1.5F, 6.0F,
                                 6.0F, 6.0F, -1.5F, -1.5F, 0.0F};
  const std::vector<std::int32_t> code{3, 3, 5, 0, 0, 15, 15, 15, 0, 0, 3};
  const qloom_block block{0, x.size(), 1, x.size(), 0, 1};
  const qloom_call call = call_with(QLOOM_ROUND_NEAREST_EVEN);
  std::vector<float> y(x.size());
  std::vector<std::int32_t> c(x.size());
  ASSERT_EQ(kernels().affine(&call, &grid, &block, x.data(), y.data(), c.data()), QLOOM_OK);
  EXPECT_SAME_BITS(y, value, x);
  EXPECT_EQ(c, code);
}

TEST_P(Affine, HasTheBitsOfTheDefinitionForEveryBlockAndRule) {
  const Grids grids(1500);
  const std::vector<float> x = inputs(2100), dy = spread(2100, 1.0F, 8);
  for (const qloom_block& block : blocks()) {
    for (const RuleCase c : rule_cases()) {
      const qloom_call call = call_with(c.rule, c.argument);
      const qloom_grid grid = grids.view(c.rule % 2 == 0);
      SCOPED_TRACE(testing::Message() << "groups " << block.groups << " inner " << block.inner
                                      << " first " << block.first << " n " << block.n << " rule "
                                      << c.rule << " bits " << c.argument);
      std::vector<float> y(block.n + 1, 99.0F), expected(y), dx(y), expected_dx(y);
      std::vector<std::int32_t> code(block.n + 1, 99), expected_code(code);
      ASSERT_EQ(kernels().affine(&call, &grid, &block, x.data(), y.data(), code.data()), QLOOM_OK);
      ref::affine(&call, &grid, &block, x.data(), expected.data(), expected_code.data());
      ASSERT_EQ(first_difference(y, expected), -1);
      ASSERT_EQ(code, expected_code);
      ASSERT_EQ(kernels().affine_backward(&call, &grid, &block, x.data(), dy.data(), dx.data()),
                QLOOM_OK);
      ref::affine_backward(&call, &grid, &block, x.data(), dy.data(), expected_dx.data());
      ASSERT_EQ(first_difference(dx, expected_dx), -1);
    }
  }
}

TEST_P(Affine, DecodingTheCodesGivesTheValues) {
  const Grids grids(1500);
  const std::vector<float> x = inputs(2100);
  const qloom_call call = call_with(QLOOM_ROUND_NEAREST_EVEN);
  for (const qloom_block& block : blocks()) {
    for (const bool with_offset : {false, true}) {
      const qloom_grid grid = grids.view(with_offset);
      std::vector<float> y(block.n), decoded(block.n);
      std::vector<std::int32_t> code(block.n);
      kernels().affine(&call, &grid, &block, x.data(), y.data(), nullptr);
      kernels().affine(&call, &grid, &block, x.data(), nullptr, code.data());
      kernels().affine_decode(&grid, &block, code.data(), decoded.data());
      ASSERT_EQ(first_difference(decoded, y), -1) << "groups " << block.groups;
    }
  }
}

TEST_P(Affine, ARoundingMethodGivesWhatItsRuleGives) {
  const Grids grids(1500);
  const std::vector<float> x = inputs(2100), dy = spread(2100, 1.0F, 8);
  const qloom_grid grid = grids.view(true);
  for (const qloom_block& block : blocks()) {
    for (const RuleCase c : rule_cases()) {
      const Method method(c);
      const qloom_call generic = method.call(), fused = call_with(c.rule, c.argument);
      std::vector<float> y(block.n), expected(block.n), dx(block.n), expected_dx(block.n);
      std::vector<std::int32_t> code(block.n), expected_code(block.n);
      ASSERT_EQ(kernels().affine(&generic, &grid, &block, x.data(), y.data(), code.data()),
                QLOOM_OK);
      kernels().affine(&fused, &grid, &block, x.data(), expected.data(), expected_code.data());
      ASSERT_EQ(first_difference(y, expected), -1) << "rule " << c.rule;
      ASSERT_EQ(code, expected_code) << "rule " << c.rule;
      kernels().affine_backward(&generic, &grid, &block, x.data(), dy.data(), dx.data());
      kernels().affine_backward(&fused, &grid, &block, x.data(), dy.data(), expected_dx.data());
      ASSERT_EQ(first_difference(dx, expected_dx), -1) << "rule " << c.rule;
    }
  }
}

TEST_P(Affine, PassesOnTheStatusOfARoundingMethod) {
  qloom_rounding ops{};
  ops.struct_size = sizeof(ops);
  ops.round = [](const void*, const qloom_call*, std::uint64_t, const float*, float*,
                 std::uint64_t) noexcept -> qloom_status { return QLOOM_E_NUMERIC; };
  qloom_call call = call_with(QLOOM_ROUND_GENERIC);
  call.rounding.ops = &ops;
  const Grids grids(3);
  const qloom_grid grid = grids.view(false);
  const qloom_block block{0, 9, 3, 1, 0, 3};
  std::vector<float> x(9, 1.0F), y(9);
  EXPECT_EQ(kernels().affine(&call, &grid, &block, x.data(), y.data(), nullptr), QLOOM_E_NUMERIC);
  EXPECT_EQ(kernels().affine_backward(&call, &grid, &block, x.data(), x.data(), y.data()),
            QLOOM_E_NUMERIC);
}

TEST_P(Affine, TakesEveryLengthAndOffsetAndWritesNothingElse) {
  const Grids grids(64);
  const std::vector<float> x = inputs(80);
  const qloom_call call = call_with(QLOOM_ROUND_STOCHASTIC, 16);
  const qloom_grid grid = grids.view(true);
  for (const std::uint64_t groups : {1U, 64U, 3U}) {
    for (const std::size_t offset : {0U, 1U, 3U}) {
      for (std::size_t n = 0; n <= 67; ++n) {
        const qloom_block block{offset, n, groups, 1, 0, groups};
        std::vector<float> y(n + offset + 1, 99.0F), expected(y);
        kernels().affine(&call, &grid, &block, x.data() + offset, y.data() + offset, nullptr);
        ref::affine(&call, &grid, &block, x.data() + offset, expected.data() + offset, nullptr);
        ASSERT_EQ(first_difference(y, expected), -1) << "n " << n << " offset " << offset;
      }
    }
  }
}

TEST_P(Affine, ClipBackwardKeepsTheGradientInsideItsBounds) {
  const float lo = -1.0F, hi = 2.0F;
  const std::vector<float> x{
      -1.0F, -1.0000001F, 2.0F, 2.0000002F, 0.0F, from_bits(0x7FC00000U), from_bits(0x7F800000U)};
  const std::vector<float> dy(x.size(), 3.0F), expected{3, 0, 3, 0, 3, 0, 0};
  std::vector<float> dx(x.size());
  const qloom_block block{0, x.size(), 1, x.size(), 0, 1};
  kernels().clip_backward(&lo, &hi, &block, x.data(), dy.data(), dx.data());
  EXPECT_EQ(dx, expected);
}

TEST_P(Affine, TernaryTakesTheThreeValues) {
  const float low_threshold = -0.5F, high_threshold = 0.25F, low = -2.0F, high = 3.0F;
  const std::vector<float> x{-0.5F, -0.50000006F, 0.25F, 0.25000003F, 0.0F, from_bits(0x7FC00000U)};
  const std::vector<float> expected{0, -2, 0, 3, 0, 0};
  std::vector<float> y(x.size());
  const qloom_block block{0, x.size(), 1, x.size(), 0, 1};
  kernels().ternary(&low_threshold, &high_threshold, &low, &high, &block, x.data(), y.data());
  EXPECT_EQ(y, expected);
}

TEST_P(Affine, SelectionsHaveTheBitsOfTheDefinitionForEveryBlock) {
  const std::size_t groups = 1500;
  const std::vector<float> x = inputs(2100), dy = spread(2100, 1.0F, 8);
  std::vector<float> lo(groups), hi(groups);
  for (std::size_t g = 0; g < groups; ++g) {
    lo[g] = -0.5F - 0.01F * static_cast<float>(g % 17);
    hi[g] = 0.4F + 0.01F * static_cast<float>(g % 29);
  }
  for (const qloom_block& block : blocks()) {
    std::vector<float> y(block.n + 1, 99.0F), expected(y);
    kernels().clip_backward(lo.data(), hi.data(), &block, x.data(), dy.data(), y.data());
    ref::clip_backward(lo.data(), hi.data(), &block, x.data(), dy.data(), expected.data());
    ASSERT_EQ(first_difference(y, expected), -1) << "groups " << block.groups;
    kernels().ternary(lo.data(), hi.data(), hi.data(), lo.data(), &block, x.data(), y.data());
    ref::ternary(lo.data(), hi.data(), hi.data(), lo.data(), &block, x.data(), expected.data());
    ASSERT_EQ(first_difference(y, expected), -1) << "groups " << block.groups;
  }
}

}  // namespace
}  // namespace qloom::kernels::test
