// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include <boost/multiprecision/cpp_int.hpp>

#include "host/tensor/random.hpp"
#include "tests/support/accumulator_harness.hpp"

namespace qloom::test {
namespace {

using Integer = boost::multiprecision::cpp_int;

/// x * 2^149, an integer for every finite float.
Integer in_smallest_units(float x) {
  int exponent = 0;
  const float fraction = std::frexp(x, &exponent);
  const auto significand = static_cast<std::int64_t>(std::ldexp(fraction, 24));
  const int shift = exponent - 24 + 149;
  const Integer value = significand;
  return shift >= 0 ? Integer(value << shift) : Integer(value / (Integer(1) << -shift));
}

/// The float32 nearest to sum * 2^-298, ties to even, by trying the neighbours of a first guess.
float nearest_float(const Integer& sum) {
  if (sum == 0) return 0.0F;
  const Integer size = abs(sum);
  const auto top = static_cast<int>(msb(size));
  const int cut = top > 60 ? top - 60 : 0;
  const auto high = static_cast<double>(static_cast<std::uint64_t>(size >> cut));
  const auto guess = static_cast<float>(std::ldexp(high, cut - 298));
  const auto exact = [](float x) {  // infinity counts as 2^128
    return std::isinf(x) ? Integer(Integer(1) << (128 + 298))
                         : Integer(in_smallest_units(x) << 149);
  };
  float best = 0;
  Integer distance = -1;
  for (const float x : {std::nextafter(guess, 0.0F), guess,
                        std::nextafter(guess, std::numeric_limits<float>::infinity())}) {
    const Integer d = abs(exact(x) - size);
    const bool is_even = (std::bit_cast<std::uint32_t>(x) & 1U) == 0;
    if (distance < 0 || d < distance || (d == distance && is_even)) {
      best = x;
      distance = d;
    }
  }
  return sum < 0 ? -best : best;
}

/// All sums of a product, rounded once.
std::vector<float> oracle(const Product& p) {
  std::vector<Integer> a, b;
  for (const float x : p.a) a.push_back(in_smallest_units(x));
  for (const float x : p.b) b.push_back(in_smallest_units(x));
  std::vector<float> c;
  for (std::uint64_t i = 0; i < p.m; ++i) {
    for (std::uint64_t j = 0; j < p.n; ++j) {
      Integer sum = 0;
      for (std::uint64_t k = 0; k < p.k; ++k) sum += a[i * p.k + k] * b[k * p.n + j];
      c.push_back(nearest_float(sum));
    }
  }
  return c;
}

Sums exact_sums(const Product& p) { return accumulate(create("accumulator", "exact"), p); }

/// Bits, so that the sign of zero counts.
std::vector<std::uint32_t> narrowed_bits(const std::vector<double>& sums) {
  std::vector<std::uint32_t> out;
  for (const double c : sums) out.push_back(std::bit_cast<std::uint32_t>(static_cast<float>(c)));
  return out;
}
std::vector<std::uint32_t> bits_of(const std::vector<float>& values) {
  std::vector<std::uint32_t> out;
  for (const float v : values) out.push_back(std::bit_cast<std::uint32_t>(v));
  return out;
}

Product column(std::vector<float> a, std::vector<float> b) {
  const std::uint64_t k = a.size();
  return {1, 1, k, std::move(a), std::move(b)};
}

/// Random floats of 24 significant bits whose exponents spread over `binades` from `lowest` on.
Product spread(std::uint64_t m, std::uint64_t n, std::uint64_t k, int lowest, int binades,
               std::uint64_t seed) {
  Product p{m, n, k, std::vector<float>(m * k), std::vector<float>(k * n)};
  std::uint64_t stream = 0;
  for (std::vector<float>* v : {&p.a, &p.b}) {
    for (std::size_t i = 0; i < v->size(); ++i) {
      const std::uint32_t word = random_word(seed, stream, 0, i);
      const std::uint32_t size = random_word(seed, stream, 1, i);
      const int exponent = lowest + static_cast<int>(size % static_cast<std::uint32_t>(binades));
      (*v)[i] = std::ldexp(static_cast<float>(static_cast<std::int32_t>(word) >> 7), exponent - 24);
    }
    ++stream;
  }
  return p;
}

TEST(Exact, EqualsSixtyFourBitIntegersWhereFloatWouldNot) {
  const Product p = random_codes(5, 7, 4096, 32767, 3);
  const Sums sums = exact_sums(p);
  for (std::uint64_t i = 0; i < p.m; ++i) {
    for (std::uint64_t j = 0; j < p.n; ++j) {
      std::int64_t sum = 0;
      for (std::uint64_t k = 0; k < p.k; ++k) {
        sum += static_cast<std::int64_t>(p.a[i * p.k + k]) *
               static_cast<std::int64_t>(p.b[k * p.n + j]);
      }
      EXPECT_EQ(sums.c[i * p.n + j], static_cast<double>(sum)) << i << ", " << j;
    }
  }
  EXPECT_EQ(sums.overflows, 0U);
}

TEST(Exact, KeepsWhatADoubleSumLoses) {
  const float huge = 0x1p60F, wide = 0x1p120F, tiny = 0x1p-149F;
  EXPECT_EQ(exact_sums(column({huge, 1, -huge}, {1, 1, 1})).c[0], 1.0);
  EXPECT_EQ(exact_sums(column({huge, 0.25F, -huge}, {1, 1, 1})).c[0], 0.25);
  EXPECT_EQ(exact_sums(column({wide, tiny, -wide}, {wide, tiny, wide})).c[0], 0x1p-298);
  EXPECT_EQ(exact_sums(column({-wide, -tiny, wide}, {wide, tiny, wide})).c[0], -0x1p-298);
  EXPECT_EQ(exact_sums(column({0x1p53F, 1, 1, -0x1p53F}, {1, 1, 1, 1})).c[0], 2.0);
}

TEST(Exact, RoundsOnceToFloat) {
  // 2^24 + 1 is a tie that goes to the even 2^24; a trace of 2^-60 more must lift it. A sum in
  // double rounded again would lose the trace.
  const float half = 0x1p24F;
  EXPECT_EQ(static_cast<float>(exact_sums(column({half, 1}, {1, 1})).c[0]), half);
  EXPECT_EQ(static_cast<float>(exact_sums(column({half, 1, 0x1p-60F}, {1, 1, 1})).c[0]), half + 2);
  EXPECT_EQ(static_cast<float>(exact_sums(column({half, 1, -0x1p-60F}, {1, 1, 1})).c[0]), half);
  EXPECT_EQ(static_cast<float>(exact_sums(column({half, 3, -0x1p-60F}, {1, 1, 1})).c[0]), half + 2);
}

/// Registers of double, 128 and 640 bits, on sums of which some cancel.
TEST(Exact, IsTheOracleForEverySpreadOfExponents) {
  for (const int binades : {1, 4, 12, 30, 38, 39, 45, 80, 200, 270}) {
    const int lowest = binades > 120 ? -148 : -20;
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      Product p = spread(3, 5, 40 + 61 * seed, lowest, binades, seed);
      for (std::uint64_t k = 0; k + 1 < p.k; k += 2) {  // pairs that cancel in row 0
        p.a[k + 1] = -p.a[k];
        for (std::uint64_t j = 0; j < p.n; j += 2) p.b[(k + 1) * p.n + j] = p.b[k * p.n + j];
      }
      EXPECT_EQ(narrowed_bits(exact_sums(p).c), bits_of(oracle(p)))
          << binades << " binades, seed " << seed;
    }
  }
}

TEST(Exact, TilesOfEverySizeAreTheOracle) {
  for (const std::uint64_t m : {1U, 7U, 9U}) {
    for (const std::uint64_t n : {1U, 15U, 17U}) {
      for (const std::uint64_t k : {1U, 127U, 128U, 129U}) {
        const Product p = spread(m, n, k, -3, 20, m * n);
        EXPECT_EQ(narrowed_bits(exact_sums(p).c), bits_of(oracle(p))) << m << " " << n << " " << k;
      }
    }
  }
}

/// One addition that needs the long register tells it from the short ones.
TEST(Exact, AllRegistersGiveTheSameSums) {
  for (const Product& p : {random_codes(3, 4, 50, 900, 4), spread(3, 4, 50, -5, 25, 9)}) {
    Product wide{p.m, p.n, p.k + 1, {}, {}};
    for (std::uint64_t i = 0; i < p.m; ++i) {
      const auto row = p.a.begin() + static_cast<std::ptrdiff_t>(i * p.k);
      wide.a.insert(wide.a.end(), row, row + static_cast<std::ptrdiff_t>(p.k));
      wide.a.push_back(i == 0 ? 0x1p-149F : 0.0F);  // times 0
    }
    wide.b = p.b;
    wide.b.insert(wide.b.end(), p.n, 0.0F);
    EXPECT_EQ(exact_sums(wide).c, exact_sums(p).c);
  }
}

TEST(Exact, ZeroIsPositiveAndInfinitiesFollowIeee) {
  const float infinity = std::numeric_limits<float>::infinity();
  const auto one = [](std::vector<float> a, std::vector<float> b) {
    return exact_sums(column(std::move(a), std::move(b))).c[0];
  };
  EXPECT_FALSE(std::signbit(one({-0.0F}, {1})));
  EXPECT_FALSE(std::signbit(one({0.5F, -0.5F}, {1, 1})));
  EXPECT_FALSE(std::signbit(one({1e-40F, -1e-40F}, {1e30F, 1e30F})));
  EXPECT_EQ(one({infinity, 1}, {-2, 1}), -infinity);
  EXPECT_TRUE(std::isnan(one({infinity, -infinity}, {1, 1})));
  EXPECT_TRUE(std::isnan(one({infinity, 1}, {0, 1})));
  EXPECT_EQ(static_cast<float>(one({3e38F, 3e38F}, {1, 1})), infinity);
  EXPECT_EQ(static_cast<float>(one({3e38F, 3e38F, -3e38F}, {1, 1, 1})), 3e38F);
}

TEST(Exact, TellsTheHostThatAnyOrderWillDo) {
  const registry::Instance exact = create("accumulator", "exact");
  EXPECT_EQ(exact.ops<qloom_accumulator>().is_exact(exact.self()), 1U);
  EXPECT_EQ(exact.ops<qloom_accumulator>().bits(exact.self()), 640U);
}

TEST(Exact, NoProductsAddUpToZero) {
  const Sums sums = exact_sums({2, 3, 0, {}, {}});
  EXPECT_EQ(sums.c, std::vector<double>(6, 0.0));
}

}  // namespace
}  // namespace qloom::test
