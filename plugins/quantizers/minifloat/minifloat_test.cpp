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

struct Format {
  const char* name;
  int exponent_bits, mantissa_bits, bias;
  const char* specials;
  double largest;
  int smallest_normal, smallest;  // exponents of 2
  int count;                      // non-negative finite values
};

// The table of the handbook (fixed_point_training.md, section 16).
const Format kFormats[] = {
    {"e5m2", 5, 2, 15, "ieee", 57344, -14, -16, 124},
    {"e4m3", 4, 3, 7, "fn", 448, -6, -9, 127},
    {"e4m3 ieee", 4, 3, 7, "ieee", 240, -6, -9, 120},
    {"e3m4 fn", 3, 4, 3, "fn", 30, -2, -6, 127},
    {"e3m4 ieee", 3, 4, 3, "ieee", 15.5, -2, -6, 112},
    {"HFP8 forward", 4, 3, 11, "none", 30, -10, -13, 128},
    {"HFP8 forward ieee", 4, 3, 11, "ieee", 15, -10, -13, 120},
    {"e4m3fnuz", 4, 3, 8, "fnuz", 240, -7, -10, 128},
    {"e5m2fnuz", 5, 2, 16, "fnuz", 57344, -15, -17, 128},
    {"e2m1", 2, 1, 1, "none", 6, 0, -1, 8},
    {"e2m3", 2, 3, 1, "none", 7.5, 0, -3, 32},
    {"e3m2", 3, 2, 3, "none", 28, -2, -4, 32},
    {"fp16", 5, 10, 15, "ieee", 65504, -14, -24, 31744},
    {"bfloat16", 8, 7, 127, "ieee", 3.3895313892515355e38, -126, -133, 32640},
    {"IBM fp16", 6, 9, 31, "ieee", 4290772992.0, -30, -39, 32256},
};

std::string minifloat_rule(const Format& f, const std::string& more = "",
                           const std::string& rounding = "nearest_even") {
  return R"({"quantizer": {"plugin": "minifloat", "exponent_bits": )" +
         std::to_string(f.exponent_bits) + R"(, "mantissa_bits": )" +
         std::to_string(f.mantissa_bits) + R"(, "bias": )" + std::to_string(f.bias) +
         R"(, "specials": ")" + f.specials + "\"" + (more.empty() ? "" : ", " + more) +
         R"(}, "rounding": {"plugin": ")" + rounding + R"("}})";
}

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// The value of a non-negative code, from the definition.
double value_of(const Format& f, int code) {
  const int exponent = code >> f.mantissa_bits;
  const int fraction = code & ((1 << f.mantissa_bits) - 1);
  return exponent == 0
             ? std::ldexp(fraction, 1 - f.bias - f.mantissa_bits)
             : std::ldexp(fraction + (1 << f.mantissa_bits), exponent - f.bias - f.mantissa_bits);
}

/// All non-negative finite values, in order of their codes.
std::vector<float> minifloat_grid_of(const Format& f) {
  std::vector<float> grid;
  for (int code = 0; code < f.count; ++code) grid.push_back(static_cast<float>(value_of(f, code)));
  return grid;
}

TEST(Minifloat, EveryCodeIsItsOwnValueInBothSigns) {
  for (const Format& f : kFormats) {
    SCOPED_TRACE(f.name);
    const std::vector<float> grid = minifloat_grid_of(f);
    EXPECT_EQ(grid.back(), static_cast<float>(f.largest));
    EXPECT_EQ(grid[1], std::ldexp(1.0F, f.smallest));
    EXPECT_EQ(grid[std::size_t{1} << f.mantissa_bits], std::ldexp(1.0F, f.smallest_normal));
    std::vector<float> negative = grid;
    for (float& value : negative) value = -value;
    std::vector<std::int32_t> codes(grid.size());
    for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::int32_t>(i);
    Site site(minifloat_rule(f));
    EXPECT_EQ(site.forward(tensor(grid)), grid);
    EXPECT_EQ(site.encode(tensor(grid)), codes);
    EXPECT_EQ(site.forward(tensor(negative)), negative);
    const std::vector<std::int32_t> negative_codes = site.encode(tensor(negative));
    for (std::size_t i = 1; i < codes.size(); ++i) {
      ASSERT_EQ(negative_codes[i], codes[i] | 1 << (f.exponent_bits + f.mantissa_bits));
    }
  }
}

