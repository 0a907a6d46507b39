// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <qloom/stochastic.h>

#include "host/tensor/error.hpp"
#include "host/tensor/random.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

struct Row {
  const char* id;
  std::vector<float> y;
};

/// Handbook, fixed_point_training.md 12.1.
TEST(Rounding, MatchesTheTableOfModes) {
  const std::vector<float> x{-2.5F, -1.5F, -1.2F, -0.5F, 0.5F, 1.2F, 1.5F, 2.5F};
  const std::vector<Row> rows{{"nearest_even", {-2, -2, -1, 0, 0, 1, 2, 2}},
                              {"nearest_away", {-3, -2, -1, -1, 1, 1, 2, 3}},
                              {"nearest_up", {-2, -1, -1, 0, 1, 1, 2, 3}},
                              {"toward_negative", {-3, -2, -2, -1, 0, 1, 1, 2}},
                              {"toward_positive", {-2, -1, -1, 0, 1, 2, 2, 3}},
                              {"toward_zero", {-2, -1, -1, 0, 0, 1, 1, 2}}};
  for (const Row& row : rows) EXPECT_EQ(round_with(row.id, "{}", x), row.y) << row.id;
}

TEST(Rounding, IsExactNextToATieAndWhereFloatHasNoFraction) {
  const float below = std::nextafter(0.5F, 0.0F);
  const std::vector<float> x{below, -below, 8388609.0F, -8388609.0F, 4194304.5F, 1e30F};
  for (const char* id : {"nearest_even", "nearest_away", "nearest_up"}) {
    const auto y = round_with(id, "{}", x);
    EXPECT_EQ(y[0], 0.0F) << id;
    EXPECT_EQ(y[1], 0.0F) << id;
    EXPECT_EQ(y[2], 8388609.0F) << id;
    EXPECT_EQ(y[3], -8388609.0F) << id;
    EXPECT_EQ(y[4], std::string(id) == "nearest_even" ? 4194304.0F : 4194305.0F) << id;
    EXPECT_EQ(y[5], 1e30F) << id;
  }
}

TEST(Rounding, EveryModeLeavesIntegersAlone) {
  std::vector<float> x;
  for (int i = -300; i <= 300; ++i) x.push_back(static_cast<float>(i));
  for (const char* id : {"nearest_even", "nearest_away", "nearest_up", "toward_zero",
                         "toward_negative", "toward_positive", "stochastic", "stochastic_equal"}) {
    for (std::uint64_t step = 0; step < 20; ++step) {
      ASSERT_EQ(round_with(id, "{}", x, 3, step), x) << id;
    }
  }
}

std::string random_bits(int bits) { return R"({"random_bits": )" + std::to_string(bits) + "}"; }

/// The definition, with integers: up iff r < floor(f 2^bits), r the word's upper bits.
TEST(StochasticRounding, IsTheDefinitionForEveryNumberOfRandomBits) {
  const std::vector<float> x = values(uniform({4099}, 5, -9.0F, 9.0F));
  for (const int bits : {1, 2, 7, 8, 15, 16, 17, 24, 31, 32}) {
    const auto y = round_with("stochastic", random_bits(bits), x, 11, 4);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float down = std::floor(x[i]);
      const double fraction = double{x[i] - down};
      const auto limit = static_cast<std::uint64_t>(std::ldexp(fraction, bits));
      const std::uint64_t word = random_word(11, 0, 4, i) >> (32 - bits);
      ASSERT_EQ(y[i], word < limit ? down + 1.0F : down) << "bits=" << bits << " x=" << x[i];
    }
  }
}

