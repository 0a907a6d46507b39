// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "host/tensor/error.hpp"
#include "host/tensor/random.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

std::string wage(const std::string& part, int bits, const std::string& parameters = "") {
  return R"({"quantizer": {"plugin": "wage", "part": ")" + part + R"(", "bits": )" +
         std::to_string(bits) + parameters + "}}";
}

std::vector<float> copies(const std::vector<float>& x, std::size_t count) {
  std::vector<float> all;
  for (std::size_t i = 0; i < count; ++i) all.insert(all.end(), x.begin(), x.end());
  return all;
}

TEST(WageGrid, MatchesTheHandbook) {
  for (const std::string part : {"weight", "activation"}) {
    Site two(wage(part, 2)), eight(wage(part, 8));
    EXPECT_EQ(two.forward(tensor({-1.0F, 0.2F, 0.6F})), (std::vector<float>{-0.5F, 0, 0.5F}));
    EXPECT_EQ(eight.forward(tensor({0.3F, -2.0F, 1 / 256.0F, 3 / 256.0F})),
              (std::vector<float>{0.296875F, -0.9921875F, 0, 0.015625F}));
  }
}

TEST(WageGrid, TwoBitThresholdsAreAQuarter) {
  Site site(wage("weight", 2));
  const float above = std::nextafter(0.25F, 1.0F);
  EXPECT_EQ(site.forward(tensor({0.25F, above, -0.25F, -above})),
            (std::vector<float>{0, 0.5F, 0, -0.5F}));
}

TEST(WageGrid, CodesAreSymmetricAndTheScaleIsAPowerOfTwo) {
  for (int bits = 2; bits <= 16; ++bits) {
    Site site(wage("weight", bits));
    const Tensor x = tensor({-9.0F, -1.0F, 0.0F, 1.0F, 9.0F});
    site.forward(x);
    const int limit = (1 << (bits - 1)) - 1;
    EXPECT_EQ(site.encode(x), (std::vector<std::int32_t>{-limit, -limit, 0, limit, limit}));
    EXPECT_EQ(site.node.encoding().grid.scale[0], std::ldexp(1.0F, 1 - bits));
    EXPECT_EQ(site.node.encoding().bits, static_cast<std::uint32_t>(bits));
  }
}

TEST(WageGrid, WeightGradientPassesAndActivationGradientIsClipped) {
  const float end = 1.0F - 1.0F / 128.0F;
  const Tensor x = tensor({-1.0F, -end, 0.0F, end, std::nextafter(end, 1.0F)});
  const Tensor dy = tensor({1.0F, 2.0F, 3.0F, 4.0F, 5.0F});
  Site weight(wage("weight", 8)), activation(wage("activation", 8));
  weight.forward(x);
  activation.forward(x);
  EXPECT_EQ(weight.backward(x, dy), values(dy));
  EXPECT_EQ(activation.backward(x, dy), (std::vector<float>{0, 2, 3, 4, 0}));
}

/// An eighth of the maximum is never clipped: y = Q(x / 8 / Shift(x)) tells Shift(x).
double shift_of(float x) {
  Site site(wage("error", 16));
  const double y = site.forward(tensor({x, x / 8}))[1];
  return std::exp2(std::nearbyint(std::log2(x / 8 / y)));
}

TEST(WageError, ShiftMatchesTheHandbook) {
  const std::map<float, double> expected{{0.3F, 0.25}, {0.7F, 0.5},  {0.7071067F, 0.5},
                                         {0.71F, 1},   {1.4142F, 1}, {1.4143F, 2},
                                         {5.6F, 4},    {5.7F, 8},    {100.0F, 128}};
  for (const auto& [x, shift] : expected) EXPECT_EQ(shift_of(x), shift) << x;
  for (int e = -100; e <= 100; ++e) EXPECT_EQ(shift_of(std::ldexp(1.0F, e)), std::ldexp(1.0, e));
}

