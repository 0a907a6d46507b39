// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Steps against the formulas in which libraries state their requantization, and these against each
// other: integers of 128 bits, no step of ours.
#include <cmath>

#include <gtest/gtest.h>

#include "host/steps/step.hpp"
#include "tests/support/random_chain.hpp"

namespace qloom::test {
namespace {

using steps::Chain;
using steps::Op;
using steps::Rounding;
using steps::Step;
__extension__ using Wide = __int128;

constexpr int kPairs = 1000000;

Wide half_up(Wide v, int n) { return n == 0 ? v : (v + (Wide{1} << (n - 1))) >> n; }
Wide half_away(Wide v, int n) { return v < 0 ? -half_up(-v, n) : half_up(v, n); }
Wide half_even(Wide v, int n) {
  const Wide up = half_up(v, n);
  const bool is_tie = n > 0 && (v & ((Wide{1} << n) - 1)) == Wide{1} << (n - 1);
  return is_tie && (up & 1) != 0 ? up - 1 : up;
}
/// Toward zero, as C divides.
Wide truncated(Wide v, int n) { return v / (Wide{1} << n); }
Wide floored(Wide v, int n) { return v >> n; }
Wide ceiled(Wide v, int n) { return -(-v >> n); }

const struct {
  Rounding rounding;
  Wide (*formula)(Wide, int);
} kFormulas[] = {{Rounding::kNearestEven, half_even},  {Rounding::kNearestAway, half_away},
                 {Rounding::kNearestUp, half_up},      {Rounding::kTowardZero, truncated},
                 {Rounding::kTowardNegative, floored}, {Rounding::kTowardPositive, ceiled}};

TEST(ShiftRight, IsTheFormulaForEverySmallValue) {
  for (const auto& [rounding, formula] : kFormulas) {
    for (int n = 0; n <= 10; ++n) {
      for (std::int64_t v = -2100; v <= 2100; ++v) {
        ASSERT_EQ(steps::shift_right(v, n, rounding), static_cast<std::int64_t>(formula(v, n)))
            << name_of(rounding) << " " << v << " >> " << n;
      }
    }
  }
}

TEST(ShiftRight, IsTheFormulaForValuesOf64Bits) {
  Dice dice(1);
  for (const auto& [rounding, formula] : kFormulas) {
    for (int i = 0; i < kPairs / 10; ++i) {
      const int n = dice.small(0, 62);
      std::int64_t v = dice.in(INT64_MIN, INT64_MAX) >> dice.small(0, 62);
      if (n > 0 && dice.once_in(3)) {  // a tie
        v = static_cast<std::int64_t>((static_cast<std::uint64_t>(v) >> n << n) | std::uint64_t{1}
                                                                                      << (n - 1));
      }
      ASSERT_EQ(steps::shift_right(v, n, rounding), static_cast<std::int64_t>(formula(v, n)))
          << name_of(rounding) << " " << v << " >> " << n;
    }
    for (const std::int64_t v : {INT64_MIN, INT64_MIN + 1, INT64_MAX}) {
      for (int n = 0; n <= 62; ++n) {
        ASSERT_EQ(steps::shift_right(v, n, rounding), static_cast<std::int64_t>(formula(v, n)))
            << name_of(rounding) << " " << v << " >> " << n;
      }
    }
  }
}

// What gemmlowp states, word for word in its own terms: a product is doubled, rounded with a nudge
// whose sign is the product's, and divided; a division's remainder is compared with a threshold.

std::int32_t saturating_rounding_doubling_high_mul(std::int32_t a, std::int32_t b) {
  if (a == INT32_MIN && b == INT32_MIN) return INT32_MAX;
  const std::int64_t product = std::int64_t{a} * b;
  const std::int64_t nudge = product >= 0 ? std::int64_t{1} << 30 : 1 - (std::int64_t{1} << 30);
  return static_cast<std::int32_t>((product + nudge) / (std::int64_t{1} << 31));
}

std::int32_t rounding_divide_by_pot(std::int32_t x, int exponent) {
  const auto mask = static_cast<std::int32_t>((std::int64_t{1} << exponent) - 1);
  const std::int32_t remainder = x & mask;
  const std::int32_t threshold = (mask >> 1) + (x < 0 ? 1 : 0);
  return (x >> exponent) + (remainder > threshold ? 1 : 0);
}

std::int32_t word(Dice& dice) {
  if (dice.once_in(10)) return static_cast<std::int32_t>(dice.edge(INT32_MIN, INT32_MAX));
  return static_cast<std::int32_t>(dice.in(INT32_MIN, INT32_MAX) >> dice.small(0, 30));
}

TEST(Gemmlowp, TheDoublingHighMultiplyIsAShiftThatRoundsUp) {
  Dice dice(2);
  for (int i = 0; i < kPairs; ++i) {
    const std::int32_t a = word(dice), b = word(dice);
    if (a == INT32_MIN && b == INT32_MIN) continue;  // the one pair that saturates
    ASSERT_EQ(steps::shift_right(std::int64_t{a} * b, 31, Rounding::kNearestUp),
              saturating_rounding_doubling_high_mul(a, b))
        << a << " * " << b;
  }
  // Products on both sides of a half, whose magnitudes are powers of two.
  for (const std::int32_t a : {1 << 30, -(1 << 30), INT32_MIN, 3 << 29, -(3 << 29)}) {
    for (std::int32_t b = -9; b <= 9; ++b) {
      ASSERT_EQ(steps::shift_right(std::int64_t{a} * b, 31, Rounding::kNearestUp),
                saturating_rounding_doubling_high_mul(a, b))
          << a << " * " << b;
    }
  }
}

TEST(Gemmlowp, TheRoundingDivisionIsAShiftThatRoundsAway) {
  Dice dice(3);
  for (int i = 0; i < kPairs; ++i) {
    const std::int32_t x = word(dice);
    const int n = dice.small(0, 31);
    ASSERT_EQ(steps::shift_right(x, n, Rounding::kNearestAway), rounding_divide_by_pot(x, n))
        << x << " / 2^" << n;
  }
  for (int n = 0; n <= 8; ++n) {
    for (std::int32_t x = -1024; x <= 1024; ++x) {
      ASSERT_EQ(steps::shift_right(x, n, Rounding::kNearestAway), rounding_divide_by_pot(x, n))
          << x << " / 2^" << n;
    }
  }
}

// ---- presets: A = S, M = f * 2^e, q = f * 2^31 ----

Step one(Op op, std::int64_t constant, Rounding rounding = Rounding::kTowardNegative) {
  return {.op = op, .rounding = rounding, .constants = {constant}};
}

struct Multiplier {
  std::int64_t q = 0;
  int e = 0;
};

Multiplier multiplier_of(double m) {
  Multiplier made;
  made.q = std::llround(std::frexp(m, &made.e) * 2147483648.0);
  if (made.q == std::int64_t{1} << 31) made = {made.q / 2, made.e + 1};
  return made;
}

/// Doubling high multiply, then a division that rounds as named.
Chain double_rounding(Multiplier m, Rounding second, std::int64_t zero_point) {
  return {one(Op::kShiftLeft, std::max(m.e, 0)), one(Op::kMultiply, m.q),
          one(Op::kShiftRight, 31, Rounding::kNearestUp),
          one(Op::kShiftRight, std::max(-m.e, 0), second), one(Op::kAdd, zero_point)};
}
Chain tflite_reference(Multiplier m, std::int64_t zero_point) {
  return double_rounding(m, Rounding::kNearestAway, zero_point);
}
Chain ruy(Multiplier m, std::int64_t zero_point) {
  return double_rounding(m, Rounding::kNearestUp, zero_point);
}
Chain single(Multiplier m, std::int64_t zero_point) {
  return {one(Op::kMultiply, m.q), one(Op::kShiftRight, 31 - m.e, Rounding::kNearestUp),
          one(Op::kAdd, zero_point)};
}
/// What ONNX Runtime does, as thresholds: found on its own formula, which never falls.
std::int64_t float32_code(std::int64_t s, float m) {
  return static_cast<std::int64_t>(std::nearbyint(static_cast<float>(s) * m));
}
Chain float32(float m, std::int64_t lowest, std::int64_t highest, std::int64_t zero_point) {
  Step count;
  count.op = Op::kCount;
  for (std::int64_t code = lowest + 1; code <= highest; ++code) {
    std::int64_t below = -10000000, above = 10000000;  // the threshold lies in (below, above]
    while (above - below > 1) {
      const std::int64_t middle = below + (above - below) / 2;
      (float32_code(middle, m) >= code ? above : below) = middle;
    }
    count.constants.push_back(above);
  }
  count.per_channel = count.constants.size();
  return {count, one(Op::kAdd, lowest + zero_point)};
}

/// float32 scales of input, weights and output: integers take their quotient in double, floating
/// point takes each operation in float32.
struct Scales {
  float x, w, y;

