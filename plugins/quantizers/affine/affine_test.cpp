// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <cmath>
#include <fstream>

#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace {

using namespace qloom;
using namespace qloom::test;

std::string rule(const std::string& parameters) {
  return R"({"quantizer": {"plugin": "affine")" + (parameters.empty() ? "" : ", " + parameters) +
         R"(}, "range": {"plugin": "min_max"}})";
}

/// A site whose range is kept after the first tensor.
sites::SiteContext activation(bool after_relu = false) {
  return {.name = "activation/test", .tracks_range = true, .after_relu = after_relu};
}

struct Grid {
  double scale, zero_point;
};

/// Scale and zero point for the range [lo, hi].
Grid grid_of(const std::string& parameters, float lo, float hi) {
  Site site(rule(parameters));
  (void)site.forward(tensor({lo, hi}));
  const qloom_encoding e = site.node.encoding();
  EXPECT_EQ(e.kind, static_cast<std::uint32_t>(QLOOM_ENCODING_AFFINE));
  return {e.grid.scale[0], static_cast<double>(e.grid.zero_point[0])};
}

void expect_grid(const std::string& parameters, float lo, float hi, double scale,
                 double zero_point) {
  const Grid grid = grid_of(parameters, lo, hi);
  // The handbook prints nine decimals, some cut off; float32 adds two roundings of 2^-24 each.
  SCOPED_TRACE(testing::Message() << parameters << " on [" << lo << ", " << hi << "]");
  EXPECT_NEAR(grid.scale, scale, 1e-9 + 1.2e-7 * scale);
  EXPECT_EQ(grid.zero_point, zero_point);
}

TEST(Affine, ScaleAndZeroPointAreThoseOfTheHandbook) {
  expect_grid("", -1, 3, .015686275, 64);
  expect_grid(R"("bits": 7)", -1, 3, .031496063, 32);  // "reduced": 0 .. 127
  expect_grid(R"("signed": true)", -1, 3, .015686275, -64);
  expect_grid(R"("symmetric": true)", -1, 3, .023529412, 0);
  expect_grid(R"("symmetric": true, "narrow_range": true)", -1, 3, .023622047, 0);
  expect_grid(R"("symmetric": true, "bits": 7)", -1, 3, .047244094, 0);
  expect_grid(R"("symmetric": true, "signed": false)", -1, 3, .023529412, 128);
  expect_grid(R"("symmetric": true, "signed": false, "bits": 4)", -1, 3, .4, 7);
  expect_grid("", 5, 5, .019607843, 0);
  expect_grid("", -2, -1, .007843137, 255);
  expect_grid(R"("symmetric": true)", -2, 1, .015686275, 0);  // not 2 / 127
}

TEST(Affine, AllZeroTensorHasTheSmallestScaleAndTheCodeOfZero) {
  EXPECT_EQ(grid_of("", 0, 0).scale, 1.1920929e-07F);
  EXPECT_EQ(grid_of("", 0, 0).zero_point, 0);
  EXPECT_EQ(grid_of(R"("signed": true)", 0, 0).zero_point, -128);
  EXPECT_EQ(grid_of(R"("minimum": 1e-20)", 0, 0).scale, 1e-20F);
  Site site(rule(R"("symmetric": true)"));
  const Tensor zeros = tensor({0, 0, 0});
  EXPECT_EQ(site.forward(zeros), (std::vector<float>{0, 0, 0}));
  EXPECT_EQ(site.encode(zeros), (std::vector<std::int32_t>{0, 0, 0}));
  EXPECT_EQ(site.backward(zeros, tensor({1, 2, 3})), (std::vector<float>{1, 2, 3}));
}

TEST(Affine, EmptyTensorStaysEmpty) {
  Site site(rule(""));
  EXPECT_TRUE(site.forward(Tensor(Shape{0})).empty());
}

