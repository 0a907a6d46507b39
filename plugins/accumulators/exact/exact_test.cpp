// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/support/accumulator_harness.hpp"

namespace qloom::test {
namespace {

TEST(Exact, EqualsSixtyFourBitIntegersWhereFloatWouldNot) {
  const registry::Instance exact = create("accumulator", "exact");
  const Product p = random_codes(5, 7, 4096, 32767, 3);
  const Sums sums = accumulate(exact, p);
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

TEST(Exact, TellsTheHostThatAnyOrderWillDo) {
  const registry::Instance exact = create("accumulator", "exact");
  EXPECT_EQ(exact.ops<qloom_accumulator>().is_exact(exact.self()), 1U);
}

TEST(Exact, NoProductsAddUpToZero) {
  const Sums sums = accumulate(create("accumulator", "exact"), {2, 3, 0, {}, {}});
  EXPECT_EQ(sums.c, std::vector<double>(6, 0.0));
}

}  // namespace
}  // namespace qloom::test
