// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <cmath>

#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace {

using namespace qloom;
using namespace qloom::test;

std::string block_float_rule(int bits, const std::string& more = "",
                             const std::string& rounding = "nearest_even") {
  return R"({"quantizer": {"plugin": "block_float", "bits": )" + std::to_string(bits) +
         (more.empty() ? "" : ", " + more) + R"(}, "rounding": {"plugin": ")" + rounding + R"("}})";
}

void expect_codes(const std::string& text, const std::vector<float>& x, float step,
                  const std::vector<std::int32_t>& codes) {
  Site site(text);
  const std::vector<float> y = site.forward(tensor(x));
  EXPECT_EQ(site.node.encoding().grid.scale[0], step) << text;
  EXPECT_EQ(site.encode(tensor(x)), codes) << text;
  for (std::size_t i = 0; i < y.size(); ++i) {
    EXPECT_EQ(y[i], static_cast<float>(codes[i]) * step) << text << " x = " << x[i];
  }
}

TEST(BlockFloat, CodesAreThoseOfTheHandbook) {
  expect_codes(block_float_rule(8), {1.0F, -1.99F, .3F, .004F}, 1 / 64.0F, {64, -127, 19, 0});
  expect_codes(block_float_rule(8), {1.999F, -.5F}, 1 / 64.0F, {127, -32});
  expect_codes(block_float_rule(4), {.7F, -.2F, .05F}, .125F, {6, -2, 0});
  // Dynamic fixed point (Das et al.) is the symmetric form with 16 bits.
  expect_codes(block_float_rule(16, R"("narrow_range": true)"), {.75F, -1.5F, 3}, 1 / 8192.0F,
               {6144, -12288, 24576});
}

TEST(BlockFloat, CeilRuleClipsNothing) {
  const std::string ceil = R"("exponent_rule": "ceil")";
  expect_codes(block_float_rule(8, ceil), {1.999F, -.5F}, 1 / 32.0F, {64, -16});
  expect_codes(block_float_rule(8, ceil), {1.0F, -.5F}, 1 / 64.0F, {64, -32});
  Site site(block_float_rule(6, ceil));
  const Tensor x = gaussian({5000}, 8);
  const std::vector<float> y = site.forward(x);
  const float half_step = site.node.encoding().grid.scale[0] / 2;
  for (std::size_t i = 0; i < y.size(); ++i) ASSERT_LE(std::fabs(y[i] - x[i]), half_step) << x[i];
}

TEST(BlockFloat, ExponentsOfPowersOfTwoAreExact) {
  for (int e = -118; e <= 120; ++e) {
    const float x = std::ldexp(1.0F, e);
    expect_codes(block_float_rule(8), {x, std::nextafter(x, 0.0F)}, std::ldexp(1.0F, e - 6),
                 {64, 64});
    expect_codes(block_float_rule(8), {std::nextafter(x, 0.0F)}, std::ldexp(1.0F, e - 7), {127});
  }
}

TEST(BlockFloat, MostNegativeCodeIsKeptUnlessSymmetric) {
  const Tensor x = tensor({-1.999F});
  EXPECT_EQ(Site(block_float_rule(8)).forward(x)[0], -2.0F);
  EXPECT_EQ(Site(block_float_rule(8, R"("narrow_range": true)")).forward(x)[0], -127 / 64.0F);
}

TEST(BlockFloat, ExponentIsClippedToItsBits) {
  const std::string three = R"("exponent_bits": 3)";  // -4 .. 3
  expect_codes(block_float_rule(8, three), {100, 1}, .125F, {127, 8});
  expect_codes(block_float_rule(8, three), {std::ldexp(1.0F, -8)}, std::ldexp(1.0F, -10), {4});
}

TEST(BlockFloat, ZerosStayZerosWithStepOne) {
  expect_codes(block_float_rule(8), {0, -0.0F, 0}, 1.0F, {0, 0, 0});
  Site site(block_float_rule(8, R"("granularity": {"group": 2})"));
  EXPECT_EQ(site.forward(tensor({0, 0, 3, 1, 0})), (std::vector<float>{0, 0, 3, 1, 0}));
  EXPECT_EQ(site.node.encoding().groups, 3U);
}

TEST(BlockFloat, ExtremeMagnitudesGiveFiniteValues) {
  const float most = 3.4028234e38F;
  const std::vector<float> y = Site(block_float_rule(2)).forward(tensor({-most, most, 1}));
  EXPECT_EQ(y, (std::vector<float>{-0x1p127F, 0x1p127F, 0}));
  EXPECT_EQ(Site(block_float_rule(8)).forward(tensor({-most}))[0], -127 * 0x1p121F);
  EXPECT_EQ(Site(block_float_rule(8)).forward(tensor({0x1p-126F, 0x1p-149F})),
            (std::vector<float>{0x1p-126F, 0}));  // the step is 2^-126 at least
}

TEST(BlockFloat, EqualsTheDefinitionPerTensorChannelAndGroup) {
  const Tensor x = gaussian({6, 5, 7}, 21);
  const auto check = [&](const std::string& granularity, auto group_of, std::size_t groups) {
    std::vector<float> largest(groups, 0.0F);
    for (std::size_t i = 0; i < x.size(); ++i) {
      largest[group_of(i)] = std::max(largest[group_of(i)], std::fabs(x[i]));
    }
    const std::vector<float> y = Site(block_float_rule(5, R"("granularity": )" + granularity),
                                      {.name = "weight/test", .channel_axis = 0})
                                     .forward(x);
    for (std::size_t i = 0; i < y.size(); ++i) {
      const double step = std::ldexp(1.0, std::ilogb(largest[group_of(i)]) - 3);
      const double code = std::clamp(std::nearbyint(x[i] / step), -16.0, 15.0);
      ASSERT_EQ(y[i], static_cast<float>(code * step)) << granularity << " element " << i;
    }
  };
  check(R"("tensor")", [](std::size_t) { return std::size_t{0}; }, 1);
  check(R"("channel")", [](std::size_t i) { return i / 35; }, 6);
  check(R"({"group": 16})", [](std::size_t i) { return i / 16; }, 14);  // the last one is short
}

TEST(BlockFloat, ScalingByPowersOfTwoScalesTheResult) {
  const Tensor x = gaussian({500}, 30);
  const std::vector<float> y = Site(block_float_rule(6)).forward(x);
  Tensor scaled = x;
  for (float& value : scaled) value *= 1024;
  const std::vector<float> scaled_y = Site(block_float_rule(6)).forward(scaled);
  for (std::size_t i = 0; i < y.size(); ++i) ASSERT_EQ(scaled_y[i], y[i] * 1024);
}

TEST(BlockFloat, GradientPassesStraightThrough) {
  const Tensor x = tensor({1.999F, -.5F}), dy = tensor({3, 4});
  Site site(block_float_rule(8));
  (void)site.forward(x);
  EXPECT_EQ(site.backward(x, dy), values(dy));
}

TEST(BlockFloat, RefusesWidthsWithoutAMantissa) {
  EXPECT_THROW(Site(block_float_rule(1)), InputError);
  EXPECT_THROW(Site(block_float_rule(17)), InputError);
}

TEST(BlockFloat, Conforms) {
  const Tensor x = gaussian({37, 9, 31}, 9);
  expect_conforms(block_float_rule(8), x);
  expect_conforms(
      block_float_rule(4, R"("granularity": "channel", "narrow_range": true)", "stochastic"), x);
  expect_conforms(block_float_rule(16, R"("granularity": {"group": 48}, "exponent_rule": "ceil")"),
                  x);
}

}  // namespace