TEST(WageError, MatchesTheHandbook) {
  Site site(wage("error", 8));
  const Tensor e = tensor({3e-5F, -1.1e-4F, 7e-6F, 2e-8F});
  EXPECT_EQ(site.forward(e), (std::vector<float>{31 / 128.0F, -115 / 128.0F, 7 / 128.0F, 0}));
  EXPECT_EQ(site.encode(e), (std::vector<std::int32_t>{31, -115, 7, 0}));
}

TEST(WageError, ThrowsAwayPowersOfTwo) {
  const Tensor e = gaussian({999}, 6);
  Site site(wage("error", 8));
  const auto expected = site.forward(e);
  for (const int exponent : {-40, -1, 3, 50}) {
    auto scaled = values(e);
    for (float& v : scaled) v = std::ldexp(v, exponent);
    EXPECT_EQ(site.forward(tensor(scaled)), expected) << exponent;
  }
}

TEST(WageError, LargestMagnitudeUsesTheUpperHalfOfTheCodes) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const Tensor e = gaussian({31}, seed);
    Site site(wage("error", 8));
    site.forward(e);
    int largest = 0;
    for (const int code : site.encode(e)) largest = std::max(largest, std::abs(code));
    EXPECT_GE(largest, 90);  // 128 / sqrt 2 = 90.5
  }
}

TEST(WageError, ZerosStayZeroAndTheSmallestNumbersDoNoHarm) {
  for (const std::string part : {"error", "gradient"}) {
    Site site(wage(part, 8));
    EXPECT_EQ(site.forward(tensor({0.0F, -0.0F})), (std::vector<float>{0, 0}));
    for (const float y : site.forward(tensor({1e-45F, -1e-40F, 0.0F}))) {
      EXPECT_TRUE(std::isfinite(y));
    }
    EXPECT_THROW(site.forward(tensor({1.0F, std::nanf("")})), RunError);
    EXPECT_THROW(site.forward(tensor({1.0F, HUGE_VALF})), RunError);
  }
}

/// Handbook: Shift = 1/16, g_s = {1.536, -3.84, 0.128, 6.4}; each element is one of the neighbours,
/// its mean g_s sigma. Bound: 4 standard deviations and the truncation of 16 random bits.
TEST(WageGradient, MatchesTheHandbookOnAverage) {
  constexpr std::size_t kCount = 100000;
  const std::vector<float> g{0.012F, -0.03F, 0.001F, 0.05F};
  const std::vector<double> steps{1.536, -3.84, 0.128, 6.4};
  Site site(wage("gradient", 8, R"(, "learning_rate": 8)"));
  const auto y = site.forward(tensor(copies(g, kCount)));
  for (std::size_t j = 0; j < 4; ++j) {
    double sum = 0;
    for (std::size_t i = j; i < y.size(); i += 4) {
      const double code = y[i] * 128.0;
      ASSERT_TRUE(code == std::floor(steps[j]) || code == std::ceil(steps[j])) << code;
      sum += code;
    }
    const double f = steps[j] - std::floor(steps[j]);
    EXPECT_NEAR(sum / kCount, steps[j], 4 * std::sqrt(f * (1 - f) / kCount) + 0x1p-16) << j;
  }
}

TEST(WageGradient, IsTheDefinitionWithTheWordsOfItsStream) {
  const Tensor g = gaussian({5000}, 8, 1e-3F);
  Site site(wage("gradient", 8, R"(, "learning_rate": 2, "random_bits": 16)"),
            {.name = "gradient/test", .seed = 5});
  site.forward(g, true, 3);
  const auto codes = site.encode(g);
  float max = 0;
  for (const float v : g) max = std::max(max, std::fabs(v));
  const double shift = std::exp2(std::nearbyint(std::log2(max)));
  for (std::size_t i = 0; i < g.size(); ++i) {
    const double t = 2 * std::fabs(g[i]) / shift;  // exact: shift is a power of two
    const double fraction = t - std::floor(t);
    const auto limit = static_cast<std::uint32_t>(std::ldexp(fraction, 16));
    const auto word = random_word(5, stream_id("gradient/test"), 3, i) >> 16;
    const int magnitude = static_cast<int>(std::floor(t)) + (word < limit ? 1 : 0);
    ASSERT_EQ(codes[i], g[i] < 0 ? -magnitude : magnitude) << i;
  }
}

