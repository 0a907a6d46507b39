// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/support/norm_harness.hpp"

namespace qloom::test {
namespace {

/// 2^round(log2 |v|) with the sign of v.
double shifted(double v) {
  return v == 0 ? 0.0 : std::copysign(std::exp2(std::nearbyint(std::log2(std::fabs(v)))), v);
}

TEST(ShiftNorm, GivesTheHandbooksValues) {
  NormHarness norm("shift_bn", kNoEps, 1);
  norm.momentum = 1;
  expect_near(norm.forward({1, 2, 4, 9}), {-0.75F, -0.5F, 0, 1.25F}, 0);
  EXPECT_NEAR(norm.state("running_scale"), 3.0, 1e-12);  // var' = 9
  EXPECT_NEAR(norm.state("running_inverse"), 1.0 / 3.0, 1e-12);
  expect_near(norm.forward({0, 1, 4, 7}), {-0.75F, -0.5F, 0.25F, 1}, 0);
  EXPECT_NEAR(norm.state("running_scale"), std::sqrt(8.25), 1e-12);
  expect_near(norm.forward({0, 1, 3, 16}), {-0.625F, -0.5F, -0.25F, 1.375F}, 0);
}

TEST(ShiftNorm, HasTheGradientOfTheAuthorsCode) {
  NormHarness norm("shift_bn", kNoEps, 1);
  norm.forward({1, 2, 4, 9});
  const NormGradients g = norm.backward({1, 2, 4, 9}, {1, 0, 0, 0});
  expect_near(g.dx, {0.125F, -0.09375F, -0.0625F, 0}, 0);
  expect_near(g.dbeta, {1}, 0);
  expect_near(g.dgamma, {-1}, 0);  // P(-3 * 1/4) = P(-.75) = -1
}

TEST(ShiftNorm, ShiftsGammaToo) {
  NormHarness norm("shift_bn", kNoEps, 1);
  norm.gamma = {3.0F};  // P(3) = 4
  norm.beta = {0.5F};
  expect_near(norm.forward({1, 2, 4, 9}), {-2.5F, -1.5F, 0.5F, 5.5F}, 0);
}

TEST(ShiftNorm, FollowsItsDefinitionForManyChannels) {
  constexpr std::size_t kChannels = 19, kRows = 40;
  const Values x = values(gaussian({static_cast<std::int64_t>(kChannels * kRows)}, 8, 3.0F));
  NormHarness norm("shift_bn", "{}", kChannels);
  const Values y = norm.forward(x);
  for (std::size_t c = 0; c < kChannels; ++c) {
    double mean = 0, variance = 0;
    for (std::size_t r = 0; r < kRows; ++r) mean += x[r * kChannels + c] / double{kRows};
    for (std::size_t r = 0; r < kRows; ++r) {
      const double d = x[r * kChannels + c] - mean;
      variance += d * shifted(d) / double{kRows};
    }
    const double factor = shifted(1.0 / std::sqrt(variance + 1e-5));
    for (std::size_t r = 0; r < kRows; ++r) {
      const double expected = (x[r * kChannels + c] - mean) * factor;
      EXPECT_NEAR(y[r * kChannels + c], expected, 1e-5);
    }
  }
}

TEST(ShiftNorm, ShiftsAtSqrtTwoAndBelowTheNormalNumbers) {
  // y = P(gamma) * 1 for x - mean = 1, inverse deviation 1: the shifted gamma itself
  const auto shifted_gamma = [](float gamma) {
    NormHarness norm("shift_bn", kNoEps, 1);
    norm.momentum = 1;
    norm.gamma = {gamma};
    return norm.forward({-1, 1})[1];
  };
  EXPECT_EQ(shifted_gamma(0x1.6a09e6p0F), 1.0F);  // the float32 below sqrt(2)
  EXPECT_EQ(shifted_gamma(0x1.6a09e8p0F), 2.0F);
  EXPECT_EQ(shifted_gamma(-1.5F), -2.0F);
  EXPECT_EQ(shifted_gamma(0x1.4p-130F), 0x1p-130F);
  EXPECT_EQ(shifted_gamma(0x1.8p-130F), 0x1p-129F);
  EXPECT_EQ(shifted_gamma(0.0F), 0.0F);
}

TEST(ShiftNorm, EvaluationShiftsByTheRunningInverse) {
  NormHarness norm("shift_bn", kNoEps, 1);
  norm.momentum = 1;
  norm.forward({1, 2, 4, 9});
  expect_near(norm.forward({4, 8}, QLOOM_MODE_EVALUATE), {0, 1}, 0);
  expect_near(norm.infer({4, 8}), {0, 1}, 0);
}

TEST(ShiftNorm, HasTheSameBitsForAnyNumberOfThreads) {
  expect_same_bits_for_any_threads("shift_bn", "{}");
}

}  // namespace
}  // namespace qloom::test
