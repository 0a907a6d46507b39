// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <cmath>
#include <limits>

#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace {

using namespace qloom;
using namespace qloom::test;

std::string fixed_point_rule(int bits, int fraction_bits, const std::string& more = "",
                             const std::string& rounding = "nearest_even") {
  return R"({"quantizer": {"plugin": "fixed_point", "bits": )" + std::to_string(bits) +
         ", \"fraction_bits\": " + std::to_string(fraction_bits) +
         (more.empty() ? "" : ", " + more) + R"(}, "rounding": {"plugin": ")" + rounding + R"("}})";
}

TEST(FixedPoint, RangeIsThatOfIntegerAndFractionBits) {
  const Tensor x = tensor({-100, -8.0625F, 7.9375F, 8, 100});  // s8.4: [-8, 8 - 1/16]
  EXPECT_EQ(Site(fixed_point_rule(8, 4)).forward(x),
            (std::vector<float>{-8, -8, 7.9375F, 7.9375F, 7.9375F}));
  EXPECT_EQ(Site(fixed_point_rule(8, 4, R"("narrow_range": true)")).forward(x)[0], -7.9375F);
  EXPECT_EQ(Site(fixed_point_rule(8, 4, R"("signed": false)")).forward(x),
            (std::vector<float>{0, 0, 7.9375F, 8, 15.9375F}));
}

TEST(FixedPoint, WithoutFractionBitsTheBinaryPointFollowsTheRange) {
  const char* const text = R"({"quantizer": {"plugin": "fixed_point", "bits": 8}})";
  // max 3: s8.5 ends at 127/32 = 3.97, s8.6 at 1.98
  EXPECT_EQ(Site(text).forward(tensor({3, -1.01F})), (std::vector<float>{3, -1.0F}));
  Site site(text);
  // -4 is code -128 of s8.5; +4 would be 128, so one bit less
  (void)site.forward(tensor({-4, 1}));
  EXPECT_EQ(site.encode(tensor({-4, 1})), (std::vector<std::int32_t>{-128, 32}));
  (void)site.forward(tensor({4, 1}));
  EXPECT_EQ(site.encode(tensor({4, 1})), (std::vector<std::int32_t>{64, 16}));
  EXPECT_EQ(Site(text).forward(tensor({0, 0})), (std::vector<float>{0, 0}));
}

TEST(FixedPoint, FractionBitsMayBeNegativeOrAboveTheWidth) {
  EXPECT_EQ(Site(fixed_point_rule(4, -2)).forward(tensor({5, 6, 7, 100})),
            (std::vector<float>{4, 8, 8, 28}));
  EXPECT_EQ(Site(fixed_point_rule(4, 8)).forward(tensor({1, 3 / 256.0F})),
            (std::vector<float>{7 / 256.0F, 3 / 256.0F}));
}

TEST(FixedPoint, EveryCodeIsItsOwnValueAndTiesGoWhereTheRoundingModeSays) {
  std::vector<float> grid, ties;
  std::vector<std::int32_t> codes, even, away;
  for (int code = -128; code < 127; ++code) {
    grid.push_back(std::ldexp(static_cast<float>(code), -5));
    ties.push_back(std::ldexp(static_cast<float>(code) + 0.5F, -5));
    codes.push_back(code);
    even.push_back(code % 2 == 0 ? code : code + 1);
    away.push_back(code < 0 ? code : code + 1);
  }
  Site site(fixed_point_rule(8, 5));
  EXPECT_EQ(site.forward(tensor(grid)), grid);
  EXPECT_EQ(site.encode(tensor(grid)), codes);
  (void)site.forward(tensor(ties));
  EXPECT_EQ(site.encode(tensor(ties)), even);
  Site other(fixed_point_rule(8, 5, "", "nearest_away"));
  (void)other.forward(tensor(ties));
  EXPECT_EQ(other.encode(tensor(ties)), away);
}

TEST(FixedPoint, EqualsTheDefinitionForEveryWidth) {
  const Tensor x = gaussian({2000}, 4, 3.0F);
  for (int bits = 2; bits <= 32; ++bits) {
    const int fraction_bits = bits - 3;
    const double step = std::ldexp(1.0, -fraction_bits), half = std::ldexp(1.0, bits - 1);
    const std::vector<float> y = Site(fixed_point_rule(bits, fraction_bits)).forward(x);
    for (std::size_t i = 0; i < y.size(); ++i) {
      const double code = std::clamp(std::nearbyint(x[i] / step), -half, half - 1);
      ASSERT_EQ(y[i], static_cast<float>(code * step)) << bits << " bits, x = " << x[i];
    }
  }
}

TEST(FixedPoint, StochasticRoundingStaysWithinOneStepAndIsUnbiased) {
  const Tensor x = tensor(std::vector<float>(10000, 0.3F / 16));  // 0.3 steps
  const std::vector<float> y = Site(fixed_point_rule(8, 4, "", "stochastic")).forward(x);
  double ups = 0;
  for (const float value : y) {
    ASSERT_TRUE(value == 0 || value == 1 / 16.0F);
    ups += value > 0 ? 1 : 0;
  }
  // Binomial, sigma = sqrt(0.3 * 0.7 / n) = 0.0046; five sigma: one false alarm in 1.7 million.
  EXPECT_NEAR(ups / 10000, 0.3, 5 * std::sqrt(0.3 * 0.7 / 10000));
}

