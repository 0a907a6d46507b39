// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/support/norm_harness.hpp"

namespace qloom::test {
namespace {

/// The divisor that a layer of this fan-in gets.
float alpha(const std::string& params, std::uint64_t fan_in) {
  NormHarness norm("const_scale", params, 1, fan_in);
  return 1 / norm.forward({1})[0];
}

TEST(ConstScale, WageAlphasAreThoseOfTheHandbooksNetwork) {  // section 1, CIFAR VGG
  const std::uint64_t fan_in[] = {27, 1152, 1152, 2304, 2304, 4608, 8192, 1024};
  const float six[] = {2, 8, 8, 16, 16, 16, 32, 8}, three[] = {2, 16, 16, 16, 16, 32, 32, 16};
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(alpha("{}", fan_in[i]), six[i]) << fan_in[i];
    EXPECT_EQ(alpha(R"({"init_gain": 3})", fan_in[i]), three[i]) << fan_in[i];
  }
}

TEST(ConstScale, WageAlphaIsAPowerOfTwoOfAtLeastOneThatGrowsWithTheFanIn) {
  float before = 1;
  for (std::uint64_t fan_in = 1; fan_in < 20000; fan_in += 37) {
    const float a = alpha("{}", fan_in);
    EXPECT_EQ(std::exp2(std::nearbyint(std::log2(a))), a);
    EXPECT_GE(a, before);
    before = a;
  }
  EXPECT_EQ(alpha("{}", 1), 1);
  EXPECT_EQ(alpha(R"({"weight_bits": 8})", 1152), 1);  // fine weights fit: L_min < L0
}

TEST(ConstScale, DividesForwardBackwardAndInInference) {
  NormHarness norm("const_scale", R"({"divisor": 8})", 2);
  const Values x{1, -2, 3, 1e-3F, 5e30F, -0.0F};
  const Values eighth{0.125F, -0.25F, 0.375F, 1e-3F / 8, 5e30F / 8, -0.0F};
  EXPECT_EQ(norm.forward(x), eighth);
  EXPECT_EQ(norm.forward(x, QLOOM_MODE_FROZEN), eighth);
  EXPECT_EQ(norm.infer(x), eighth);
  EXPECT_EQ(norm.backward(x, x).dx, eighth);
  EXPECT_EQ(norm.backward(x, x, QLOOM_MODE_TRAINING, true).dx, eighth);
  EXPECT_TRUE(norm.instance().save().empty());
}

TEST(ConstScale, AnyNumberMayDivide) {
  NormHarness norm("const_scale", R"({"divisor": 3})", 1);
  const float y = norm.forward({10})[0];  // 10 * float(1/3): two roundings
  EXPECT_NEAR(y, 10.0 / 3, 2 * 10.0 / 3 * 6e-8);
  EXPECT_EQ(norm.infer({10})[0], y);
}

TEST(ConstScale, WageWithoutALayerBeforeAndImpossibleDivisorsAreRefused) {
  EXPECT_THROW(NormHarness("const_scale", "{}", 1, 0), std::exception);
  EXPECT_THROW(NormHarness("const_scale", R"({"divisor": 1e39})", 1), std::exception);
  EXPECT_THROW(NormHarness("const_scale", R"({"divisor": 0})", 1), InputError);
  EXPECT_THROW(NormHarness("const_scale", R"({"divisor": "wag"})", 1), InputError);
  EXPECT_THROW(NormHarness("const_scale", R"({"init_gain": 4})", 1), InputError);
}

}  // namespace
}  // namespace qloom::test