  [[nodiscard]] Multiplier multiplier() const {
    return multiplier_of(static_cast<double>(x) * static_cast<double>(w) / static_cast<double>(y));
  }
  [[nodiscard]] float factor() const { return x * w / y; }
};

TEST(Presets, PartAtASumOfMinus2950) {
  const Scales scales{0.001F, 0.051F, 0.0017F};  // 0.0300000004..., in float32 0.0299999993...
  EXPECT_EQ(apply(tflite_reference(scales.multiplier(), 0), 0, -2950), -89);
  EXPECT_EQ(apply(ruy(scales.multiplier(), 0), 0, -2950), -88);
  EXPECT_EQ(apply(single(scales.multiplier(), 0), 0, -2950), -89);
  EXPECT_EQ(apply(float32(scales.factor(), -128, 127, 0), 0, -2950), -88);
}

/// 0.03 in 31 bits lies below 0.03, and -2950 times it above -88.5.
TEST(Presets, OfOneRoundingDependOnTheLastBitOfTheMultiplier) {
  EXPECT_EQ(multiplier_of(0.03).q, 2061584302);
  EXPECT_EQ(apply(single(multiplier_of(0.03), 0), 0, -2950), -88);
  EXPECT_EQ(apply(tflite_reference(multiplier_of(0.03), 0), 0, -2950), -89);
}

TEST(Presets, PartAtASumOf585) {
  const Scales scales{0.001F, 0.007F, 0.00063F};  // 0.0111111115..., in float32 0.0111111110...
  EXPECT_EQ(apply(tflite_reference(scales.multiplier(), -126), 0, 585), -119);
  EXPECT_EQ(apply(ruy(scales.multiplier(), -126), 0, 585), -119);
  EXPECT_EQ(apply(single(scales.multiplier(), -126), 0, 585), -119);
  EXPECT_EQ(apply(float32(scales.factor(), -2, 253, -126), 0, 585), -120);
}

TEST(Presets, AreTheirFormulasForRandomSumsAndMultipliers) {
  Dice dice(4);
  for (int i = 0; i < kPairs / 10; ++i) {
    const Multiplier m{dice.in(std::int64_t{1} << 30, (std::int64_t{1} << 31) - 1),
                       dice.small(-20, 3)};
    const std::int64_t s = dice.of_bits(24);
    const int left = std::max(m.e, 0), right = std::max(-m.e, 0);
    const Wide high = (Wide{s} * (1 << left) * m.q + (1 << 30)) >> 31;
    ASSERT_EQ(apply(tflite_reference(m, 3), 0, s), half_away(high, right) + 3) << s << " " << m.q;
    ASSERT_EQ(apply(ruy(m, 3), 0, s), half_up(high, right) + 3) << s << " " << m.q;
    ASSERT_EQ(apply(single(m, 3), 0, s), half_up(Wide{s} * m.q, 31 - m.e) + 3) << s << " " << m.q;
  }
}

TEST(Presets, OfFloatingPointAreTheirThresholds) {
  const float m = 0.0371F;
  const Chain chain = float32(m, -128, 127, 0);
  for (std::int64_t s = -5000; s <= 5000; ++s) {
    ASSERT_EQ(apply(chain, 0, s), std::clamp<std::int64_t>(float32_code(s, m), -128, 127)) << s;
  }
}

}  // namespace
}  // namespace qloom::test