TEST(Affine, RoundsBeforeTheZeroPointIsAddedAndMasksTheUnclampedCode) {
  Site site(rule(R"("bits": 3)"), activation());
  (void)site.forward(tensor({-1.5F, 2.0F}));  // s = 0.5, z = 3, codes 0 .. 7
  const Tensor x = tensor({.25F, .75F, -.25F, -.75F, -1.74F, -1.75F, 2.2F, 2.3F});
  EXPECT_EQ(site.forward(x, false), (std::vector<float>{0, 1, 0, -1, -1.5F, -1.5F, 2, 2}));
  const Tensor dy = tensor(std::vector<float>(8, 3.0F));
  EXPECT_EQ(site.backward(x, dy), (std::vector<float>{3, 3, 3, 3, 3, 0, 3, 0}));
}

TEST(Affine, IdentityEstimatorPassesTheGradientOfClippedValues) {
  Site site(rule(R"("bits": 3, "ste": "identity")"), activation());
  (void)site.forward(tensor({-1.5F, 2.0F}));
  const Tensor x = tensor({-9, 0, 9}), dy = tensor({1, 2, 3});
  EXPECT_EQ(site.forward(x, false), (std::vector<float>{-1.5F, 0, 2}));
  EXPECT_EQ(site.backward(x, dy), (std::vector<float>{1, 2, 3}));
}

TEST(Affine, LargestSymmetricValueIsClampedToTheTopCode) {
  Site site(rule(R"("symmetric": true)"));
  EXPECT_NEAR(site.forward(tensor({-1, 3}))[1], 2.988235, 5e-7);
  EXPECT_EQ(site.encode(tensor({-1, 3}))[1], 127);
}

TEST(Affine, GemmlowpGridStartsAtTheLowEndOfTheRange) {
  Site site(rule(R"("exact_zero": false)"));
  const Tensor x = tensor({-.5F, .1F, 1.5F});
  const std::vector<float> y = site.forward(x);
  EXPECT_EQ(site.encode(x), (std::vector<std::int32_t>{0, 76, 255}));
  EXPECT_NEAR(site.node.encoding().grid.scale[0], .0078431373, 1e-9);
  EXPECT_EQ(site.node.encoding().grid.offset[0], -.5F);
  expect_near(y, {-.5F, .0960784F, 1.5F}, 1.2e-7);
  const Tensor constant = tensor({5, 5, 5});
  EXPECT_EQ(site.forward(constant), values(constant));
  EXPECT_EQ(site.encode(constant), (std::vector<std::int32_t>{0, 0, 0}));
}

TEST(Affine, PowerOfTwoScaleIsTheNextOneAboveAndCoversTheRange) {
  EXPECT_EQ(grid_of(R"("scale": "power_of_two")", -1, 3).scale, 1.0 / 32);  // 4/255 = 1/63.75
  EXPECT_EQ(grid_of(R"("scale": "power_of_two")", -1, 3).zero_point, 32);
  EXPECT_EQ(grid_of(R"("scale": "power_of_two", "bits": 2)", 0, 3).scale, 1.0);  // stays
  EXPECT_EQ(grid_of(R"("scale": "power_of_two", "bits": 2)", 0, 3.01F).scale, 2.0);
  Site site(rule(R"("scale": "power_of_two", "bits": 5)"));
  const Tensor x = gaussian({1000}, 3);
  const std::vector<float> y = site.forward(x);
  const float half_step = site.node.encoding().grid.scale[0] / 2;
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_LE(std::fabs(y[i] - x[i]), half_step) << x[i];
}

TEST(Affine, SignedAutoTakesUnsignedCodesForNonNegativeSymmetricData) {
  const std::string parameters = R"("symmetric": true, "signed": "auto", "bits": 4)";
  Site site(rule(parameters));
  const Tensor x = tensor({0, .5F, 3});
  EXPECT_EQ(site.forward(x)[2], 3.0F);
  EXPECT_EQ(site.node.encoding().is_signed, 0U);
  EXPECT_EQ(site.encode(x), (std::vector<std::int32_t>{0, 2, 15}));  // step 0.2, 2.5 to even
  EXPECT_EQ(grid_of(parameters, 0, 3).zero_point, 0);
  EXPECT_NEAR(grid_of(parameters, -1, 3).scale, .4, 1e-7);
  (void)site.forward(tensor({-1, 3}));
  EXPECT_EQ(site.node.encoding().is_signed, 1U);
}