/// Handbook 12.4: |p - f| <= 4 sqrt(f (1 - f) / N) + 2^-r, false alarm 6e-5 over all seeds; the
/// seeds are fixed. Variance: f (1 - f) within 5 sqrt(f (1 - f)(1 - 4 f (1 - f)) / N).
TEST(StochasticRounding, HasTheMeanAndVarianceOfTheFraction) {
  constexpr int kCount = 100000;
  for (const int bits : {8, 16, 32}) {
    for (const double fraction : {0.1, 0.25, 0.5}) {
      for (const float base : {-3.0F, 0.0F, 5.0F}) {
        const std::vector<float> x(kCount, base + static_cast<float>(fraction));
        double up = 0;
        for (const float y : round_with("stochastic", random_bits(bits), x, 21)) {
          ASSERT_TRUE(y == base || y == base + 1.0F);
          up += y - base;
        }
        const double p = up / kCount, variance = fraction * (1 - fraction);
        EXPECT_LE(std::fabs(p - fraction),
                  4 * std::sqrt(variance / kCount) + std::ldexp(1.0, -bits));
        EXPECT_LE(std::fabs(p * (1 - p) - variance),
                  5 * std::sqrt(variance * (1 - 4 * variance) / kCount) + std::ldexp(1.0, -bits) +
                      25.0 / kCount);
      }
    }
  }
}

/// With 8 bits the up-probability of every fraction is a multiple of 2^-8, truncated: the mean over
/// many draws of f = 0.7 / 256 must be 0, and of f = 1.7 / 256 that of 1 / 256.
TEST(StochasticRounding, TruncatesTheProbabilityToItsRandomBits) {
  constexpr int kCount = 200000;
  const std::vector<float> tiny(kCount, 0.7F / 256.0F), small(kCount, 1.7F / 256.0F);
  double up = 0;
  for (const float y : round_with("stochastic", random_bits(8), tiny)) up += y;
  EXPECT_EQ(up, 0.0);
  for (const float y : round_with("stochastic", random_bits(8), small)) up += y;
  EXPECT_NEAR(up / kCount, 1.0 / 256, 4 * std::sqrt(1.0 / 256 / kCount));
}

std::string few_bits(int bits, const char* fraction) {
  return R"({"random_bits": )" + std::to_string(bits) + R"(, "fraction": ")" + fraction + "\"}";
}

/// Mean over many draws of one value; bound: 5 standard deviations, the seeds are fixed.
double mean_of(const std::string& parameters, float x) {
  constexpr int kCount = 100000;
  double sum = 0;
  for (const float y : round_with("stochastic", parameters, std::vector<float>(kCount, x), 31)) {
    sum += y;
  }
  return sum / kCount;
}

/// With one random bit the odds are 0, 1/2 or 1: of 0.8 cut off 1/2, rounded 1.
TEST(StochasticRounding, RoundsTheFractionToItsRandomBitsWhenAsked) {
  const double bound = 5 * 0.5 / std::sqrt(100000.0);
  EXPECT_NEAR(mean_of(few_bits(1, "truncated"), 0.8F), 0.5, bound);
  EXPECT_EQ(mean_of(few_bits(1, "nearest"), 0.8F), 1.0);
  EXPECT_EQ(mean_of(few_bits(1, "nearest"), 0.2F), 0.0);
  EXPECT_EQ(mean_of(few_bits(1, "nearest"), 0.25F), 0.0);  // a tie goes to the even 0 of 2
  EXPECT_EQ(mean_of(few_bits(1, "nearest"), 0.75F), 1.0);  // and to the even 2 of 2
  EXPECT_NEAR(mean_of(few_bits(2, "nearest"), -0.3F), -0.25, bound);
  EXPECT_NEAR(mean_of(few_bits(2, "truncated"), -0.3F), -0.5, bound);
}

/// Lone rounding is two's complement; a kernel whose format has a sign says so.
TEST(StochasticRounding, RoundsMagnitudesWhereTheCallSaysSo) {
  const auto mode = create("rounding", "stochastic", random_bits(1));
  const std::vector<float> x(64, -0.7F);
  for (const std::uint32_t flags : {0U, std::uint32_t{QLOOM_STOCHASTIC_MAGNITUDE}}) {
    qloom_call call{};
    call.struct_size = sizeof call;
    call.rounding = {mode.self(), &mode.ops<qloom_rounding>(), QLOOM_ROUND_GENERIC, flags};
    std::vector<float> y(x.size());
    ASSERT_EQ(mode.ops<qloom_rounding>().round(mode.self(), &call, 0, x.data(), y.data(), x.size()),
              QLOOM_OK);
    const bool goes_to_zero = std::count(y.begin(), y.end(), 0.0F) > 0;
    EXPECT_EQ(goes_to_zero, flags != 0);  // floor(0.3 * 2) = 0: always -1 in two's complement
  }
}

