// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Contractions of integer-coded operands equal the sum in 64-bit integers, bit for bit.
#include "host/contraction/codes.hpp"
#include "host/contraction/contraction.hpp"
#include "host/tensor/error.hpp"
#include "tests/contraction/coded.hpp"

namespace qloom::test {
namespace {

using contraction::Contraction;

const std::vector<float> kOdd{0.0123F}, kPowerOfTwo{0.0078125F};

TEST(ExactContraction, EightBitCodesOfEveryGeometryEqualTheIntegerSum) {
  for (const auto& [name, shape] : small_shapes()) {
    check_roles(shape, {0, 255, 127, 127}, kOdd, {0.00345F}, name);
    check_roles(shape, {0, 255, 127, 127}, kPowerOfTwo, kPowerOfTwo, name + ", powers of two");
    check_roles(shape, {-127, 127, 1, 127}, kPowerOfTwo, {0.7F}, name + ", ternary");
  }
}

TEST(ExactContraction, SixteenBitCodesOfEveryGeometryEqualTheIntegerSum) {
  for (const auto& [name, shape] : small_shapes()) {
    EXPECT_TRUE(check_roles(shape, {-32768, 32767, 32767, 32767}, kPowerOfTwo, kPowerOfTwo, name));
    check_roles(shape, {-32768, 32767, 32767, 32767}, kOdd, {0.00345F}, name);
    check_roles(shape, {0, 65535, 7, 127}, kOdd, {0.00345F}, name + ", 16 x 4 bits");
  }
}

TEST(ExactContraction, LargestCodesEqualTheIntegerSum) {
  const ContractionShape dense{.batch = 20, .in_c = 50, .out_c = 9};
  const auto limit = static_cast<std::int64_t>(contraction::kLargestCode);
  EXPECT_TRUE(check_roles(dense, {-limit, limit, limit, limit}, kOdd, {0.00345F}, "23 bits"));
}

TEST(ExactContraction, ScalesPerOutputChannelMultiplyTheExactSum) {
  for (const auto& [name, shape] : small_shapes()) {
    std::vector<float> scale = random_values(shape.out_c, 9, 0.001F, 0.1F);
    scale[0] = 0.03125F;
    for (const auto& x_scale : {kOdd, kPowerOfTwo}) {
      check_roles(shape, {0, 255, 127, 127}, x_scale, scale, name);
      check_roles(shape, {-32768, 32767, 32767, 127}, x_scale, scale, name + ", 16 bits");
    }
  }
}

/// float((sum + bias) * (double(scale) * double(scale))), by whichever way the sum is reached.
void check_whole_bias(const ContractionShape& s, std::int64_t x_limit, std::int64_t w_limit) {
  const Coded x(random_codes(s.x_size(), 1, 0, x_limit), kOdd);
  const Coded w(random_codes(s.w_size(), 2, -w_limit, w_limit),
                random_values(s.out_c, 9, 0.001F, 0.1F), s.fan_in());
  const Codes whole = random_codes(s.out_c, 3, INT32_MIN, INT32_MAX);
  const std::vector<double> bias(whole.begin(), whole.end());
  const std::vector<float> other(static_cast<std::size_t>(s.out_c), 1.0F);
  const Codes sum = sums(s, Target::kY, x.codes, w.codes);
  std::vector<float> y(sum.size());
  Contraction().forward(s, x.operand(), w.operand(), {other.data(), bias.data()}, y.data());
  for (std::size_t i = 0; i < y.size(); ++i) {
    const std::size_t c = i % whole.size();
    const double exact = static_cast<double>(sum[i] + whole[c]);
    ASSERT_EQ(y[i], static_cast<float>(exact * (double{kOdd[0]} * double{w.scale[c]}))) << i;
  }
}

TEST(ExactContraction, ABiasOfIntegersIsAddedToTheSum) {
  for (const auto& [name, shape] : small_shapes()) {
    SCOPED_TRACE(name);
    check_whole_bias(shape, 255, 127);
    check_whole_bias(shape, 65535, 32767);
  }
  check_whole_bias(
      {.batch = 3, .in_h = 5, .in_w = 5, .in_c = 512, .out_c = 32, .kernel_h = 3, .kernel_w = 3},
      255, 127);  // sums beyond 2^24 in bytes
}

/// All codes at their limits: the largest sums there are.
void check_extremes(const ContractionShape& s, std::int64_t x_code, std::int64_t w_code) {
  const Coded x(Codes(static_cast<std::size_t>(s.x_size()), x_code), kOdd);
  Codes w_codes(static_cast<std::size_t>(s.w_size()), w_code);
  w_codes[3] = 2;  // keeps the sum from being a multiple of a large power of two
  const Coded w(w_codes, {0.00345F});
  const Codes expected = sums(s, Target::kY, x.codes, w.codes);
  ASSERT_TRUE(exceeds_float(expected));
  std::vector<float> y(expected.size());
  Contraction contraction;
  Codes given(expected.size());
  contraction.forward(s, x.operand(), w.operand(), nullptr, y.data(), {}, given.data());
  expect_bits(y, expected, x, w, s.out_c, nullptr, "largest codes");
  EXPECT_EQ(given, expected);
}

TEST(ExactContraction, EightTimesEightBitsOver4608ProductsAreExact) {
  const ContractionShape s{.batch = 2,
                           .in_h = 4,
                           .in_w = 4,
                           .in_c = 512,
                           .out_c = 5,
                           .kernel_h = 3,
                           .kernel_w = 3,
                           .pad_top = 1,
                           .pad_bottom = 1,
                           .pad_left = 1,
                           .pad_right = 1};
  ASSERT_EQ(s.fan_in(), 4608);
  check_extremes(s, 255, 127);
  check_extremes(s, 255, -127);
  check_extremes({.batch = 3, .in_c = 4608, .out_c = 4}, 255, 127);
}

TEST(ExactContraction, SumsJustBeyondFloat32AreExact) {
  check_extremes({.batch = 3, .in_c = 600, .out_c = 4}, 255, 127);  // odd, from 2^24 to 2^25
}

TEST(ExactContraction, SixteenTimesSixteenBitsAreExactAtTheLimits) {
  check_extremes({.batch = 3, .in_c = 4608, .out_c = 4}, 65535, -32768);
}

TEST(ExactContraction, WeightGradientIsExactAcrossTheSlicesOfABatch) {
  const ContractionShape s{.batch = 37,
                           .in_h = 8,
                           .in_w = 8,
                           .in_c = 2,
                           .out_c = 3,
                           .kernel_h = 3,
                           .kernel_w = 3,
                           .pad_top = 1,
                           .pad_bottom = 1,
                           .pad_left = 1,
                           .pad_right = 1};
  // Codes of one sign: each slice fits float32, their total does not.
  const Coded x(random_codes(s.x_size(), 1, 200, 255), kOdd);
  const Coded dy(random_codes(s.y_size(), 2, 90, 127), kPowerOfTwo);
  const Codes expected = sums(s, Target::kDw, x.codes, dy.codes);
  ASSERT_TRUE(exceeds_float(expected));
  std::vector<float> dw(expected.size());
  Contraction contraction;
  contraction.weight_gradient(s, x.operand(), dy.operand(), dw.data());
  expect_bits(dw, expected, x, dy, s.fan_in(), nullptr, "five slices");
}

TEST(ExactContraction, BitsDoNotDependOnTheNumberOfThreads) {
  for (const auto& [name, shape] : small_shapes()) {
    SCOPED_TRACE(name);
    const ContractionShape s = shape;
    const Coded x(random_codes(s.x_size(), 1, 0, 65535), kOdd);
    const Coded w(random_codes(s.w_size(), 2, -32767, 32767), {0.00345F});
    expect_same_for_any_threads([&] {
      Contraction contraction;
      std::vector<float> y(static_cast<std::size_t>(s.y_size()));
      contraction.forward(s, x.operand(), w.operand(), nullptr, y.data());
      return y;
    });
  }
}

TEST(ExactContraction, ScalesAlongTheSumFallBackToRealValues) {
  const ContractionShape s{.batch = 4, .in_c = 6, .out_c = 5};
  const Coded dy(random_codes(s.y_size(), 1, -127, 127), kPowerOfTwo);
  const Coded w(random_codes(s.w_size(), 2, -127, 127), random_values(5, 3, 0.01F, 0.1F),
                s.fan_in());
  std::vector<float> coded(static_cast<std::size_t>(s.x_size())), real(coded.size());
  Contraction contraction;
  contraction.input_gradient(s, dy.operand(), w.operand(), coded.data());
  contraction.input_gradient(s, {.values = dy.values.data()}, {.values = w.values.data()},
                             real.data());
  EXPECT_EQ(coded, real);
}

TEST(ExactContraction, RealValuesHaveNoIntegerSums) {
  const ContractionShape s{.batch = 1, .in_c = 3, .out_c = 2};
  const Coded x(random_codes(3, 1, -9, 9), kOdd), w(random_codes(6, 2, -9, 9), kOdd);
  std::vector<float> y(2);
  Codes given(2);
  Contraction contraction;
  EXPECT_THROW(contraction.forward(s, {.values = x.values.data()}, w.operand(), nullptr, y.data(),
                                   {}, given.data()),
               RunError);
}

TEST(ExactContraction, AScaleOfZeroGivesTheBias) {
  const ContractionShape s{.batch = 2, .in_c = 3, .out_c = 2};
  const Coded x(Codes(6, 0), {0.0F}), w(random_codes(6, 2, -127, 127), kOdd);
  const std::vector<float> bias{0.5F, -2.0F};
  std::vector<float> y(4, NAN);
  Contraction contraction;
  contraction.forward(s, x.operand(), w.operand(), bias.data(), y.data());
  EXPECT_EQ(y, (std::vector<float>{0.5F, -2.0F, 0.5F, -2.0F}));
}

TEST(ChoosePasses, UsesTheFewestPassesWhoseSumsAreExact) {
  EXPECT_TRUE(contraction::choose_passes(288, 255, 127, 288 * 255 * 127).is_single());
  EXPECT_TRUE(contraction::choose_passes(600, 255, 127, 0x1p24).is_single());
  EXPECT_FALSE(contraction::choose_passes(600, 255, 127, 0x1p24 + 1).is_single());
  const contraction::Passes wide = contraction::choose_passes(4608, 255, 127, 4608.0 * 255 * 127);
  EXPECT_EQ(wide.left.count * wide.right.count, 2);
  EXPECT_THROW((void)contraction::choose_passes(0x1p25, 1, 1, 0x1p25), RunError);
}

TEST(LoadDigit, DigitsAddUpToTheCode) {
  const Codes codes = random_codes(1000, 7, -4194304, 4194304);
  const Coded coded(codes, {0.0123F});
  for (const int count : {1, 2, 3, 5}) {
    const contraction::Digits digits{count, count == 1 ? 0 : 24 / count + 1};
    Codes total(codes.size());
    for (int d = 0; d < count; ++d) {
      std::vector<float> digit(codes.size());
      contraction::load_digit(coded.stored.view(), digits, d, digit.data(), digit.size());
      for (std::size_t i = 0; i < digit.size(); ++i) {
        if (count > 1) {
          EXPECT_LE(std::abs(digit[i]), std::ldexp(1.0F, digits.bits - 1));
        }
        total[i] += static_cast<std::int64_t>(digit[i]) * (std::int64_t{1} << (d * digits.bits));
      }
    }
    EXPECT_EQ(total, codes) << count << " digits";
  }
}

}  // namespace
}  // namespace qloom::test
