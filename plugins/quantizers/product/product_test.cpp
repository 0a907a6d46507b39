// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

constexpr std::int32_t kLeast = std::numeric_limits<std::int32_t>::min(),
                       kMost = std::numeric_limits<std::int32_t>::max();

/// A bias whose sums have these scales.
struct BiasSite : Site {
  explicit BiasSite(std::vector<double> products, const std::string& more)
      : Site(R"({"quantizer": {"plugin": "product")" + more + "}",
             {.name = "bias/test", .channel_axis = 0}) {
    node.tell_products(std::move(products));
  }
};

TEST(Product, CodesAreTheBiasOverTheScaleOfTheProducts) {
  BiasSite site({0.5, 0.25, 3, 1e-3}, "}");
  const Tensor x = tensor({1.26F, 0.375F, -4.5F, 20000});
  EXPECT_EQ(site.forward(x), (std::vector<float>{1.5F, 0.5F, -6, 20000}));
  EXPECT_EQ(site.encode(x), (std::vector<std::int32_t>{3, 2, -2, 19999999}))
      << "ties to even; of the scale in float32, which is above 0.001";
}

TEST(Product, CodesOfThirtyTwoBitsSaturate) {
  BiasSite site({1, 1, 1e-6, 1e-6}, "}");
  const Tensor x = tensor({3e9F, -3e9F, 3e4F, -2147.25F});
  (void)site.forward(x);
  const std::vector<std::int32_t> codes = site.encode(x);
  EXPECT_EQ(codes[0], kMost);
  EXPECT_EQ(codes[1], kLeast);
  EXPECT_EQ(codes[2], kMost);
  EXPECT_EQ(codes[3], std::lrint(-2147.25 / double{1e-6F})) << "a quotient of doubles";
}

TEST(Product, BitsNarrowTheCodes) {
  BiasSite site({1, 1, 1}, R"(, "bits": 8})");
  const Tensor x = tensor({127.4F, 128, -200}), dy = tensor({1, 2, 3});
  EXPECT_EQ(site.forward(x), (std::vector<float>{127, 127, -128}));
  EXPECT_EQ(site.backward(x, dy), (std::vector<float>{1, 0, 0})) << "zero where clipped";
  EXPECT_EQ(site.node.encoding().bits, 8U);
}

TEST(Product, ItsRoundingIsTheRules) {
  BiasSite site({1, 1}, R"(}, "rounding": {"plugin": "toward_negative"})");
  EXPECT_EQ(site.forward(tensor({1.9F, -1.1F})), (std::vector<float>{1, -2}));
}

TEST(Product, RefusesScalesThatAreNone) {
  for (const double scale : {0.0, 1e-42, 1e300}) {
    BiasSite site({1, scale}, "}");
    EXPECT_THROW((void)site.forward(tensor({1, 1})), RunError) << scale;
  }
  BiasSite other({1}, "}");
  EXPECT_THROW((void)other.forward(tensor({1, 1})), RunError) << "one scale, two channels";
}

}  // namespace
}  // namespace qloom::test