TEST(Minifloat, MidpointsGoToTheEvenCodeAndTheirNeighboursToTheNearest) {
  for (const Format& f : kFormats) {
    SCOPED_TRACE(f.name);
    const std::vector<float> grid = minifloat_grid_of(f);
    std::vector<float> x, expected;
    for (std::size_t i = 0; i + 1 < grid.size(); ++i) {
      const float middle = grid[i] + (grid[i + 1] - grid[i]) / 2;
      const float even = i % 2 == 0 ? grid[i] : grid[i + 1];
      x.insert(x.end(), {std::nextafter(middle, 0.0F), middle, std::nextafter(middle, kInfinity)});
      expected.insert(expected.end(), {grid[i], even, grid[i + 1]});
    }
    EXPECT_EQ(Site(minifloat_rule(f)).forward(tensor(x)), expected);
  }
}

TEST(Minifloat, OraclesOfTheHandbookHold) {
  const Format &e5m2 = kFormats[0], &e4m3 = kFormats[1], &hfp8 = kFormats[5];
  for (const Format* f : {&e4m3, &e5m2, &hfp8}) {
    EXPECT_EQ(Site(minifloat_rule(*f)).forward(tensor({.3F}))[0], .3125F) << f->name;
  }
  const Tensor x = tensor({1.0625F, 1.1875F, 464, 465, 240, 0x1p-10F, 1.5F * 0x1p-10F, 17, 19});
  EXPECT_EQ(Site(minifloat_rule(e4m3)).forward(x),
            (std::vector<float>{1, 1.25F, 448, 448, 240, 0, 0x1p-9F, 16, 20}));
  EXPECT_EQ(Site(minifloat_rule(e5m2)).forward(tensor({240}))[0], 256.0F);
  EXPECT_EQ(Site(minifloat_rule(hfp8)).forward(tensor({240}))[0], 30.0F);
}

TEST(Minifloat, OverflowSaturatesOrGivesTheSpecialOfTheFormat) {
  const Format &e5m2 = kFormats[0], &e4m3 = kFormats[1], &fnuz = kFormats[7];
  const std::string open = R"("overflow": "infinity")";
  EXPECT_EQ(Site(minifloat_rule(e5m2)).forward(tensor({61440, -3e38F})),
            (std::vector<float>{57344, -57344}));
  EXPECT_EQ(Site(minifloat_rule(e5m2, open)).forward(tensor({61439, 61440, -3e38F})),
            (std::vector<float>{57344, kInfinity, -kInfinity}));
  const std::vector<float> y = Site(minifloat_rule(e4m3, open)).forward(tensor({464, 465, -1e9F}));
  EXPECT_EQ(y[0], 448.0F);
  EXPECT_TRUE(std::isnan(y[1]));
  EXPECT_TRUE(std::isnan(y[2]));
  EXPECT_TRUE(std::isnan(Site(minifloat_rule(fnuz, open)).forward(tensor({1e9F}))[0]));
}

/// IEEE 754-2019, 7.4.
TEST(Minifloat, OverflowFollowsTheRoundingDirection) {
  const Tensor x = tensor({65536.0F, -65536.0F, 1e30F, -1e30F});
  const auto of = [&](const char* rounding) {
    Site site(minifloat_rule(kFormats[0], R"("overflow": "infinity")", rounding));
    return site.forward(x);
  };
  constexpr float kMost = 57344;
  EXPECT_EQ(of("toward_zero"), (std::vector<float>{kMost, -kMost, kMost, -kMost}));
  EXPECT_EQ(of("toward_negative"), (std::vector<float>{kMost, -kInfinity, kMost, -kInfinity}));
  EXPECT_EQ(of("toward_positive"), (std::vector<float>{kInfinity, -kMost, kInfinity, -kMost}));
  for (const char* rounding :
       {"nearest_even", "nearest_away", "nearest_up", "stochastic", "stochastic_equal"}) {
    EXPECT_EQ(of(rounding), (std::vector<float>{kInfinity, -kInfinity, kInfinity, -kInfinity}))
        << rounding;
  }
}

