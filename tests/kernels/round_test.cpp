// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tests/kernels/every_isa.hpp"

namespace qloom::kernels::test {
namespace {

class Rounding : public EveryIsa {
 protected:
  static std::vector<float> rounded(const qloom_call& call, const std::vector<float>& x,
                                    std::uint64_t first = 0) {
    std::vector<float> y(x.size());
    EXPECT_EQ(kernels().round(&call, first, x.data(), y.data(), x.size()), QLOOM_OK);
    return y;
  }
};
QLOOM_ON_EVERY_ISA(Rounding);

TEST_P(Rounding, FollowsTheTableOfModes) {
  const std::vector<float> x{-2.5F, -1.5F, -1.2F, -0.5F, 0.5F, 1.2F, 1.5F, 2.5F};
  const std::vector<std::vector<float>> expected{{-2, -2, -1, 0, 0, 1, 2, 2},   // nearest_even
                                                 {-3, -2, -1, -1, 1, 1, 2, 3},  // nearest_away
                                                 {-2, -1, -1, 0, 1, 1, 2, 3},   // nearest_up
                                                 {-2, -1, -1, 0, 0, 1, 1, 2},   // toward_zero
                                                 {-3, -2, -2, -1, 0, 1, 1, 2},  // toward_negative
                                                 {-2, -1, -1, 0, 1, 2, 2, 3}};  // toward_positive
  for (std::uint32_t rule = 1; rule <= 6; ++rule) {
    EXPECT_EQ(rounded(call_with(rule), x), expected[rule - 1]) << "rule " << rule;
  }
}

TEST_P(Rounding, NearestRulesAreRightWhereAddingOneHalfIsNot) {
  const std::vector<float> x{0.49999997F, -0.49999997F, 8388607.5F, 8388609.0F,
                             -8388609.0F, 16777217.0F,  4194303.75F};
  const std::vector<float> away{0, 0, 8388608.0F, 8388609.0F, -8388609.0F, 16777217.0F, 4194304.0F};
  EXPECT_EQ(rounded(call_with(QLOOM_ROUND_NEAREST_AWAY), x), away);
  EXPECT_EQ(rounded(call_with(QLOOM_ROUND_NEAREST_UP), x), away);
}

TEST_P(Rounding, KeepsNanBitsAndInfinities) {
  const std::vector<float> x{from_bits(0x7FC00000U), from_bits(0x7F800001U), from_bits(0xFFC12345U),
                             from_bits(0x7F800000U), from_bits(0xFF800000U)};
  for (const RuleCase c : rule_cases()) {
    EXPECT_SAME_BITS(rounded(call_with(c.rule, c.argument), x), x, x);
  }
}

TEST_P(Rounding, GivesTheSignOfZeroOfIeee) {
  const std::vector<float> x{-0.0F, -0.25F, 0.25F, 0.0F};
  for (const std::uint32_t rule : {1U, 2U, 4U}) {
    EXPECT_SAME_BITS(rounded(call_with(rule), x), (std::vector<float>{-0.0F, -0.0F, 0.0F, 0.0F}),
                     x);
  }
  const std::vector<float> y{-0.0F, -0.75F};
  EXPECT_SAME_BITS(rounded(call_with(QLOOM_ROUND_TOWARD_POSITIVE), y),
                   (std::vector<float>{-0.0F, -0.0F}), y);
}

TEST_P(Rounding, HasTheBitsOfTheDefinitionForAllTopHalves) {
  std::vector<float> x = all_top_halves();
  const std::vector<float> hard = hard_values();
  x.insert(x.end(), hard.begin(), hard.end());
  for (const RuleCase c : rule_cases()) {
    const qloom_call call = call_with(c.rule, c.argument);
    std::vector<float> expected(x.size());
    ASSERT_EQ(ref::round(&call, 5, x.data(), expected.data(), x.size()), QLOOM_OK);
    SCOPED_TRACE(testing::Message() << "rule " << c.rule << " bits " << c.argument);
    EXPECT_SAME_BITS(rounded(call, x, 5), expected, x);
  }
}

TEST_P(Rounding, TakesEveryLengthAndOffsetAndWritesNothingElse) {
  const std::vector<float> x = spread(80, 9.0F);
  for (const RuleCase c : rule_cases()) {
    const qloom_call call = call_with(c.rule, c.argument);
    for (const std::size_t offset : {0U, 1U, 3U}) {
      for (std::size_t n = 0; n <= 67; ++n) {
        std::vector<float> y(n + offset + 1, 12345.0F), expected(y);
        kernels().round(&call, 9, x.data() + offset, y.data() + offset, n);
        ref::round(&call, 9, x.data() + offset, expected.data() + offset, n);
        ASSERT_EQ(first_difference(y, expected), -1)
            << "rule " << c.rule << " n " << n << " offset " << offset;
      }
    }
  }
}

TEST_P(Rounding, WorksInPlaceAndInAnyCutting) {
  const std::vector<float> x = spread(5000, 100.0F);
  for (const RuleCase c : rule_cases()) {
    const qloom_call call = call_with(c.rule, c.argument);
    const std::vector<float> whole = rounded(call, x, 3);
    std::vector<float> pieces = x;
    for (std::size_t i = 0; i < x.size(); i += 777) {
      const std::size_t n = std::min<std::size_t>(777, x.size() - i);
      kernels().round(&call, 3 + i, pieces.data() + i, pieces.data() + i, n);
    }
    EXPECT_SAME_BITS(pieces, whole, x);
  }
}

TEST_P(Rounding, StochasticComparesAllRandomBits) {
  // The fraction is put exactly on the element's own word, and one step above it.
  for (const std::uint32_t r : {8U, 16U, 24U}) {
    std::vector<float> at, above;
    for (std::uint64_t i = 0; i < 200; ++i) {
      const std::uint32_t w = random_word(kSeed, kStream, kStep, i) >> (32 - r);
      at.push_back(std::ldexp(static_cast<float>(w), -static_cast<int>(r)));
      above.push_back(std::ldexp(static_cast<float>(w + 1), -static_cast<int>(r)));
    }
    const qloom_call call = call_with(QLOOM_ROUND_STOCHASTIC, r);
    EXPECT_EQ(rounded(call, at), std::vector<float>(200, 0.0F)) << r << " bits";
    EXPECT_EQ(rounded(call, above), std::vector<float>(200, 1.0F)) << r << " bits";
  }
}

TEST_P(Rounding, StochasticWithTwentyFiveBitsIsExact) {
  // A word of 25 bits is no float32 when it is odd; the fraction word + 1 then is one.
  const qloom_call call = call_with(QLOOM_ROUND_STOCHASTIC, 25);
  std::vector<float> x, expected;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const std::uint32_t w = random_word(kSeed, kStream, kStep, i) >> 7;
    x.push_back(std::ldexp(static_cast<float>(w + w % 2), -25));
    expected.push_back(w % 2 == 0 ? 0.0F : 1.0F);
  }
  EXPECT_EQ(rounded(call, x), expected);
}

TEST_P(Rounding, StochasticWithThirtyTwoBitsComparesTheLowBitsToo) {
  // A fraction below 2^-8 has bits down to 2^-32: pick words whose top 8 bits are 0.
  const qloom_call call = call_with(QLOOM_ROUND_STOCHASTIC, 32);
  std::size_t found = 0;
  for (std::uint64_t i = 0; i < 20000; ++i) {
    const std::uint32_t w = random_word(kSeed, kStream, kStep, i);
    if (w >= 1U << 24) continue;
    ++found;
    const std::vector<float> at{std::ldexp(static_cast<float>(w), -32)};
    const std::vector<float> above{std::ldexp(static_cast<float>(w + 1), -32)};
    ASSERT_EQ(rounded(call, at, i)[0], 0.0F) << "word " << w;
    ASSERT_EQ(rounded(call, above, i)[0], 1.0F) << "word " << w;
  }
  EXPECT_GT(found, 30U);  // 20000 / 256 = 78 expected
}

TEST_P(Rounding, StochasticLeavesGridPointsAndAlwaysLiftsTinyNegatives) {
  const std::vector<float> grid{-3.0F, 0.0F, 7.0F, 1e7F}, tiny(100, -1e-12F);
  for (const std::uint32_t r : {1U, 16U, 24U, 25U, 32U}) {
    EXPECT_EQ(rounded(call_with(QLOOM_ROUND_STOCHASTIC, r), grid), grid);
    EXPECT_EQ(rounded(call_with(QLOOM_ROUND_STOCHASTIC, r), tiny), std::vector<float>(100, 0.0F));
  }
  EXPECT_EQ(rounded(call_with(QLOOM_ROUND_STOCHASTIC_EQUAL), grid), grid);
}

TEST_P(Rounding, StochasticIsUnbiased) {
  // phat of n draws lies within 5 standard deviations (+ 2^-r): one false alarm in 1.7 million.
  constexpr std::size_t kDraws = 100000;
  for (const float f : {0.1F, 0.25F, 0.5F, 0.9F}) {
    double sum = 0.0;
    const qloom_call call = call_with(QLOOM_ROUND_STOCHASTIC, 16);
    for (const float y : rounded(call, std::vector<float>(kDraws, f))) sum += y;
    const double p = static_cast<double>(f), n = static_cast<double>(kDraws);
    EXPECT_NEAR(sum / n, p, 5.0 * std::sqrt(p * (1.0 - p) / n) + 0x1p-16);
  }
  double ups = 0.0;
  const qloom_call equal = call_with(QLOOM_ROUND_STOCHASTIC_EQUAL);
  for (const float y : rounded(equal, std::vector<float>(kDraws, 0.1F))) ups += y;
  EXPECT_NEAR(ups / kDraws, 0.5, 5.0 * 0.5 / std::sqrt(static_cast<double>(kDraws)));
}

TEST_P(Rounding, RefusesWhatItCannotRound) {
  float x = 0.5F;
  qloom_error error{};
  for (const RuleCase c : {RuleCase{7, 0}, RuleCase{7, 33}, RuleCase{9, 0}, RuleCase{0, 0},
                           RuleCase{7, kMagnitude}, RuleCase{7, 8 | 0x400}}) {
    qloom_call call = call_with(c.rule, c.argument);
    call.error = &error;
    error.message[0] = '\0';
    EXPECT_EQ(kernels().round(&call, 0, &x, &x, 1), QLOOM_E_INVALID);
    EXPECT_EQ(error.code, QLOOM_E_INVALID);
    EXPECT_NE(error.message[0], '\0');
  }
}

TEST(RoundingDefinition, MeanOverAllWordsOfEightBitsIsExact) {
  for (int step = 0; step <= 256; ++step) {
    const double fraction = step / 256.0;
    int ups = 0;
    for (std::uint32_t w = 0; w < 256; ++w) ups += ref::goes_up(fraction, w << 24, 8) ? 1 : 0;
    EXPECT_EQ(ups, step);
  }
}

}  // namespace
}  // namespace qloom::kernels::test
