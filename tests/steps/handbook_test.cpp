// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Requantization by hand: what the kernels of TensorFlow Lite and gemmlowp and the scales of
// Distiller give, as chains of steps.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>

#include <gtest/gtest.h>

#include "host/steps/step.hpp"

namespace qloom::steps {
namespace {

constexpr std::int64_t kLeast = std::numeric_limits<std::int32_t>::min(),
                       kMost = std::numeric_limits<std::int32_t>::max();

/// Saturating rounding doubling high multiply.
Chain srdhm(std::int64_t b) {
  return {{Op::kMultiply, Rounding::kTowardNegative, {b}, 1},
          {Op::kShiftRight, Rounding::kNearestUp, {31}, 1},
          {Op::kSaturate, Rounding::kTowardNegative, {32}, 1}};
}
/// Rounding divide by a power of two.
Chain rdbpot(int exponent) { return {{Op::kShiftRight, Rounding::kNearestAway, {exponent}, 1}}; }

struct Multiplier {
  std::int64_t q;
  int exponent;
};
/// m = q * 2^(exponent - 31), q of 31 bits.
Multiplier multiplier_of(double m) {
  if (m == 0) return {0, 0};
  Multiplier found{};
  found.q = std::llround(std::ldexp(std::frexp(m, &found.exponent), 31));
  if (found.q == std::int64_t{1} << 31) {
    found.q /= 2;
    ++found.exponent;
  }
  return found.exponent < -31 ? Multiplier{0, 0} : found;
}
/// Multiply by a quantized multiplier: two roundings.
std::int64_t doubly(double m, std::int64_t x) {
  const auto [q, exponent] = multiplier_of(m);
  const Chain first = srdhm(q), second = rdbpot(std::max(-exponent, 0));
  return apply(second, 0, apply(first, 0, x << std::max(exponent, 0)));
}
/// The same with one.
std::int64_t singly(double m, std::int64_t x) {
  const auto [q, exponent] = multiplier_of(m);
  return apply({{Op::kMultiply, Rounding::kTowardNegative, {q}, 1},
                {Op::kShiftRight, Rounding::kNearestUp, {31 - exponent}, 1}},
               0, x);
}

TEST(Handbook, SaturatingRoundingDoublingHighMultiply) {
  constexpr std::int64_t kHalf = 1 << 30;
  struct {
    std::int64_t a, b, expected;
  } const rows[] = {{1, kHalf, 1},           {-1, kHalf, 0},         {3, kHalf, 2},
                    {-3, kHalf, -1},         {-5, kHalf, -2},        {1000, 1518500250, 707},
                    {kLeast, kLeast, kMost}, {kLeast, kMost, -kMost}};
  for (const auto& row : rows) {
    EXPECT_EQ(apply(srdhm(row.b), 0, row.a), row.expected) << row.a << " " << row.b;
  }
}

TEST(Handbook, RoundingDivideByPowerOfTwo) {
  struct {
    std::int64_t x;
    int exponent;
    std::int64_t expected;
  } const rows[] = {{1, 1, 1},   {-1, 1, -1}, {-3, 1, -2},      {6, 2, 2},
                    {-6, 2, -2}, {5, 2, 1},   {kLeast, 31, -1}, {kMost, 31, 1}};
  for (const auto& row : rows) {
    EXPECT_EQ(apply(rdbpot(row.exponent), 0, row.x), row.expected) << row.x;
  }
}

TEST(Handbook, MultipliersOfThirtyOneBits) {
  struct {
    double m;
    std::int64_t q;
    int exponent;
  } const rows[] = {{0.25, 1 << 30, -1},       {0.1, 1717986918, -3},     {0.0003, 1319413953, -11},
                    {1.0 / 3, 1431655765, -1}, {0.00125, 1374389535, -9}, {1 - 0x1p-40, 1 << 30, 1},
                    {0.0123, 1690499128, -6},  {0.5, 1 << 30, 0},         {1, 1 << 30, 1},
                    {1.7, 1825361101, 1},      {0x1p-33, 0, 0},           {0, 0, 0}};
  for (const auto& row : rows) {
    EXPECT_EQ(multiplier_of(row.m).q, row.q) << row.m;
    EXPECT_EQ(multiplier_of(row.m).exponent, row.exponent) << row.m;
  }
}

TEST(Handbook, TwoRoundingsAreNotOne) {
  struct {
    double m;
    std::int64_t x, two, one;
  } const rows[] = {{0.25, 457, 115, 114}, {0.25, 765, 192, 191}, {0.1, 35, 4, 3},
                    {0.1, -795, -80, -79}, {0.5, -123, -61, -61}, {1.0 / 3, -400, -134, -133},
                    {0.1, -195, -20, -19}, {0.25, -6, -2, -1},    {0.25, 6, 2, 2}};
  for (const auto& row : rows) {
    EXPECT_EQ(doubly(row.m, row.x), row.two) << row.m << " * " << row.x;
    EXPECT_EQ(singly(row.m, row.x), row.one) << row.m << " * " << row.x;
  }
  EXPECT_EQ(doubly(0.0003, 1666), 1) << "exactly 0.4998";
  EXPECT_EQ(doubly(0.0003, -5000), -2);
}

/// s1 = .02, s2 = .005, s3 = .08, z3 = 128: the sum 12345 with the bias -321.
TEST(Handbook, ALayerOfTheKernels) { EXPECT_EQ(128 + doubly(.02 * .005 / .08, 12345 - 321), 143); }

/// Distiller: Q is about A / 2^k from below, A of m bits: k = floor(log2((2^m - 1) / Q)).
TEST(Handbook, ScalesOfDistiller) {
  constexpr double kScale = .0123;
  const int k = static_cast<int>(std::floor(std::log2(255 / kScale)));
  const auto a = static_cast<std::int64_t>(std::floor(std::ldexp(kScale, k)));
  EXPECT_EQ(k, 14);
  EXPECT_EQ(a, 201);
  const Chain chain{{Op::kMultiply, Rounding::kTowardNegative, {a}, 1},
                    {Op::kShiftRight, Rounding::kNearestEven, {k}, 1}};
  EXPECT_EQ(apply(chain, 0, 100000), 1227) << "of 1230: 201 / 2^14 is .01226807";
  EXPECT_EQ(apply(chain, 0, 1 << 13), 100) << "100.5 to the even one";
}

}  // namespace
}  // namespace qloom::steps