TEST(Minifloat, StochasticRoundingOfOppositeValuesGivesOppositeOnes) {
  const std::vector<float> x = values(gaussian({4000}, 17, 3.0F));
  std::vector<float> opposite = x;
  for (float& v : opposite) v = -v;
  for (const std::string parameters : {R"(", "random_bits": 1, "fraction": "truncated)",
                                       R"(", "random_bits": 32, "fraction": "truncated)",
                                       R"(", "random_bits": 2, "fraction": "nearest)"}) {
    Site site(minifloat_rule(kFormats[9], "", "stochastic" + parameters));
    const auto y = site.forward(tensor(x)), mirrored = site.forward(tensor(opposite));
    for (std::size_t i = 0; i < y.size(); ++i) ASSERT_EQ(mirrored[i], -y[i]) << x[i];
  }
}

TEST(Minifloat, FlushingSubnormalsComesBeforeRounding) {
  Site site(minifloat_rule(kFormats[1], R"("subnormals": false)"));  // smallest normal 2^-6
  EXPECT_EQ(site.forward(tensor({0x1p-6F, std::nextafter(0x1p-6F, 0.0F), -0x1p-7F})),
            (std::vector<float>{0x1p-6F, 0, 0}));
}

TEST(Minifloat, StandardBiasIsHalfTheExponentRange) {
  const char* text = R"({"quantizer": {"plugin": "minifloat", "exponent_bits": 5,
                                       "mantissa_bits": 2}})";
  Site site(text);
  EXPECT_EQ(site.forward(tensor({1e9F}))[0], 57344.0F);
  const qloom_encoding e = site.node.encoding();
  EXPECT_EQ(e.kind, static_cast<std::uint32_t>(QLOOM_ENCODING_FLOAT));
  EXPECT_EQ(e.bits, 8U);
  EXPECT_EQ(e.format.bias, 15);
}

TEST(Minifloat, StochasticRoundingPicksANeighbourAndIsUnbiased) {
  // In e4m3 17.5 lies three quarters of the way up, 1.25 * 2^-9 a quarter of a subnormal step.
  const std::size_t n = 20000;
  const struct {
    float x, below, above;
    double share;
  } rows[] = {{17.5F, 16, 18, .75}, {1.25F * 0x1p-9F, 0x1p-9F, 0x1p-8F, .25}};
  for (const auto& row : rows) {
    const std::vector<float> y = Site(minifloat_rule(kFormats[1], "", "stochastic"))
                                     .forward(tensor(std::vector<float>(n, row.x)));
    double ups = 0;
    for (const float value : y) {
      ASSERT_TRUE(value == row.below || value == row.above) << value;
      ups += value == row.above ? 1 : 0;
    }
    // Binomial, five sigma: one false alarm in 1.7 million.
    EXPECT_NEAR(ups / n, row.share, 5 * std::sqrt(row.share * (1 - row.share) / n));
  }
}

TEST(Minifloat, GradientPassesUnlessClippedIsAskedFor) {
  const Tensor x = tensor({448, 449, -448, -1000, 1}), dy = tensor({1, 2, 3, 4, 5});
  Site site(minifloat_rule(kFormats[1]));
  (void)site.forward(x);
  EXPECT_EQ(site.backward(x, dy), values(dy));
  Site clipped(minifloat_rule(kFormats[1], R"("ste": "clipped")"));
  (void)clipped.forward(x);
  EXPECT_EQ(clipped.backward(x, dy), (std::vector<float>{1, 0, 3, 0, 5}));
}

const std::string kScaled = R"("scaling": "power_of_two")";