TEST(Affine, OneSymmetricBitHasTheTwoEndsOfTheRange) {
  Site site(rule(R"("symmetric": true, "bits": 1)"));
  const Tensor x = tensor({-2, -.1F, .1F, 1});
  EXPECT_EQ(site.forward(x), (std::vector<float>{-2, -2, 2, 2}));
  EXPECT_EQ(site.encode(x), (std::vector<std::int32_t>{0, 0, 1, 1}));
  EXPECT_EQ(site.forward(tensor({0, 0})), (std::vector<float>{0, 0}));
}

TEST(Affine, OneAsymmetricBitKeepsZero) {
  Site site(rule(R"("bits": 1)"));
  EXPECT_EQ(site.forward(tensor({0, .9F, 1.1F, 2})), (std::vector<float>{0, 0, 2, 2}));
}

/// The definition, one value at a time.
float affine_value(float x, float lo, float hi, float qmin, float qmax, bool is_symmetric) {
  lo = std::min(lo, 0.0F);
  hi = std::max(hi, 0.0F);
  const float steps = is_symmetric ? (qmax - qmin) / 2.0F : qmax - qmin;
  const float s = std::max((is_symmetric ? std::max(-lo, hi) : hi - lo) / steps, 1.1920929e-07F);
  const float z = is_symmetric ? 0.0F : std::clamp(qmin - std::nearbyint(lo / s), qmin, qmax);
  const float code = std::clamp(std::nearbyint(x * (1.0F / s)) + z, qmin, qmax);
  return (code - z) * s;
}

TEST(Affine, ChannelAndGroupEqualTheDefinitionOnEachPart) {
  const Tensor x = gaussian({6, 5, 7}, 11);
  for (const bool is_symmetric : {false, true}) {
    const std::string symmetric = is_symmetric ? R"("symmetric": true, )" : "";
    const float qmin = is_symmetric ? -8 : 0, qmax = is_symmetric ? 7 : 15;
    const auto check = [&](const std::string& granularity, auto group_of, std::size_t groups) {
      std::vector<float> lo(groups, 1e30F), hi(groups, -1e30F);
      for (std::size_t i = 0; i < x.size(); ++i) {
        lo[group_of(i)] = std::min(lo[group_of(i)], x[i]);
        hi[group_of(i)] = std::max(hi[group_of(i)], x[i]);
      }
      Site site(rule(symmetric + R"("bits": 4, "granularity": )" + granularity),
                {.name = "weight/test", .channel_axis = 1});
      const std::vector<float> y = site.forward(x);
      for (std::size_t i = 0; i < y.size(); ++i) {
        const std::size_t g = group_of(i);
        ASSERT_EQ(y[i], affine_value(x[i], lo[g], hi[g], qmin, qmax, is_symmetric))
            << granularity << " element " << i << ": " << x[i];
      }
    };
    check(R"("tensor")", [](std::size_t) { return std::size_t{0}; }, 1);
    check(R"("channel")", [](std::size_t i) { return i / 7 % 5; }, 5);
    check(R"({"group": 32})", [](std::size_t i) { return i / 32; }, 7);  // the last one is short
  }
}

TEST(Affine, HasAtMostAsManyValuesAsCodesAndIsMonotoneAndIdempotent) {
  for (int bits = 1; bits <= 31; ++bits) {
    Site site(rule("\"bits\": " + std::to_string(bits)), activation());
    std::vector<float> sorted = values(gaussian({3000}, 5));
    std::sort(sorted.begin(), sorted.end());
    const std::vector<float> y = site.forward(tensor(sorted));
    EXPECT_TRUE(std::is_sorted(y.begin(), y.end())) << bits;
    std::vector<float> levels = y;
    levels.erase(std::unique(levels.begin(), levels.end()), levels.end());
    EXPECT_LE(levels.size(), std::size_t{1} << bits);
    EXPECT_EQ(site.forward(tensor(y), false), y) << bits;
  }
}

