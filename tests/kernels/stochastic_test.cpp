// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The rule STOCHASTIC with few random bits: exact odds by all words, magnitudes and two's
// complement, the fraction cut off and rounded.
#include <cmath>
#include <cstdint>
#include <vector>

#include "host/kernels/reference/accumulate.hpp"
#include "host/kernels/reference/minifloat.hpp"
#include "tests/kernels/every_isa.hpp"

namespace qloom::kernels::test {
namespace {

constexpr std::uint32_t kMostBits = 8;

/// The mean over all words of `bits` random bits.
double mean(std::uint32_t bits, std::uint32_t flags, float t) {
  double sum = 0;
  for (std::uint32_t w = 0; w < 1U << bits; ++w) {
    sum += ref::round_by_rule(QLOOM_ROUND_STOCHASTIC, bits | flags, w << (32 - bits), t);
  }
  return sum / static_cast<double>(1U << bits);
}

TEST(StochasticDefinition, OneRandomBitShowsTheRepresentation) {
  EXPECT_EQ(mean(1, 0, 0.7F), 0.5);
  EXPECT_EQ(mean(1, 0, -0.7F), -1.0);  // floor(-0.7) + [word < floor(0.3 * 2)]
  EXPECT_EQ(mean(1, kMagnitude, 0.7F), 0.5);
  EXPECT_EQ(mean(1, kMagnitude, -0.7F), -0.5);
  EXPECT_EQ(mean(1, kNearestFraction, 0.7F), 0.5);
  EXPECT_EQ(mean(1, kNearestFraction, -0.8F), -1.0);
  EXPECT_EQ(mean(1, kMagnitude | kNearestFraction, 2.8F), 3.0);
  EXPECT_EQ(mean(1, kMagnitude | kNearestFraction, -2.8F), -3.0);
}

/// Fractions i / 2^(bits + 3): the odds are floor, or nearest even, of f 2^bits; of magnitudes the
/// same on both sides of zero.
TEST(StochasticDefinition, TheOddsOfEveryFractionAreExact) {
  for (std::uint32_t bits = 1; bits <= kMostBits; ++bits) {
    const double words = std::ldexp(1.0, static_cast<int>(bits));
    const int fractions = 8 << bits;
    for (const double whole : {0.0, 1.0, 6.0}) {
      for (int i = 0; i < fractions; ++i) {
        const double fraction = static_cast<double>(i) / fractions;
        const auto t = static_cast<float>(whole + fraction);
        const double cut = std::floor(fraction * words) / words;
        const double near = std::nearbyint(fraction * words) / words;
        ASSERT_EQ(mean(bits, 0, t), whole + cut) << bits << " " << t;
        ASSERT_EQ(mean(bits, kMagnitude, t), whole + cut) << bits << " " << t;
        ASSERT_EQ(mean(bits, kMagnitude, -t), -(whole + cut)) << bits << " " << t;
        ASSERT_EQ(mean(bits, kNearestFraction, t), whole + near) << bits << " " << t;
        ASSERT_EQ(mean(bits, kMagnitude | kNearestFraction, -t), -(whole + near)) << bits;
        // two's complement: f = 1 - fraction below zero
        const double below = fraction == 0.0 ? 0.0 : std::floor((1.0 - fraction) * words) / words;
        ASSERT_EQ(mean(bits, 0, -t), (fraction == 0.0 ? -whole : -whole - 1.0) + below);
      }
    }
  }
}

TEST(StochasticDefinition, TheRoundedFractionHasHalfTheWorstBiasAndNoneOnAverage) {
  for (std::uint32_t bits = 1; bits <= kMostBits; ++bits) {
    const double step = std::ldexp(1.0, -static_cast<int>(bits));
    const int fractions = 8 << bits;
    double cut_sum = 0, near_sum = 0, cut_worst = 0, near_worst = 0;
    for (int i = 0; i < fractions; ++i) {
      const auto t = static_cast<float>(static_cast<double>(i) / fractions);
      const double cut = mean(bits, 0, t) - t, near = mean(bits, kNearestFraction, t) - t;
      cut_sum += cut;
      near_sum += near;
      cut_worst = std::fmax(cut_worst, std::fabs(cut));
      near_worst = std::fmax(near_worst, std::fabs(near));
    }
    EXPECT_EQ(near_worst, step / 2) << bits;
    EXPECT_EQ(near_sum, 0.0) << bits;
    EXPECT_EQ(cut_worst, step * 7 / 8) << bits;  // of fractions of 3 more bits
    EXPECT_EQ(cut_sum / fractions, -step * 7 / 16) << bits;
  }
}

/// Below zero and above -1/2 the float32 t - floor(t) is off by up to 2^-25; |t| has no such error.
TEST(StochasticDefinition, MoreThanTwentyFourBitsHelpMagnitudesOnly) {
  const float t = -0x1.0p-30F;
  const auto round = [&](std::uint32_t argument, std::uint32_t word) {
    return ref::round_by_rule(QLOOM_ROUND_STOCHASTIC, argument, word, t);
  };
  // -2^-30 goes down with odds of 4 in 2^32
  EXPECT_EQ(round(32 | kMagnitude, 3), -1.0F);
  EXPECT_EQ(round(32 | kMagnitude, 4), 0.0F);
  EXPECT_EQ(round(32, 0xFFFFFFFFU), 0.0F);  // its fraction is 1 - 2^-30, as a float32 1
}

class Stochastic : public EveryIsa {};
QLOOM_ON_EVERY_ISA(Stochastic);

constexpr std::uint32_t kArguments[] = {1,
                                        2,
                                        7,
                                        16,
                                        24,
                                        25,
                                        32,
                                        1 | kNearestFraction,
                                        4 | kNearestFraction,
                                        24 | kNearestFraction,
                                        32 | kNearestFraction};

void expect_mirrored(const std::vector<float>& y, const std::vector<float>& mirrored,
                     const std::vector<float>& x) {
  std::vector<float> expected = y;
  for (float& v : expected) v = -v;
  EXPECT_SAME_BITS(mirrored, expected, x);
}

TEST_P(Stochastic, MagnitudesOfOppositeSignsAreMirrorImages) {
  const std::vector<float> x = spread(5000, 3.0F);
  std::vector<float> opposite = x, y(x.size()), mirrored(x.size());
  for (float& v : opposite) v = -v;
  const qloom_float_format e3m2{3, 2, 3, QLOOM_SPECIALS_NONE, 1, 1};
  const qloom_block block{5, x.size(), 1, x.size(), 0, 1};
  for (const std::uint32_t argument : kArguments) {
    SCOPED_TRACE(argument);
    const qloom_call magnitude = call_with(QLOOM_ROUND_STOCHASTIC, argument | kMagnitude);
    kernels().round(&magnitude, 5, x.data(), y.data(), x.size());
    kernels().round(&magnitude, 5, opposite.data(), mirrored.data(), x.size());
    expect_mirrored(y, mirrored, x);
    const qloom_call plain = call_with(QLOOM_ROUND_STOCHASTIC, argument);  // a format has signs
    kernels().minifloat(&plain, &e3m2, &block, x.data(), y.data(), nullptr);
    kernels().minifloat(&plain, &e3m2, &block, opposite.data(), mirrored.data(), nullptr);
    expect_mirrored(y, mirrored, x);
  }
}

TEST_P(Stochastic, ASumAndItsOppositeAreMirrorImages) {
  const std::vector<float> x = spread(400, 3.0F);
  const qloom_float_format e4m2{4, 2, 7, QLOOM_SPECIALS_IEEE, 1, 0};
  for (const std::uint32_t argument : kArguments) {
    const qloom_call call = call_with(QLOOM_ROUND_STOCHASTIC, argument);
    std::vector<double> c(20), mirrored(20);
    std::uint64_t overflows = 0;
    for (const float sign : {1.0F, -1.0F}) {
      const std::vector<float> a(20, sign);
      const qloom_tile tile{
          a.data(), x.data(), sign > 0 ? c.data() : mirrored.data(), 20, 20, 20, 1, 20, 20, 0, 20};
      ASSERT_EQ(kernels().accumulate_float(&call, &tile, &e4m2, 0, &overflows), QLOOM_OK);
    }
    for (std::size_t j = 0; j < c.size(); ++j) ASSERT_EQ(mirrored[j], -c[j]) << argument;
  }
}

/// Two's complement keeps its rule on grids.
TEST_P(Stochastic, AGridRoundsAsItsCallSays) {
  const std::vector<float> x = spread(3000, 9.0F);
  const float one = 1.0F;
  const std::int32_t zero = 0, lo = -100, hi = 100;
  const qloom_grid grid{&one, &one, nullptr, &zero, &lo, &hi};
  const qloom_block block{2, x.size(), 1, x.size(), 0, 1};
  std::vector<std::int32_t> code(x.size());
  for (const std::uint32_t flags : {0U, kMagnitude, kNearestFraction}) {
    for (const std::uint32_t bits : {1U, 16U, 24U, 31U}) {
      const qloom_call call = call_with(QLOOM_ROUND_STOCHASTIC, bits | flags);
      ASSERT_EQ(kernels().affine(&call, &grid, &block, x.data(), nullptr, code.data()), QLOOM_OK);
      for (std::size_t i = 0; i < x.size(); ++i) {
        const std::uint32_t word = random_word(kSeed, kStream, kStep, i + 2) >> (32 - bits);
        const double t = x[i], from = flags == kMagnitude ? std::trunc(t) : std::floor(t);
        const auto fraction = static_cast<double>(static_cast<float>(std::fabs(t - from)));
        const double scaled = std::ldexp(fraction, static_cast<int>(bits));
        const double limit =
            flags == kNearestFraction ? std::nearbyint(scaled) : std::floor(scaled);
        const double up = flags == kMagnitude && t < 0 ? -1.0 : 1.0;
        ASSERT_EQ(code[i], from + (word < limit ? up : 0.0)) << x[i] << " " << bits << " " << flags;
      }
    }
  }
}

}  // namespace
}  // namespace qloom::kernels::test