TEST(Minifloat, ScaleIsTheSmallestPowerOfTwoWithoutOverflow) {
  const Format& e2m1 = kFormats[9];  // 0 .5 1 1.5 2 3 4 6
  const auto bias_for = [&](float largest) {
    Site site(minifloat_rule(e2m1, kScaled));
    (void)site.forward(tensor({largest, 0}));
    return site.node.encoding().format.bias;
  };
  EXPECT_EQ(bias_for(6), 1);
  EXPECT_EQ(bias_for(6.01F), 0);
  EXPECT_EQ(bias_for(12), 0);
  EXPECT_EQ(bias_for(3), 2);
  EXPECT_EQ(bias_for(3.01F), 1);
  EXPECT_EQ(bias_for(0), 1);
  Site site(minifloat_rule(e2m1, kScaled));
  EXPECT_EQ(site.forward(tensor({.75F, -.1F, .4F})), (std::vector<float>{.75F, -.125F, .375F}));
}

TEST(Minifloat, ScalingByPowersOfTwoScalesTheResultAndKeepsTheCodes) {
  const Tensor x = gaussian({777}, 15);
  Site plain(minifloat_rule(kFormats[1], kScaled));
  const std::vector<float> y = plain.forward(x);
  const std::vector<std::int32_t> codes = plain.encode(x);
  for (const int shift : {-40, -3, 5, 60}) {
    Tensor scaled = x;
    for (float& value : scaled) value = std::ldexp(value, shift);
    Site site(minifloat_rule(kFormats[1], kScaled));
    const std::vector<float> scaled_y = site.forward(scaled);
    for (std::size_t i = 0; i < y.size(); ++i) ASSERT_EQ(scaled_y[i], std::ldexp(y[i], shift));
    EXPECT_EQ(site.encode(scaled), codes) << shift;
  }
}

TEST(Minifloat, GroupsWithDifferentScalesAreNotExportable) {
  Site site(minifloat_rule(kFormats[1], kScaled + R"(, "granularity": {"group": 2})"));
  const std::vector<float> y = site.forward(tensor({1, .3F, 1000, 300, 0}));
  EXPECT_EQ(y, (std::vector<float>{1, .3125F, 1024, 288, 0}));
  EXPECT_EQ(site.node.encoding().kind, static_cast<std::uint32_t>(QLOOM_ENCODING_NONE));
  (void)site.forward(tensor({1, .3F, 1.1F, .3F}));
  EXPECT_EQ(site.node.encoding().kind, static_cast<std::uint32_t>(QLOOM_ENCODING_FLOAT));
}

TEST(Minifloat, ExtremeScalesStayWithinFloat32) {
  Site site(minifloat_rule(kFormats[0], kScaled));
  EXPECT_EQ(site.forward(tensor({3.4e38F}))[0], 57344 * 0x1p112F);  // the top binade saturates
  EXPECT_NEAR(site.forward(tensor({1e-30F}))[0] / 1e-30F, 1, .125);
  EXPECT_EQ(site.forward(tensor({0x1p-126F}))[0], 0x1p-126F);
  EXPECT_EQ(site.forward(tensor({1e-45F}))[0], 0.0F);
}

TEST(Minifloat, RefusesFormatsThatAreNone) {
  EXPECT_THROW(Site(minifloat_rule({"", 1, 2, 0, "ieee", 0, 0, 0, 0})), InputError);
  EXPECT_THROW(Site(minifloat_rule({"", 4, 0, 7, "ieee", 0, 0, 0, 0})), InputError);
  EXPECT_THROW(Site(minifloat_rule({"", 8, 2, 120, "ieee", 0, 0, 0, 0})), InputError);
  EXPECT_THROW(Site(minifloat_rule(kFormats[9], R"("overflow": "infinity")")), InputError);
}

TEST(Minifloat, Conforms) {
  const Tensor x = gaussian({37, 9, 31}, 2);
  expect_conforms(minifloat_rule(kFormats[0]), x);
  expect_conforms(minifloat_rule(kFormats[9]), x);
  expect_conforms(minifloat_rule(kFormats[12], "", "stochastic"), x);
  expect_conforms(
      minifloat_rule(kFormats[1], kScaled + R"(, "granularity": "channel")", "stochastic"), x);
  expect_conforms(minifloat_rule(kFormats[5], kScaled + R"(, "granularity": {"group": 48})"), x);
}

}  // namespace