TEST(Affine, TellsRangeEstimatorsItsGrid) {
  const auto context_of = [](const std::string& parameters) {
    const registry::Instance q = create("quantizer", "affine", parameters);
    qloom_range_context c{};
    c.struct_size = sizeof c;
    EXPECT_EQ(q.ops<qloom_quantizer>().context(q.self(), &c), QLOOM_OK);
    return c;
  };
  const qloom_range_context narrow =
      context_of(R"({"bits": 4, "symmetric": true, "narrow_range": true})");
  EXPECT_EQ(narrow.bits, 4U);
  EXPECT_EQ(narrow.is_signed, 1U);
  EXPECT_EQ(narrow.levels, 15U);
  EXPECT_EQ(narrow.symmetric, 1U);
  const qloom_range_context plain = context_of("{}");
  EXPECT_EQ(plain.is_signed, 0U);
  EXPECT_EQ(plain.levels, 256U);
  EXPECT_EQ(plain.symmetric, 0U);
}

TEST(Affine, WideRangesGiveFiniteValuesAndTooWideOnesAnError) {
  for (const char* parameters :
       {"\"bits\": 1", "\"bits\": 8", R"("bits": 1, "symmetric": true)",
        R"("symmetric": true, "scale": "power_of_two")", R"("exact_zero": false, "bits": 2)"}) {
    Site site(rule(parameters));
    for (const float y : site.forward(tensor({-1.7e38F, -1e-38F, 0, 1e-45F, 1.7e38F}))) {
      EXPECT_TRUE(std::isfinite(y)) << parameters;
    }
    EXPECT_THROW(site.forward(tensor({-3.4e38F, 3.4e38F})), RunError) << parameters;
  }
}

TEST(Affine, RefusesParametersThatLeaveNoGrid) {
  EXPECT_THROW(Site(rule(R"("bits": 33)")), InputError);
  EXPECT_THROW(Site(rule(R"("bits": 32)")), InputError);  // unsigned
  EXPECT_THROW(Site(rule(R"("bits": 32, "symmetric": true, "signed": "auto")")), InputError);
  EXPECT_THROW(Site(rule(R"("narrow_range": true, "overflow": "wrap")")), InputError);
  EXPECT_THROW(Site(rule(R"("overflow": "infinity")")), InputError);
  EXPECT_THROW(Site(rule(R"("bits": 1, "narrow_range": true)")), InputError);
  EXPECT_THROW(Site(rule(R"("symmetric": true, "exact_zero": false)")), InputError);
  EXPECT_THROW(Site(rule(R"("signed": "perhaps")")), InputError);
}

/// tests/oracles/integer_grid.py: affine and fixed_point, all widths, saturating and wrapping.
TEST(IntegerGrid, CodesAndValuesAreThoseOfTheOracle) {
  std::ifstream file(QLOOM_SOURCE_DIR "/tests/oracles/integer_grid.json");
  const Json cases = Json::parse(file);
  ASSERT_EQ(cases.size(), 110U);
  for (const Json& c : cases) {
    Json text{{"quantizer", c["quantizer"]}, {"rounding", {{"plugin", c["rounding"]}}}};
    if (c["quantizer"]["plugin"] == "affine") {
      text["range"] = {{"plugin", "constant"}, {"lo", c["low"]}, {"hi", c["high"]}};
    }
    Site site(text.dump());
    const Tensor x = tensor(c["x"].get<std::vector<float>>());
    EXPECT_EQ(site.forward(x), c["y"].get<std::vector<float>>()) << text;
    EXPECT_EQ(site.encode(x), c["codes"].get<std::vector<std::int32_t>>()) << text;
  }
}

TEST(IntegerGrid, WrappingIsSaturatingWhereNothingOverflows) {
  const Tensor x = uniform({3000}, 12, -.5F, .5F);
  for (const int bits : {3, 8, 16, 20, 31}) {
    for (const char* rounding : {"nearest_even", "stochastic", "jam"}) {
      const auto y = [&](const char* overflow) {
        return Site(R"({"quantizer": {"plugin": "affine", "bits": )" + std::to_string(bits) +
                    R"(, "overflow": ")" + overflow + R"("}, "rounding": {"plugin": ")" + rounding +
                    R"("}, "range": {"plugin": "constant"}})")
            .forward(x);
      };
      EXPECT_EQ(y("wrap"), y("saturate")) << bits << " " << rounding;
    }
  }
}