/// One random bit: |g_s| = 0.7 becomes 1 with odds of floor(0.7 * 2) / 2 on both sides of zero.
TEST(WageGradient, OppositeGradientsAreMirrorImagesWithFewRandomBits) {
  for (const int bits : {1, 2, 3, 16, 32}) {
    const std::string parameters =
        R"(, "learning_rate": 1, "random_bits": )" + std::to_string(bits);
    Site up(wage("gradient", 8, parameters)), down(wage("gradient", 8, parameters));
    std::vector<float> g = values(gaussian({5000}, 12));
    g[0] = 4.0F;
    std::fill(g.begin() + 1000, g.end(), 0.7F * 4.0F);  // Shift is 4
    const auto y = up.forward(tensor(g));
    for (float& v : g) v = -v;
    const auto opposite = down.forward(tensor(g));
    std::size_t ones = 0;
    for (std::size_t i = 0; i < y.size(); ++i) {
      ASSERT_EQ(opposite[i], -y[i]) << bits;
      if (i >= 1000 && y[i] != 0.0F) ++ones;
    }
    const double odds = std::floor(std::ldexp(0.7, bits)) / std::ldexp(1.0, bits);
    EXPECT_NEAR(static_cast<double>(ones) / 4000, odds, 5 * std::sqrt(odds * (1 - odds) / 4000))
        << bits;
  }
}

TEST(WageGradient, ThrowsAwayPowersOfTwoAndStaysWithinTwoStepsUpToRateOne) {
  const Tensor g = gaussian({5000}, 6);
  Site site(wage("gradient", 8, R"(, "learning_rate": 1)"));
  const auto expected = site.forward(g);
  for (const float y : expected) ASSERT_LE(std::fabs(y), 2 / 128.0F);
  auto scaled = values(g);
  for (float& v : scaled) v = std::ldexp(v, -20);
  EXPECT_EQ(site.forward(tensor(scaled)), expected);
}

/// |g_s| < rate sqrt 2: at 2 bits and rate 8 the codes reach 12 and need 5 bits.
TEST(WageGradient, LargeRatesAreNotClipped) {
  Site site(wage("gradient", 2, R"(, "learning_rate": 8)"));
  float largest = 0;
  for (const float y : site.forward(tensor(std::vector<float>(1000, 1.4142F)))) {
    largest = std::max(largest, y);
  }
  EXPECT_EQ(largest, 12 * 0.5F);
  EXPECT_EQ(site.node.encoding().bits, 5U);
  Site one(wage("gradient", 2, R"(, "learning_rate": 1)"));  // |g_s| < sqrt 2: codes up to 2
  const auto y = one.forward(tensor(std::vector<float>(1000, 1.4142F)));
  EXPECT_EQ(*std::max_element(y.begin(), y.end()), 2 * 0.5F);
  EXPECT_EQ(one.node.encoding().bits, 3U);
  Site small(wage("gradient", 8, R"(, "learning_rate": 8)"));
  small.forward(tensor({1.0F}));
  EXPECT_EQ(small.node.encoding().bits, 8U);
}

TEST(WageGradient, RateFollowsTheEpochs) {
  Site site(wage("gradient", 8,
                 R"(, "learning_rate": 8, "learning_rate_steps": [)"
                 R"({"epoch": 2, "learning_rate": 1},)"
                 R"({"epoch": 5, "learning_rate": 0.125}])"));
  const Tensor g = tensor(std::vector<float>(64, 1.0F));
  const auto sum_at = [&](std::uint64_t epoch) {
    Tensor y;
    site.node.forward(g, y, {.step = 0, .epoch = epoch, .training = true});
    double sum = 0;
    for (const float v : y) sum += v * 128;
    return sum;
  };
  EXPECT_EQ(sum_at(0), 512);
  EXPECT_EQ(sum_at(1), 512);
  EXPECT_EQ(sum_at(2), 64);
  EXPECT_EQ(sum_at(4), 64);
  EXPECT_NEAR(sum_at(5), 8, 4 * std::sqrt(64 * 0.125 * 0.875));
}

