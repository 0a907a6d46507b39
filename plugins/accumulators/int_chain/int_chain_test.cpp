// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <limits>

#include "tests/support/accumulator_harness.hpp"

namespace qloom::test {
namespace {

registry::Instance chain_of(int products, const char* spill = "int64") {
  return create("accumulator", "int_chain",
                "{\"chain\": " + std::to_string(products) + ", \"spill\": \"" + spill + "\"}");
}

/// One result of k equal products.
Product equal_products(std::uint64_t k, float value) {
  Product p{1, 1, k, {}, {}};
  p.a.assign(k, value);
  p.b.assign(k, value);
  return p;
}

TEST(IntChain, AThousandProductsOfFifteenBitsDoNotOverflow) {
  const Sums sums = accumulate(chain_of(2), equal_products(1000, 32767));
  EXPECT_EQ(sums.c[0], 1000.0 * 32767 * 32767);
  EXPECT_EQ(sums.overflows, 0U);
  // three fill 32 bits, and one register for all would saturate
  EXPECT_GT(accumulate(chain_of(3), equal_products(1000, 32767)).overflows, 0U);
}

TEST(IntChain, NarrowerOperandsAllowLongerChains) {
  // floor((2^31 - 1) / x^2) products of x: 8 of 14 magnitude bits, 128 of 12, 512 of 11
  const std::pair<float, int> longest[] = {{16383, 8}, {4095, 128}, {2047, 512}};
  for (const auto& [largest, products] : longest) {
    const Product p = equal_products(static_cast<std::uint64_t>(4 * products), largest);
    EXPECT_EQ(accumulate(chain_of(products), p).overflows, 0U) << largest;
    EXPECT_GT(accumulate(chain_of(products + 1), p).overflows, 0U) << largest;
  }
}

TEST(IntChain, WithAnInt64SpillIsTheExactSum) {
  const Product p = random_codes(5, 300, 77, 32767, 3);  // more columns than a block
  const Sums exact = accumulate(create("accumulator", "exact"), p);
  for (const int products : {1, 2}) EXPECT_EQ(accumulate(chain_of(products), p).c, exact.c);
}

TEST(IntChain, WithAFloatSpillRoundsEveryChain) {
  const Product p = random_codes(3, 9, 101, 32767, 4);
  const Sums sums = accumulate(chain_of(2, "float32"), p);
  for (std::uint64_t i = 0; i < p.m; ++i) {
    for (std::uint64_t j = 0; j < p.n; ++j) {
      float s = 0;
      for (std::uint64_t k = 0; k < p.k; k += 2) {
        double partial = 0;
        for (std::uint64_t e = k; e < std::min(k + 2, p.k); ++e) {
          partial += double{p.a[i * p.k + e]} * double{p.b[e * p.n + j]};
        }
        s += static_cast<float>(partial);
      }
      EXPECT_EQ(sums.c[i * p.n + j], double{s});
    }
  }
}

}  // namespace
}  // namespace qloom::test
