// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/support/accumulator_harness.hpp"

namespace qloom::test {
namespace {

/// One addition into a register of `bits` bits; counts a sum that does not fit.
std::int64_t fit(std::int64_t sum, int bits, bool wrap, std::uint64_t& overflows) {
  const std::int64_t limit = std::int64_t{1} << (bits - 1);
  if (sum >= -limit && sum < limit) return sum;
  ++overflows;
  if (!wrap) return sum < 0 ? -limit : limit - 1;
  while (sum >= limit) sum -= 2 * limit;
  while (sum < -limit) sum += 2 * limit;
  return sum;
}

Sums scalar_loop(const Product& p, int bits, bool wrap) {
  Sums sums{{}, 0};
  for (std::uint64_t i = 0; i < p.m; ++i) {
    for (std::uint64_t j = 0; j < p.n; ++j) {
      std::int64_t s = 0;
      for (std::uint64_t k = 0; k < p.k; ++k) {
        const auto a = static_cast<std::int64_t>(p.a[i * p.k + k]);
        const auto b = static_cast<std::int64_t>(p.b[k * p.n + j]);
        s = fit(s + a * b, bits, wrap, sums.overflows);
      }
      sums.c.push_back(static_cast<double>(s));
    }
  }
  return sums;
}

registry::Instance integer(int bits, bool wrap) {
  return create("accumulator", "integer",
                "{\"bits\": " + std::to_string(bits) + ", \"overflow\": \"" +
                    (wrap ? "wrap" : "saturate") + "\"}");
}

TEST(Integer, EqualsAScalarLoopFromEightToThirtyTwoBits) {
  for (int bits = 8; bits <= 32; ++bits) {
    // Products of about half the register: most results overflow several times.
    const float limit = std::min(32767.0F, std::exp2(static_cast<float>(bits) / 2 - 1));
    const Product p = random_codes(4, 37, 301, limit, static_cast<std::uint64_t>(bits));
    for (const bool wrap : {false, true}) {
      const Sums expected = scalar_loop(p, bits, wrap), sums = accumulate(integer(bits, wrap), p);
      EXPECT_GT(expected.overflows, 0U) << bits;
      EXPECT_EQ(sums.c, expected.c) << bits << " bits, wrap " << wrap;
      EXPECT_EQ(sums.overflows, expected.overflows) << bits << " bits, wrap " << wrap;
    }
  }
}

TEST(Integer, EqualsAScalarLoopForWidthsBeyondTheUsual) {
  for (const int bits : {2, 3, 5, 33, 40, 48}) {
    const Product p = random_codes(3, 19, 50, bits < 8 ? 1 : 65535, 5);
    for (const bool wrap : {false, true}) {
      EXPECT_EQ(accumulate(integer(bits, wrap), p).c, scalar_loop(p, bits, wrap).c) << bits;
    }
  }
}

TEST(Integer, TheOrderOfAdditionsMatters) {
  // 100 + 100 saturates at 127 before -100 comes: 27, not 100; wrapped -56 - 100 wraps back to 100
  const Product p{1, 1, 3, {100, 100, -100}, {1, 1, 1}};
  EXPECT_EQ(accumulate(integer(8, false), p).c[0], 27);
  EXPECT_EQ(accumulate(integer(8, false), p).overflows, 1U);
  EXPECT_EQ(accumulate(integer(8, true), p).c[0], 100);
  EXPECT_EQ(accumulate(integer(8, true), p).overflows, 2U);
}

TEST(Integer, BothEndsOfTheRegisterAreReached) {
  const Product high{1, 1, 2, {64, 64}, {1, 1}}, low{1, 1, 2, {-64, -64}, {1, 1}};
  EXPECT_EQ(accumulate(integer(8, false), high).c[0], 127);
  EXPECT_EQ(accumulate(integer(8, true), high).c[0], -128);
  EXPECT_EQ(accumulate(integer(8, false), low).c[0], -128);
  EXPECT_EQ(accumulate(integer(8, false), low).overflows, 0U);
}

TEST(Integer, IsNotExactAndTellsItsWidth) {
  const registry::Instance a = integer(12, false);
  EXPECT_EQ(a.ops<qloom_accumulator>().is_exact(a.self()), 0U);
  EXPECT_EQ(a.ops<qloom_accumulator>().bits(a.self()), 12U);
  EXPECT_NE(a.ops<qloom_accumulator>().caps & QLOOM_ACCUMULATOR_INTEGER, 0U);
}

}  // namespace
}  // namespace qloom::test
