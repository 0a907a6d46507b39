// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <cmath>

#include "tests/support/accumulator_harness.hpp"

namespace qloom::test {
namespace {

struct Format {
  int exponent_bits, mantissa_bits;
  bool subnormals = true;
};

/// Nearest value of the format, ties to even, saturating; by powers of two alone.
double nearest(double v, const Format& f) {
  const int bias = (1 << (f.exponent_bits - 1)) - 1, smallest = 1 - bias;
  const double largest = std::ldexp(2 - std::ldexp(1.0, -f.mantissa_bits), bias);
  if (v == 0) return 0;
  if (!f.subnormals && std::fabs(v) < std::ldexp(1.0, smallest)) return 0;
  const double step = std::ldexp(1.0, std::max(std::ilogb(v), smallest) - f.mantissa_bits);
  return std::clamp(std::nearbyint(v / step) * step, -largest, largest);
}

std::vector<double> definition(const Product& p, const Format& f, std::uint64_t chunk,
                               const Format& of_products = {8, 23}) {
  if (chunk == 0) chunk = std::max<std::uint64_t>(p.k, 1);
  std::vector<double> c;
  for (std::uint64_t i = 0; i < p.m; ++i) {
    for (std::uint64_t j = 0; j < p.n; ++j) {
      double total = 0;
      for (std::uint64_t first = 0; first < p.k; first += chunk) {
        double s = 0;
        for (std::uint64_t k = first; k < std::min(p.k, first + chunk); ++k) {
          const float product = p.a[i * p.k + k] * p.b[k * p.n + j];
          s = nearest(s + nearest(static_cast<double>(product), of_products), f);
        }
        total = nearest(total + s, f);
      }
      c.push_back(total);
    }
  }
  return c;
}

registry::Instance chunked(const Format& f, std::uint64_t chunk) {
  return create("accumulator", "float_chunked",
                "{\"exponent_bits\": " + std::to_string(f.exponent_bits) + ", \"mantissa_bits\": " +
                    std::to_string(f.mantissa_bits) + ", \"chunk\": " + std::to_string(chunk) +
                    ", \"subnormals\": " + (f.subnormals ? "true" : "false") + "}");
}

Product random_values(std::uint64_t m, std::uint64_t n, std::uint64_t k, float deviation) {
  const auto a = static_cast<std::int64_t>(m * k), b = static_cast<std::int64_t>(k * n);
  return {m, n, k, values(gaussian({a}, 61, deviation)), values(gaussian({b}, 62, deviation))};
}
Product ones(std::uint64_t k) {
  return {1, 1, k, std::vector<float>(k, 1.0F), std::vector<float>(k, 1.0F)};
}

TEST(FloatChunked, EqualsItsDefinitionBitForBit) {
  const Product p = random_values(3, 21, 333, 1.0F);
  for (const Format f : {Format{6, 9}, {5, 10}, {4, 3}, {8, 7}, {2, 1}}) {
    for (const std::uint64_t chunk : {0U, 1U, 2U, 64U, 100U, 333U, 1000U}) {
      EXPECT_EQ(accumulate(chunked(f, chunk), p).c, definition(p, f, chunk))
          << f.exponent_bits << ", " << f.mantissa_bits << ", chunk " << chunk;
    }
  }
}

TEST(FloatChunked, ProductsAreRoundedToTheirFormatFirst) {
  const auto with = [](const char* product_format) {
    return create("accumulator", "float_chunked",
                  std::string(R"({"chunk": 7, "product_format": )") + product_format + "}");
  };
  const Product p = random_values(3, 70, 90, 1.0F);  // 70: two blocks of columns and a rest
  const auto rounded = with(R"({"exponent_bits": 5, "mantissa_bits": 2})");
  EXPECT_EQ(accumulate(rounded, p).c, definition(p, {6, 9}, 7, {5, 2}));
  EXPECT_EQ(accumulate(with("\"exact\""), p).c, definition(p, {6, 9}, 7));
  const Product longer = random_values(2, 20, 700, 1.0F),
                long_sums = random_values(2, 40, 3000, 1.0F);
  for (const Product& one : {longer, long_sums}) {
    EXPECT_EQ(accumulate(rounded, one).c, definition(one, {6, 9}, 7, {5, 2}));
  }
  // 1.25^2 = 1.5625 is between 1.5 and 1.75; 1.125 is halfway, 1 has the even fraction
  EXPECT_EQ(accumulate(rounded, {1, 1, 2, {1.25F, 1.125F}, {1.25F, 1}}).c[0], 1.5 + 1.0);
  // Random words are those of the sums alone: products that are in their format change nothing.
  const Product small = random_codes(2, 40, 50, 1, 9);
  const auto fine = with(R"({"exponent_bits": 8, "mantissa_bits": 23})");
  for (const Product& one : {p, small}) {
    EXPECT_EQ(accumulate(fine, one, QLOOM_ROUND_STOCHASTIC, 16).c,
              accumulate(with("\"exact\""), one, QLOOM_ROUND_STOCHASTIC, 16).c);
  }
}

TEST(FloatChunked, SmallSumsAreSubnormalOrFlushed) {
  const Product p = random_values(2, 9, 70, 0.01F);  // products of 1e-4; e4 has 2^-6 as smallest
  for (const bool subnormals : {true, false}) {
    const Format f{4, 7, subnormals};
    EXPECT_EQ(accumulate(chunked(f, 16), p).c, definition(p, f, 16)) << subnormals;
  }
  EXPECT_NE(definition(p, {4, 7, true}, 16), definition(p, {4, 7, false}, 16));
}

TEST(FloatChunked, SumsOfOnesStall) {  // handbook 5
  const auto sum = [](int mantissa_bits, std::uint64_t chunk, std::uint64_t n) {
    return accumulate(chunked({6, mantissa_bits}, chunk), ones(n)).c[0];
  };
  EXPECT_EQ(sum(9, 0, 5000), 1024);
  EXPECT_EQ(sum(7, 0, 5000), 256);
  EXPECT_EQ(sum(7, 64, 100000), 16384);
  EXPECT_EQ(sum(9, 64, 65536), 65536);
}

TEST(FloatChunked, ChunksOfOneAndOfAllAreTheSequentialSum) {
  const Product p = random_values(2, 5, 500, 1.0F);
  const Format f{6, 9};
  const auto whole = accumulate(chunked(f, 0), p).c;
  EXPECT_EQ(accumulate(chunked(f, 500), p).c, whole);
  // A chunk of one rounds the product first; products of 4-bit values are exact in the format.
  const Product small = random_codes(2, 5, 500, 7, 9);
  EXPECT_EQ(accumulate(chunked(f, 1), small).c, accumulate(chunked(f, 0), small).c);
}

TEST(FloatChunked, WithTheFormatOfFloatItIsFloatArithmetic) {
  const Product p = random_values(2, 11, 700, 1.0F);
  const std::vector<double> c = accumulate(chunked({8, 23}, 0), p).c;
  for (std::uint64_t i = 0; i < p.m; ++i) {
    for (std::uint64_t j = 0; j < p.n; ++j) {
      float sum = 0;
      for (std::uint64_t k = 0; k < p.k; ++k) sum += p.a[i * p.k + k] * p.b[k * p.n + j];
      EXPECT_EQ(c[i * p.n + j], sum);
    }
  }
}

TEST(FloatChunked, ASumBeyondTheLargestValueSaturatesOrBecomesInfinite) {
  const Product p{1, 1, 3, {200, 200, -1}, {1, 1, 1}};  // e4m3 with infinity: largest 240
  EXPECT_EQ(accumulate(chunked({4, 3}, 0), p).c[0], nearest(240 - 1, {4, 3}));
  const auto infinite =
      create("accumulator", "float_chunked",
             R"({"exponent_bits": 4, "mantissa_bits": 3, "overflow": "infinity"})");
  EXPECT_EQ(accumulate(infinite, p).c[0], INFINITY);
  EXPECT_GE(accumulate(infinite, p).overflows, 1U);
}

/// IEEE 754-2019, 7.4. 100 three times in e4m3: 96, 192, 288 > 240; the next step up 104, 208, 320.
TEST(FloatChunked, OverflowFollowsTheRoundingDirection) {
  const auto infinite =
      create("accumulator", "float_chunked",
             R"({"exponent_bits": 4, "mantissa_bits": 3, "overflow": "infinity"})");
  const Product p{2, 1, 3, {100, 100, 100, -100, -100, -100}, {1, 1, 1}};
  const auto of = [&](std::uint32_t rule) { return accumulate(infinite, p, rule).c; };
  using Pair = std::vector<double>;
  EXPECT_EQ(of(QLOOM_ROUND_TOWARD_ZERO), (Pair{240, -240}));
  EXPECT_EQ(of(QLOOM_ROUND_TOWARD_NEGATIVE), (Pair{240, -INFINITY}));
  EXPECT_EQ(of(QLOOM_ROUND_TOWARD_POSITIVE), (Pair{INFINITY, -240}));
  for (const std::uint32_t rule :
       {QLOOM_ROUND_NEAREST_EVEN, QLOOM_ROUND_NEAREST_AWAY, QLOOM_ROUND_NEAREST_UP}) {
    EXPECT_EQ(of(rule), (Pair{INFINITY, -INFINITY})) << rule;
  }
}

TEST(FloatChunked, StochasticRoundingKeepsTheMeanWhereNearestStalls) {
  // 64 sums of 4096 ones with 7 fraction bits: nearest stalls at 256. Each addition is unbiased; at
  // a sum of s its variance is below s / 128 / 4 (step s / 128, f (1 - f) <= 1 / 4, times step^2),
  // so one sum's is below 4096 * (4096 / 128)^2 / 4 and the mean's deviation below 128; 5 of these.
  Product p{64, 1, 4096, std::vector<float>(64 * 4096, 1.0F), std::vector<float>(4096, 1.0F)};
  const auto c = accumulate(chunked({6, 7}, 0), p, QLOOM_ROUND_STOCHASTIC, 16).c;
  double mean = 0;
  for (const double v : c) mean += v / 64;
  EXPECT_NEAR(mean, 4096, 5 * 128);
  EXPECT_NE(c[0], c[1]);
}

TEST(FloatChunked, TheBiasMovesTheRange) {
  // e4m3 with bias 11: largest 15; with bias -120 it would be no float32
  const Product p{1, 1, 2, {14, 14}, {1, 1}};
  const auto with = [](const char* bias) {
    return create("accumulator", "float_chunked",
                  std::string(R"({"exponent_bits": 4, "mantissa_bits": 3, "bias": )") + bias + "}");
  };
  EXPECT_EQ(accumulate(with("11"), p).c[0], 15);
  EXPECT_EQ(accumulate(with("7"), p).c[0], 28);
  EXPECT_THROW(with("-120"), std::exception);
}

TEST(FloatChunked, TheDefaultIsTheFormatOfTheWidthSixteen) {
  const registry::Instance a = create("accumulator", "float_chunked");
  EXPECT_EQ(a.ops<qloom_accumulator>().bits(a.self()), 16U);
  const Product p = random_values(2, 3, 200, 1.0F);
  EXPECT_EQ(accumulate(a, p).c, definition(p, {6, 9}, 64));
}

}  // namespace
}  // namespace qloom::test
