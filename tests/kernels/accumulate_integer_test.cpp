// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tests/kernels/every_isa.hpp"
#include "tests/kernels/matrices.hpp"

namespace qloom::kernels::test {
namespace {

void fill_codes(std::vector<float>& x, std::int64_t largest, std::uint64_t stream) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::int64_t code = random_word(3, stream, 0, i) % (2 * largest + 1);
    x[i] = static_cast<float>(code - largest);
  }
}

class AccumulateInteger : public EveryIsa {};
QLOOM_ON_EVERY_ISA(AccumulateInteger);

/// The register in 128 bits: an independent loop.
std::int64_t integer_oracle(const Matrices& x, std::uint64_t i, std::uint64_t j, int width,
                            bool wrap, std::uint64_t& overflows) {
  const __int128 modulus = __int128{1} << width, half = modulus / 2;
  __int128 total = 0;
  for (std::uint64_t p = 0; p < x.k; ++p) {
    total += static_cast<__int128>(x.left(i, p)) * static_cast<__int128>(x.right(p, j));
    if (total >= -half && total < half) continue;
    ++overflows;
    if (wrap)
      total = ((total + half) % modulus + modulus) % modulus - half;
    else
      total = total < 0 ? -half : half - 1;
  }
  return static_cast<std::int64_t>(total);
}

void check_integer(const qloom_kernels& kernels, Matrices& x, int width, bool wrap) {
  std::uint64_t overflows = 1000, expected_overflows = 1000;
  const qloom_tile tile = x.tile();
  kernels.accumulate_integer(&tile, static_cast<std::uint32_t>(width), wrap ? 1 : 0, &overflows);
  for (std::uint64_t i = 0; i < x.m; ++i) {
    for (std::uint64_t j = 0; j < x.n; ++j) {
      const std::int64_t expected = integer_oracle(x, i, j, width, wrap, expected_overflows);
      ASSERT_EQ(x.result(i, j), static_cast<double>(expected)) << i << " " << j;
    }
    ASSERT_EQ(x.result(i, x.n), Matrices::kGuard) << "wrote past row " << i;
  }
  ASSERT_EQ(overflows, expected_overflows);
}

TEST_P(AccumulateInteger, EqualsOneProductAtATime) {
  for (const auto [m, n, k] :
       {std::array<std::uint64_t, 3>{9, 37, 150}, {1, 1, 40}, {17, 16, 9}, {8, 3, 64}, {2, 5, 0}}) {
    for (const std::int64_t largest : {7, 127, 32767, 65536}) {
      Matrices x(m, n, k);
      fill_codes(x.a, largest, 1);
      fill_codes(x.b, largest, 2);
      for (const int width : {2, 8, 11, 12, 16, 18, 20, 24, 31, 32, 33, 48, 50, 51, 63}) {
        for (const bool wrap : {false, true}) {
          SCOPED_TRACE(testing::Message() << "codes " << largest << " width " << width << " wrap "
                                          << wrap << " n " << n);
          check_integer(kernels(), x, width, wrap);
        }
      }
    }
  }
}

TEST_P(AccumulateInteger, ReachesBothEndsExactly) {
  Matrices x(1, 2, 3);
  x.a = {127, 1, 1, 0, 0, 0};
  x.b = {1, -1, 0, 0, /**/ 0, -1, 0, 0, /**/ 1, -1, 0, 0, 0};
  const qloom_tile tile = x.tile();
  std::uint64_t overflows = 0;
  kernels().accumulate_integer(&tile, 8, 0, &overflows);
  EXPECT_EQ(x.result(0, 0), 127.0);
  EXPECT_EQ(x.result(0, 1), -128.0);
  EXPECT_EQ(overflows, 2U);
  kernels().accumulate_integer(&tile, 8, 1, &overflows);
  EXPECT_EQ(x.result(0, 0), -128.0);
  EXPECT_EQ(x.result(0, 1), 127.0);
  EXPECT_EQ(overflows, 4U);
}

TEST_P(AccumulateInteger, KeepsEverySumThatReachesTheEndAndNoMore) {
  // Column sums just at the ends, past them at the last product, and back from there; the largest
  // sum of magnitudes is the end itself, or one more.
  for (const int width : {5, 8, 15, 16, 17, 24, 25}) {
    const auto end = static_cast<float>((1 << (width - 1)) - 1);
    const float half = std::floor(end / 2.0F);
    for (const float more : {0.0F, 1.0F}) {
      Matrices x(3, 35, 5);
      std::fill(x.a.begin(), x.a.end(), 1.0F);
      for (std::uint64_t j = 0; j < x.n; ++j) {
        const float sign = j % 2 == 0 ? 1.0F : -1.0F;
        const float codes[5] = {half, j % 3 == 0 ? end - half : 0.0F, j % 3 == 0 ? more : -more,
                                0.0F, j % 5 == 0 ? -more : 0.0F};
        for (std::uint64_t p = 0; p < 5; ++p) x.b[p * (x.n + 2) + j] = sign * codes[p];
      }
      for (const bool wrap : {false, true}) {
        SCOPED_TRACE(testing::Message() << "width " << width << " more " << more);
        check_integer(kernels(), x, width, wrap);
      }
    }
  }
}

TEST_P(AccumulateInteger, CodesAtTheLimitsOfTheLanes) {
  // Products at 2^15 - 1 and one above, codes at 2^15 - 1 and above; k around the packed parts, m
  // and n around the blocks.
  const std::int64_t pairs[][2] = {{217, 151}, {128, 256},   {181, 181},     {32767, 1},
                                   {7, 7},     {32767, 127}, {32767, 32767}, {32768, 3}};
  for (const auto [left, right] : pairs) {
    for (const std::uint64_t k : {1U, 2U, 127U, 129U, 256U, 257U, 300U}) {
      Matrices x(k % 2 == 0 ? 34 : 3, k % 2 == 0 ? 5 : 67, k);
      fill_codes(x.a, left, k);
      fill_codes(x.b, right, k + 1);
      x.a[0] = static_cast<float>(-left);
      x.b[0] = static_cast<float>(right);
      for (const int width : {2, 9, 15, 16, 17, 31, 32}) {
        for (const bool wrap : {false, true}) {
          SCOPED_TRACE(testing::Message() << "codes " << left << " and " << right << " k " << k
                                          << " width " << width << " wrap " << wrap);
          check_integer(kernels(), x, width, wrap);
        }
      }
    }
  }
}

}  // namespace
}  // namespace qloom::kernels::test
