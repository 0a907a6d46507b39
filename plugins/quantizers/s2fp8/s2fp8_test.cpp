// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>

#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

const char* const kS2fp8 = R"({"quantizer": {"plugin": "s2fp8"}})";

TEST(S2fp8, ValuesAreThoseOfTheHandbook) {
  Site site(kS2fp8);
  const auto y = site.forward(tensor({0, 1, -2, 8, 3}));
  expect_near(y, {0, 1.004387F, -2.004151F, 8, 3.009405F}, 1e-6);
  EXPECT_EQ(y[0], 0.0F);
  EXPECT_EQ(y[3], 8.0F) << "the largest magnitude becomes 2^15 and stays";
}

TEST(S2fp8, EqualMagnitudesAreExact) {
  Site site(kS2fp8);
  EXPECT_EQ(site.forward(tensor({.3F, -.3F, 0, .3F})), (std::vector<float>{.3F, -.3F, 0, .3F}));
}

/// The definition, element by element.
float by_definition(float x, double alpha, double beta) {
  if (x == 0) return 0;
  const double v = std::exp2(beta) * std::pow(std::fabs(x), alpha);
  const int exponent = std::max(std::ilogb(v), -14);
  const double step = std::ldexp(1.0, exponent - 2), rounded = std::nearbyint(v / step) * step;
  const double y = rounded == 0 ? 0 : std::pow(std::exp2(-beta) * rounded, 1 / alpha);
  return static_cast<float>(std::copysign(y, x));
}

TEST(S2fp8, TheSearchAmongLevelsIsTheMap) {
  const Tensor x = gaussian({3000}, 4, 1e-3F);
  double sum = 0, largest = -1e9;
  for (const float v : x) {
    sum += std::log2(std::fabs(v));
    largest = std::max(largest, std::log2(std::fabs(double{v})));
  }
  const double mean = sum / static_cast<double>(x.size()), alpha = 15 / (largest - mean);
  Site site(kS2fp8);
  const auto y = site.forward(x);
  for (std::size_t i = 0; i < y.size(); ++i) {
    EXPECT_NEAR(y[i], by_definition(x[i], alpha, -alpha * mean), 1e-6 * std::fabs(y[i])) << x[i];
  }
}

TEST(S2fp8, CodebookFillsEightBits) {
  Site site(kS2fp8);
  (void)site.forward(tensor({1, -2, 8}));
  const qloom_encoding e = site.node.encoding();
  EXPECT_EQ(e.bits, 8U);
  EXPECT_EQ(e.codebook_size, 247U);
  EXPECT_EQ(site.encode(tensor({1, -2, 0}))[2], 123);
}

TEST(S2fp8, Conforms) {
  const Tensor x = gaussian({37, 9, 31}, 2);
  expect_conforms(kS2fp8, x);
  expect_conforms(R"({"quantizer": {"plugin": "s2fp8", "granularity": "channel"}})", x);
}

}  // namespace
}  // namespace qloom::test