TEST(FixedPoint, GradientIsMaskedWhereTheCodeWasClipped) {
  const Tensor x = tensor({-2.1F, -2, 0, 1.87F, 1.88F, 5});  // s4.2: codes -8 .. 7
  const Tensor dy = tensor({1, 2, 3, 4, 5, 6});
  Site site(fixed_point_rule(4, 2));
  (void)site.forward(x);
  // -2.1 is 8.4 steps below and rounds to the lowest code; 1.88 is 7.52 steps and was clipped.
  EXPECT_EQ(site.backward(x, dy), (std::vector<float>{1, 2, 3, 4, 0, 0}));
  Site identity(fixed_point_rule(4, 2, R"("ste": "identity")"));
  (void)identity.forward(x);
  EXPECT_EQ(identity.backward(x, dy), values(dy));
}

TEST(FixedPoint, NeedsNoRangeAndNoCalibration) {
  Site site(fixed_point_rule(8, 4), {.name = "activation/test", .tracks_range = true});
  EXPECT_EQ(site.node.passes(), 0U);
  EXPECT_EQ(site.forward(tensor({0.5F}), false), std::vector<float>{0.5F});
}

TEST(FixedPoint, RefusesAFormatWithOneCodeAndMissingWidths) {
  EXPECT_THROW(Site(fixed_point_rule(1, 0, R"("narrow_range": true)")), InputError);
  EXPECT_THROW(Site(fixed_point_rule(33, 0)), InputError);
  EXPECT_THROW(Site(fixed_point_rule(32, 0, R"("signed": false)")), InputError);
  EXPECT_THROW(Site(fixed_point_rule(8, 0, R"("narrow_range": true, "overflow": "wrap")")),
               InputError);
  EXPECT_THROW(Site(R"({"quantizer": {"plugin": "fixed_point", "fraction_bits": 8}})"), InputError);
  EXPECT_THROW(Site(R"({"quantizer": {"plugin": "fixed_point", "bits": 8, "fraction_bits": 4},
                        "range": {"plugin": "min_max"}})"),
               InputError);
}

TEST(FixedPoint, WrappingKeepsTheLowBits) {
  const Tensor x = tensor({127, 128, 200, -129, 256, 1e30F, -.5F, 127.5F});
  Site site(fixed_point_rule(8, 0, R"("overflow": "wrap")"));
  EXPECT_EQ(site.forward(x), (std::vector<float>{127, -128, -56, 127, 0, 0, 0, -128}));
  EXPECT_EQ(Site(fixed_point_rule(8, 0, R"("overflow": "wrap", "signed": false)")).forward(x),
            (std::vector<float>{127, 128, 200, 127, 0, 0, 0, 128}));
}

TEST(DynamicFixedPoint, WidthsOf32BitsHaveTheirOwnBinaryPoint) {
  const char* const text = R"({"quantizer": {"plugin": "fixed_point", "bits": 32}})";
  Site site(text);
  (void)site.forward(tensor({3, -1}));  // s32.29 ends below 4
  EXPECT_EQ(site.encode(tensor({3, -1})), (std::vector<std::int32_t>{3 << 29, -(1 << 29)}));
  (void)site.forward(tensor({1, -2}));  // s32.30: -2 is its lowest code
  EXPECT_EQ(site.encode(tensor({1, -2}))[1], std::numeric_limits<std::int32_t>::min());
}

TEST(FixedPoint, Conforms) {
  const Tensor x = gaussian({50, 301}, 6, 4.0F);
  expect_conforms(fixed_point_rule(8, 4), x);
  expect_conforms(fixed_point_rule(1, 0), x);
  expect_conforms(fixed_point_rule(16, 12, R"("signed": false)", "stochastic"), x);
  expect_conforms(fixed_point_rule(24, 20, R"("narrow_range": true)", "toward_zero"), x);
  expect_conforms(fixed_point_rule(32, 28, "", "stochastic"), x);
  expect_conforms(fixed_point_rule(6, 4, R"("overflow": "wrap")", "stochastic"), x);
}

TEST(DynamicFixedPoint, UnsignedCodesOfNegativeValuesAreRefused) {
  Site site(R"({"quantizer": {"plugin": "fixed_point", "bits": 8, "signed": false},
               "range": {"plugin": "min_max"}})");
  try {
    site.forward(tensor({-3, -1}));
    ADD_FAILURE() << "expected a refusal";
  } catch (const RunError& e) {
    EXPECT_NE(std::string(e.what()).find("the range of group 0 is [-3, -1]"), std::string::npos)
        << e.what();
  }
  EXPECT_EQ(site.forward(tensor({0, 0})), (std::vector<float>{0, 0}));
  EXPECT_EQ(site.forward(tensor({-3, 1})), (std::vector<float>{0, 1}));
}

}  // namespace
