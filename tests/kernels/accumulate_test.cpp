// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "host/kernels/reference/accumulate.hpp"
#include "host/kernels/reference/minifloat.hpp"
#include "tests/kernels/every_isa.hpp"
#include "tests/kernels/geometry.hpp"
#include "tests/kernels/matrices.hpp"

namespace qloom::kernels::test {
namespace {

class Accumulate : public EveryIsa {};
QLOOM_ON_EVERY_ISA(Accumulate);

/// Sum of n ones in a format, chunk by chunk.
double sum_of_ones(const qloom_kernels& kernels, std::uint32_t mantissa_bits, std::uint64_t count,
                   std::uint64_t chunk) {
  Matrices x(1, 1, count);
  std::fill(x.a.begin(), x.a.end(), 1.0F);
  std::fill(x.b.begin(), x.b.end(), 1.0F);
  const qloom_float_format format{8, mantissa_bits, 127, QLOOM_SPECIALS_IEEE, 1, 0};
  const qloom_call call = call_with(QLOOM_ROUND_NEAREST_EVEN);
  const qloom_tile tile = x.tile();
  std::uint64_t overflows = 0;
  EXPECT_EQ(kernels.accumulate_float(&call, &tile, &format, chunk, &overflows), QLOOM_OK);
  EXPECT_EQ(overflows, 0U);
  return x.result(0, 0);
}

TEST_P(Accumulate, FloatSumOfOnesStallsWhereTheHandbookSays) {
  EXPECT_EQ(sum_of_ones(kernels(), 9, 5000, 0), 1024.0);
  EXPECT_EQ(sum_of_ones(kernels(), 7, 5000, 0), 256.0);
  EXPECT_EQ(sum_of_ones(kernels(), 7, 20000, 64), 16384.0);
  EXPECT_EQ(sum_of_ones(kernels(), 9, 20000, 64), 20000.0);
  EXPECT_EQ(sum_of_ones(kernels(), 9, 65536, 64), 65536.0);
  EXPECT_EQ(sum_of_ones(kernels(), 9, 1000, 1), sum_of_ones(kernels(), 9, 1000, 1000));
}

TEST_P(Accumulate, FloatThirtyTwoEqualsAFloatLoop) {
  Matrices x(5, 19, 200);
  x.a = spread(x.a.size(), 1.0F, 3);
  x.b = spread(x.b.size(), 100.0F, 4);
  const qloom_float_format fp32{8, 23, 127, QLOOM_SPECIALS_IEEE, 1, 0};
  const qloom_call call = call_with(QLOOM_ROUND_NEAREST_EVEN);
  const qloom_tile tile = x.tile();
  std::uint64_t overflows = 0;
  kernels().accumulate_float(&call, &tile, &fp32, 0, &overflows);
  for (std::uint64_t i = 0; i < x.m; ++i) {
    for (std::uint64_t j = 0; j < x.n; ++j) {
      float sum = 0.0F;
      for (std::uint64_t p = 0; p < x.k; ++p) {
        const float product = x.left(i, p) * x.right(p, j);
        sum = sum + product;
      }
      ASSERT_EQ(x.result(i, j), static_cast<double>(sum)) << i << " " << j;
    }
  }
}

const qloom_float_format kFormats[] = {
    {6, 9, 31, QLOOM_SPECIALS_IEEE, 1, 0}, {5, 10, 15, QLOOM_SPECIALS_IEEE, 0, 1},
    {4, 3, 7, QLOOM_SPECIALS_FN, 1, 0},    {5, 2, 16, QLOOM_SPECIALS_FNUZ, 1, 0},
    {5, 7, 15, QLOOM_SPECIALS_NONE, 1, 1}, {8, 23, 127, QLOOM_SPECIALS_IEEE, 1, 0},
    {5, 2, 15, QLOOM_SPECIALS_IEEE, 1, 0}};

/// Operands of very different sizes, so that additions hit ties, sticky bits and overflow.
void fill_wild(Matrices& x) {
  const auto wild = [](std::vector<float>& v, std::uint64_t stream) {
    for (std::size_t i = 0; i < v.size(); ++i) {
      const std::uint32_t w = random_word(5, stream, 0, i);
      v[i] = std::ldexp(static_cast<float>(static_cast<int>(w % 31) - 15),
                        static_cast<int>(w >> 8) % 12 - 6);
    }
  };
  wild(x.a, 1);
  wild(x.b, 2);
}

TEST_P(Accumulate, FloatHasTheBitsOfTheDefinition) {
  for (const auto [m, n, k] :
       {std::array<std::uint64_t, 3>{6, 21, 90}, {1, 1, 70}, {4, 16, 5}, {3, 2, 0}}) {
    Matrices x(m, n, k), expected(m, n, k);
    fill_wild(x);
    fill_wild(expected);
    for (const qloom_float_format& format : kFormats) {
      for (const RuleCase c : rule_cases()) {
        for (const std::uint64_t chunk : {0U, 1U, 16U, 33U, 1000U}) {
          SCOPED_TRACE(testing::Message() << "rule " << c.rule << " bits " << c.argument
                                          << " chunk " << chunk << " m " << format.mantissa_bits);
          const qloom_call call = call_with(c.rule, c.argument);
          const qloom_tile tile = x.tile(), expected_tile = expected.tile();
          std::uint64_t overflows = 5, expected_overflows = 5;
          ASSERT_EQ(kernels().accumulate_float(&call, &tile, &format, chunk, &overflows), QLOOM_OK);
          ref::accumulate_float(&call, &expected_tile, &format, chunk, &expected_overflows);
          expect_same(x.c, expected.c);
          ASSERT_EQ(overflows, expected_overflows);
        }
      }
    }
  }
}

/// Rules whose additions have a quick form, and the same ones where they have not.
const RuleCase kQuickRules[] = {{QLOOM_ROUND_NEAREST_EVEN, 0},
                                {QLOOM_ROUND_STOCHASTIC, 1},
                                {QLOOM_ROUND_STOCHASTIC, 16},
                                {QLOOM_ROUND_STOCHASTIC, 22},
                                {QLOOM_ROUND_STOCHASTIC, 23},
                                {QLOOM_ROUND_STOCHASTIC, 24},
                                {QLOOM_ROUND_STOCHASTIC, 3 | kNearestFraction}};

/// Operands of 24 significant bits from 2^-70 to 2^20, a quarter of them zeros of either sign.
void fill_sizes(Matrices& x, bool with_specials) {
  const auto fill = [&](std::vector<float>& v, std::uint64_t stream) {
    for (std::size_t i = 0; i < v.size(); ++i) {
      const std::uint32_t w = random_word(7, stream, 0, i), size = random_word(7, stream, 1, i);
      const auto digits = static_cast<float>(static_cast<std::int32_t>(w) >> 7);
      const int exponent = size % 3 == 0 ? static_cast<int>(size >> 8) % 90 - 70
                                         : static_cast<int>(size >> 8) % 8 - 4;
      v[i] = size % 4 == 0 ? std::copysign(0.0F, digits) : std::ldexp(digits, exponent - 24);
    }
    if (!with_specials) return;
    v[v.size() / 2] = INFINITY;
    v[v.size() / 3] = -INFINITY;
    v[v.size() / 5] = from_bits(0x7FFFFFFFU);
    v[v.size() / 7] = from_bits(0xFF800001U);
  };
  fill(x.a, 1);
  fill(x.b, 2);
}

TEST_P(Accumulate, FloatSumsOfAllSizesAreThoseOfTheDefinition) {
  for (const bool with_specials : {false, true}) {
    Matrices x(7, 19, 121), expected(7, 19, 121);
    fill_sizes(x, with_specials);
    fill_sizes(expected, with_specials);
    for (const qloom_float_format& format : kFormats) {
      for (const RuleCase c : kQuickRules) {
        for (const std::uint64_t chunk : {0U, 7U, 64U}) {
          SCOPED_TRACE(testing::Message() << "rule " << c.rule << " bits " << c.argument
                                          << " chunk " << chunk << " m " << format.mantissa_bits);
          const qloom_call call = call_with(c.rule, c.argument);
          const qloom_tile tile = x.tile(), expected_tile = expected.tile();
          std::uint64_t overflows = 0, expected_overflows = 0;
          ASSERT_EQ(kernels().accumulate_float(&call, &tile, &format, chunk, &overflows), QLOOM_OK);
          ref::accumulate_float(&call, &expected_tile, &format, chunk, &expected_overflows);
          expect_same(x.c, expected.c);
          ASSERT_EQ(overflows, expected_overflows);
        }
      }
    }
  }
}

TEST_P(Accumulate, FloatSumsAtTheEndsOfTheirRangeAreThoseOfTheDefinition) {
  // One product: sums at, between and around the largest value, the smallest normal one, a tie and
  // zero, of either sign.
  std::vector<float> sums;
  for (const float at : {0x1.ffp31F, 0x1.ff8p31F, 0x1p32F, 0x1p-30F, 0x1.ffp-31F, 0x1p-39F,
                         0x1p-40F, 1.0F, 0x1.001p0F, 0x1.003p0F, 0x1.ffp0F, 0.0F}) {
    for (const float near : {std::nextafter(at, -1.0F), at, std::nextafter(at, 1e38F)}) {
      sums.push_back(near);
      sums.push_back(-near);
    }
  }
  Matrices x(1, sums.size(), 1), expected(1, sums.size(), 1);
  x.a = expected.a = std::vector<float>(4, 1.0F);
  std::copy(sums.begin(), sums.end(), x.b.begin());
  expected.b = x.b;
  for (const std::uint32_t saturate : {0U, 1U}) {
    for (const std::uint32_t subnormals : {0U, 1U}) {
      const qloom_float_format format{6, 9, 31, QLOOM_SPECIALS_IEEE, subnormals, saturate};
      for (const RuleCase c : kQuickRules) {
        const qloom_call call = call_with(c.rule, c.argument);
        const qloom_tile tile = x.tile(), expected_tile = expected.tile();
        std::uint64_t overflows = 0, expected_overflows = 0;
        kernels().accumulate_float(&call, &tile, &format, 0, &overflows);
        ref::accumulate_float(&call, &expected_tile, &format, 0, &expected_overflows);
        expect_same(x.c, expected.c);
        ASSERT_EQ(overflows, expected_overflows) << "rule " << c.rule << " " << c.argument;
      }
    }
  }
}

TEST_P(Accumulate, AStochasticSumSeesBitsBeyondItsLastFractionBit) {
  // With 23 random bits a fraction of word * 2^-23 stays down, and any bit more must lift it. Such
  // a fraction fits a float32 product where the word is small; the sum is below one subnormal step.
  const qloom_float_format e5m2{5, 2, 15, QLOOM_SPECIALS_IEEE, 1, 0};
  const qloom_call call = call_with(QLOOM_ROUND_STOCHASTIC, 23);
  std::size_t found = 0;
  for (std::uint64_t i = 0; i < 20000; ++i) {
    const std::uint32_t word = random_word(kSeed, kStream, kStep, 2 * i) >> 9;
    if (word >= 1U << 15 || word % 2 != 0) continue;
    ++found;
    for (const std::uint32_t more : {0U, 1U}) {
      const float product = std::ldexp(static_cast<float>(word * 128 + more), -30 - 16);
      const float one = 1.0F;
      double result = -1.0;
      const qloom_tile tile{&product, &one, &result, 1, 1, 1, 1, 1, 1, i, 1};
      std::uint64_t overflows = 0;
      ASSERT_EQ(kernels().accumulate_float(&call, &tile, &e5m2, 0, &overflows), QLOOM_OK);
      EXPECT_EQ(result, more * 0x1p-16) << "word " << word;
    }
  }
  EXPECT_GT(found, 10U);  // 20000 / 512 = 39 expected
}

TEST_P(Accumulate, ARoundingMethodGivesWhatItsRuleGives) {
  Matrices x(2, 5, 40), expected(2, 5, 40);
  fill_wild(x);
  fill_wild(expected);
  for (const qloom_float_format& format : kFormats) {
    for (const RuleCase c : rule_cases()) {
      const Method method(c);
      const qloom_call generic = method.call(), fused = call_with(c.rule, c.argument);
      const qloom_tile tile = x.tile(), expected_tile = expected.tile();
      std::uint64_t overflows = 0, expected_overflows = 0;
      kernels().accumulate_float(&generic, &tile, &format, 8, &overflows);
      kernels().accumulate_float(&fused, &expected_tile, &format, 8, &expected_overflows);
      expect_same(x.c, expected.c);
      ASSERT_EQ(overflows, expected_overflows) << "rule " << c.rule;
    }
  }
}

TEST(AccumulateDefinition, ASumIsTheNearestValueOfTheFormatToTheDoubleSum) {
  // All values of a format of 6 bits; its rounding by search for the nearest, even code at ties.
  const qloom_float_format format{3, 2, 3, QLOOM_SPECIALS_NONE, 1, 1};
  FloatSpec spec;
  ASSERT_EQ(make_spec(format, spec), nullptr);
  const qloom_call call = call_with(QLOOM_ROUND_NEAREST_EVEN);
  for (std::uint64_t i = 0; i < 50000; ++i) {
    const double wide = static_cast<double>(random_word(1, 2, 3, i)) * 0x1p-27 - 16.0;
    const double sum = i % 5 == 0 ? std::nearbyint(wide * 32.0) / 32.0  // ties
                                  : wide + (i % 2 == 0 ? 0x1p-40 : 0.0);
    double best = 0.0, distance = 1e9;
    for (std::int32_t code = 0; code < 32; ++code) {
      const double value = std::copysign(static_cast<double>(ref::decode(spec, code)), sum);
      const double d = std::fabs(sum - value);
      if (d < distance || (d == distance && code % 2 == 0)) {
        best = value;
        distance = d;
      }
    }
    double out = 0.0;
    std::uint64_t overflows = 0;
    ASSERT_EQ(ref::round_sum(call, spec, sum, 0, out, overflows), QLOOM_OK);
    ASSERT_EQ(out, best) << "sum " << sum;
  }
}

TEST(AccumulateDefinition, AStochasticSumIsUnbiasedOnBothSidesOfZero) {
  // Bound: 5 standard deviations of a mean of n draws, one false alarm in 1.7 million.
  FloatSpec spec;
  ASSERT_EQ(make_spec({8, 9, 127, QLOOM_SPECIALS_IEEE, 1, 0}, spec), nullptr);
  constexpr std::uint64_t kDraws = 40000;
  for (const double sum : {512.25, 513.25, -512.25, -513.75, 0.625 * 0x1p-135}) {
    const double step = std::fabs(sum) < 1.0 ? 0x1p-135 : 1.0;
    const double down = std::floor(sum / step) * step, fraction = (sum - down) / step;
    double total = 0.0;
    for (std::uint64_t i = 0; i < kDraws; ++i) {
      double out = 0.0;
      std::uint64_t overflows = 0;
      ref::round_sum(call_with(QLOOM_ROUND_STOCHASTIC, 16), spec, sum, i, out, overflows);
      ASSERT_TRUE(out == down || out == down + step) << out;
      total += (out - down) / step;
    }
    EXPECT_NEAR(total / kDraws, fraction, 5.0 * std::sqrt(fraction * (1.0 - fraction) / kDraws));
  }
}

TEST(AccumulateDefinition, AStickyBitBreaksTiesThatFloatWouldSee) {
  // 512.5 + 2^-40 in steps: as a float32 it would be a tie and go to the even 512.
  FloatSpec spec;
  ASSERT_EQ(make_spec({8, 9, 127, QLOOM_SPECIALS_IEEE, 1, 0}, spec), nullptr);
  for (const std::uint32_t rule : {QLOOM_ROUND_NEAREST_EVEN, QLOOM_ROUND_TOWARD_POSITIVE}) {
    double out = 0.0;
    std::uint64_t overflows = 0;
    ref::round_sum(call_with(rule), spec, 512.5 + 0x1p-40, 0, out, overflows);
    EXPECT_EQ(out, 513.0);
    ref::round_sum(call_with(rule), spec, -512.5 - 0x1p-40, 0, out, overflows);
    EXPECT_EQ(out, rule == QLOOM_ROUND_NEAREST_EVEN ? -513.0 : -512.0);
  }
}

}  // namespace
}  // namespace qloom::kernels::test