double correlation(const std::vector<float>& a, const std::vector<float>& b, std::size_t shift) {
  double sum = 0;
  const std::size_t n = a.size() - shift;
  for (std::size_t i = 0; i < n; ++i) sum += (2 * a[i] - 1) * (2 * b[i + shift] - 1);
  return sum / static_cast<double>(n);
}

/// Handbook 12.4: below 4 / sqrt(N).
TEST(StochasticRounding, DrawsAreIndependentOfNeighboursAndSteps) {
  const std::vector<float> x(100000, 0.5F);
  const double bound = 4 / std::sqrt(static_cast<double>(x.size()));
  for (const char* id : {"stochastic", "stochastic_equal"}) {
    const auto now = round_with(id, "{}", x, 8, 0), next = round_with(id, "{}", x, 8, 1);
    EXPECT_LT(std::fabs(correlation(now, now, 1)), bound) << id;
    EXPECT_LT(std::fabs(correlation(now, next, 0)), bound) << id;
    EXPECT_EQ(now, round_with(id, "{}", x, 8, 0)) << id;
    EXPECT_NE(now, round_with(id, "{}", x, 9, 0)) << id;
  }
}

TEST(StochasticEqualRounding, GoesUpForHalfOfTheDrawsWhateverTheFraction) {
  constexpr int kCount = 100000;
  for (const float x : {0.01F, 0.5F, 0.99F, -2.3F}) {
    double up = 0;
    for (const float y : round_with("stochastic_equal", "{}", std::vector<float>(kCount, x), 2)) {
      ASSERT_TRUE(y == std::floor(x) || y == std::ceil(x));
      up += y - std::floor(x);
    }
    EXPECT_NEAR(up / kCount, 0.5, 4 * std::sqrt(0.25 / kCount)) << x;
  }
}

TEST(Rounding, EachModeNamesTheRuleThatTheKernelsFuse) {
  const std::vector<std::pair<const char*, std::uint32_t>> rules{
      {"nearest_even", QLOOM_ROUND_NEAREST_EVEN},
      {"nearest_away", QLOOM_ROUND_NEAREST_AWAY},
      {"nearest_up", QLOOM_ROUND_NEAREST_UP},
      {"toward_zero", QLOOM_ROUND_TOWARD_ZERO},
      {"toward_negative", QLOOM_ROUND_TOWARD_NEGATIVE},
      {"toward_positive", QLOOM_ROUND_TOWARD_POSITIVE},
      {"stochastic", QLOOM_ROUND_STOCHASTIC},
      {"stochastic_equal", QLOOM_ROUND_STOCHASTIC_EQUAL}};
  for (const auto& [id, expected] : rules) {
    const bool has_bits = expected == QLOOM_ROUND_STOCHASTIC;
    const auto mode = create("rounding", id, has_bits ? random_bits(9) : "{}");
    std::uint32_t rule = 0, argument = 0;
    EXPECT_EQ(mode.ops<qloom_rounding>().lower(mode.self(), &rule, &argument), QLOOM_OK);
    EXPECT_EQ(rule, expected) << id;
    EXPECT_EQ(argument, rule == QLOOM_ROUND_STOCHASTIC ? 9U : 0U) << id;
  }
  const auto rounded = create("rounding", "stochastic", few_bits(4, "nearest"));
  std::uint32_t rule = 0, argument = 0;
  EXPECT_EQ(rounded.ops<qloom_rounding>().lower(rounded.self(), &rule, &argument), QLOOM_OK);
  EXPECT_EQ(argument, 4U | QLOOM_STOCHASTIC_NEAREST_FRACTION);
}

TEST(StochasticRounding, RefusesFewerThanOneAndMoreThanThirtyTwoRandomBits) {
  EXPECT_THROW(create("rounding", "stochastic", random_bits(0)), InputError);
  EXPECT_THROW(create("rounding", "stochastic", random_bits(33)), InputError);
  EXPECT_THROW(create("rounding", "nearest_even", random_bits(8)), InputError);
}

}  // namespace
}  // namespace qloom::test