TEST(IntegerGrid, CodesOf32BitsAreExactWhereFloat32IsNot) {
  // 1 + 2^-23 in s32.30: code 2^30 + 2^7. The end 2^31 - 1 is no float32: its value is 2.
  Site site(R"({"quantizer": {"plugin": "fixed_point", "bits": 32, "fraction_bits": 30}})");
  const Tensor x = tensor({1.00000012F, 7, -7, 1e-9F});
  EXPECT_EQ(site.forward(x), (std::vector<float>{1.00000012F, 2, -2, 0x1p-30F}));
  EXPECT_EQ(site.encode(x), (std::vector<std::int32_t>{1073741952, 2147483647, -2147483648, 1}));
  const qloom_encoding e = site.node.encoding();
  EXPECT_EQ(e.grid.code_max[0], 2147483647);
  EXPECT_EQ(e.grid.code_min[0], -2147483648);
}

TEST(IntegerGrid, GradientIsZeroWhereACodeWrappedUnlessIdentityIsAskedFor) {
  const Tensor x = tensor({-2.1F, -2, 0, 1.87F, 1.88F, 5}), dy = tensor({1, 2, 3, 4, 5, 6});
  const std::string start = R"({"quantizer": {"plugin": "fixed_point", "overflow": "wrap", )";
  for (const char* width :
       {R"("bits": 4, "fraction_bits": 2)", R"("bits": 30, "fraction_bits": 28)"}) {
    Site site(start + width + "}}");
    (void)site.forward(x);
    const bool is_wide = std::string(width).find("30") != std::string::npos;
    const std::vector<float> narrow{1, 2, 3, 4, 0, 0}, wide{0, 2, 3, 4, 5, 0};  // ends -2 and 2
    EXPECT_EQ(site.backward(x, dy), is_wide ? wide : narrow) << width;
    Site identity(start + width + R"(, "ste": "identity"}})");
    (void)identity.forward(x);
    EXPECT_EQ(identity.backward(x, dy), values(dy)) << width;
  }
}

TEST(IntegerGrid, WideGridsKeepTheirGroups) {
  const Tensor x = gaussian({6, 50}, 4);
  Site site(rule(R"("bits": 28, "granularity": "channel")"),
            {.name = "weight/test", .channel_axis = 0});
  const std::vector<float> y = site.forward(x);
  const qloom_encoding e = site.node.encoding();
  ASSERT_EQ(e.groups, 6U);
  for (std::size_t i = 0; i < y.size(); ++i) {
    // A float32 scale moves the ends by up to 2^-24 of them; the rounding of y is as large.
    EXPECT_NEAR(y[i], x[i], 4 * 0x1p-22F) << i;
  }
}

TEST(IntegerGrid, WideRangesGiveFiniteValues) {
  for (const char* more : {"", R"(, "symmetric": true)", R"(, "exact_zero": false)"}) {
    Site site(rule(R"("bits": 31)" + std::string(more)));
    for (const float y : site.forward(tensor({-1.7e38F, 1e-45F, 0, 1.7e38F}))) {
      EXPECT_TRUE(std::isfinite(y)) << more;
    }
  }
  Site site(rule(R"("bits": 32, "symmetric": true)"));
  const std::vector<float> y = site.forward(tensor({-1.7e38F, 1, 1.7e38F}));
  EXPECT_EQ(y[0], -1.7e38F);
  EXPECT_EQ(y[2], 1.7e38F);
}

TEST(Affine, Conforms) {
  for (const char* parameters :
       {"", R"("symmetric": true, "bits": 4, "granularity": "channel")",
        R"("granularity": {"group": 48})", R"("exact_zero": false, "bits": 2)",
        R"("symmetric": true, "signed": "auto", "scale": "power_of_two")",
        R"("symmetric": true, "bits": 1)", R"("bits": 16)", R"("bits": 24)",
        R"("bits": 31, "granularity": "channel")", R"("overflow": "wrap", "bits": 3)"}) {
    SCOPED_TRACE(parameters);
    expect_conforms(rule(parameters), gaussian({37, 9, 31}, 2));
  }
}

}  // namespace