TEST(WageGradient, RoundingModeHasNoSay) {
  const Tensor g = gaussian({300}, 3);
  Site own(wage("gradient", 8));
  Site other(R"({"quantizer": {"plugin": "wage", "part": "gradient"},)"
             R"( "rounding": {"plugin": "toward_zero"}})");
  EXPECT_EQ(own.forward(g), other.forward(g));
}

std::string ruled(const std::string& rounding) {
  return R"({"quantizer": {"plugin": "wage", "part": "gradient", "learning_rate": 2,)"
         R"( "rounding": "rule"}, "rounding": )" +
         rounding + "}";
}

/// Words of the register at 0xACE1, 16 steps each: 4722, c437, ..; 60c1 is the tenth.
TEST(WageGradient, TakesTheRulesRoundingWhereItSaysSo) {
  Site own(ruled(R"({"plugin": "stochastic_lfsr", "start": "fixed"})"));
  std::vector<float> g(10, -0x4722p-17F);  // rate 2, Shift(1) = 1: a fraction of 0x4722 / 2^16
  g[9] = 1.0F;                             // the largest; 2 whole steps
  auto y = own.forward(tensor(g));
  EXPECT_EQ(y[0], 0);
  EXPECT_EQ(y[9], 2 / 128.0F);
  g[0] = -0x4723p-17F;
  y = own.forward(tensor(g));
  EXPECT_EQ(y[0], -1 / 128.0F);
  EXPECT_EQ(y[1], 0);  // c437
  for (float& v : g) v = -v;
  const auto opposite = own.forward(tensor(g));
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_EQ(opposite[i], -y[i]) << i;
  EXPECT_EQ(opposite[0], 1 / 128.0F);
}

TEST(WageGradient, RulesOwnWordsAreThoseOfTheMethod) {
  const Tensor g = gaussian({3000}, 21, 1e-3F);
  Site method(wage("gradient", 8, R"(, "learning_rate": 2, "random_bits": 12)"));
  Site rule(ruled(R"({"plugin": "stochastic", "random_bits": 12})"));
  EXPECT_EQ(method.forward(g), rule.forward(g));
  Site zero(ruled(R"({"plugin": "toward_zero"})"));
  const auto y = zero.forward(g);
  const auto codes = zero.encode(g);
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i] * 128, static_cast<float>(codes[i]));
  EXPECT_NE(y, method.forward(g));
}

TEST(Wage, RefusesWrongParameters) {
  const auto refused = [](const std::string& rule) {
    EXPECT_THROW(Site site(rule), InputError) << rule;
  };
  refused(R"({"quantizer": {"plugin": "wage"}})");
  refused(wage("momentum", 8));
  refused(wage("weight", 1));
  refused(wage("weight", 17));
  refused(wage("gradient", 8, R"(, "learning_rate": 3)"));
  refused(wage("gradient", 8, R"(, "learning_rate": 0)"));
  refused(wage("gradient", 8, R"(, "learning_rate_steps": [{"epoch": 1, "learning_rate": 0.3}])"));
  refused(wage("gradient", 8, R"(, "random_bits": 0)"));
  refused(wage("gradient", 8, R"(, "rounding": "nearest_even")"));
}

TEST(Wage, Conforms) {
  for (const char* rounding : {"stochastic_lfsr", "stochastic", "nearest_even"}) {
    expect_conforms(ruled(std::string(R"({"plugin": ")") + rounding + R"("})"),
                    gaussian({9, 7, 5, 31}, 1));
  }
  for (const std::string part : {"weight", "activation", "error", "gradient"}) {
    for (const int bits : {2, 8, 16}) {
      expect_conforms(wage(part, bits), gaussian({9, 7, 5, 31}, 1));
      expect_conforms(wage(part, bits), gaussian({7}, 2));
    }
  }
}

}  // namespace
}  // namespace qloom::test
