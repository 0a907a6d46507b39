// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Expected values: tests/oracles/mx.py.
#include <cmath>
#include <fstream>

#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

/// nvfp4 is a quantizer of its own; the oracle knows it as one more format.
std::string mx_rule(const std::string& format, const std::string& more = "",
                    const std::string& rounding = "nearest_even") {
  const std::string plugin = format == "nvfp4" ? "nvfp4\"" : R"(mx", "format": ")" + format + "\"";
  return R"({"quantizer": {"plugin": ")" + plugin + (more.empty() ? "" : ", " + more) +
         R"(}, "rounding": {"plugin": ")" + rounding + R"("}})";
}

std::vector<float> row_of(const float* values, std::uint64_t n) { return {values, values + n}; }

TEST(Mx, ValuesCodesAndScalesAreThoseOfTheOracle) {
  std::ifstream file(QLOOM_SOURCE_DIR "/tests/oracles/mx.json");
  const Json cases = Json::parse(file);
  ASSERT_EQ(cases.size(), 56U);
  for (const Json& c : cases) {
    const std::string text = c["format"].get<std::string>() + ", shape " + c["shape"].dump();
    Site site(mx_rule(c["format"],
                      "\"block\": " + c["block"].dump() + ", \"axis\": " + c["axis"].dump()));
    const Tensor x = tensor(c["x"].get<std::vector<float>>(), c["shape"].get<Shape>());
    const std::vector<float> y = site.forward(x), expected = c["y"].get<std::vector<float>>();
    for (std::size_t i = 0; i < y.size(); ++i) {
      EXPECT_EQ(y[i], expected[i]) << text << " element " << i << ": " << x[i];
    }
    EXPECT_EQ(site.encode(x), c["codes"].get<std::vector<std::int32_t>>()) << text;
    const qloom_encoding e = site.node.encoding();
    const float unit = e.kind == QLOOM_ENCODING_AFFINE ? 64.0F : 1.0F;  // steps of scale / 64
    std::vector<float> scales = row_of(e.grid.scale, e.groups);
    for (float& scale : scales) scale *= unit;
    EXPECT_EQ(scales, c["scales"].get<std::vector<float>>()) << text;
  }
}

TEST(Mx, BlocksHave32ElementsAndThoseOfNvfp4Have16) {
  const Tensor x = gaussian({4, 96}, 3);
  for (const auto& [format, block] : {std::pair{"mxfp4_e2m1", 32}, {"mxint8", 32}, {"nvfp4", 16}}) {
    Site standard(mx_rule(format)), given(mx_rule(format, "\"block\": " + std::to_string(block)));
    EXPECT_EQ(standard.forward(x), given.forward(x)) << format;
    EXPECT_EQ(standard.node.encoding().groups, 4U * 96U / static_cast<unsigned>(block)) << format;
  }
}

TEST(Mx, BlocksAlongAnotherAxisAreThoseOfTheTransposedTensor) {
  const Tensor x = gaussian({40, 6}, 5);
  Tensor turned({6, 40});
  for (std::size_t i = 0; i < 40; ++i) {
    for (std::size_t j = 0; j < 6; ++j) turned[j * 40 + i] = x[i * 6 + j];
  }
  const std::vector<float> y = Site(mx_rule("mxfp6_e2m3", "\"axis\": 0")).forward(x);
  const std::vector<float> expected = Site(mx_rule("mxfp6_e2m3")).forward(turned);
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i], expected[i % 6 * 40 + i / 6]) << i;
}

TEST(Mx, EncodingTellsFormatScalesAndStoredBits) {
  Site site(mx_rule("mxfp8_e4m3"));
  (void)site.forward(gaussian({3, 40}, 1));
  const qloom_encoding e = site.node.encoding();
  EXPECT_EQ(e.kind, static_cast<std::uint32_t>(QLOOM_ENCODING_FLOAT));
  EXPECT_EQ(e.flags, static_cast<std::uint32_t>(QLOOM_ENCODING_SHARED_EXPONENT));
  EXPECT_EQ(e.bits, 8U);
  EXPECT_EQ(e.groups, 6U);
  const Json json = site.node.encoding_json();
  EXPECT_EQ(json["granularity"], Json::parse(R"({"block": 32, "axis": -1})"));
  EXPECT_EQ(json["scale"].size(), 6U);
  EXPECT_EQ(json["shared_exponent"], true);
}

TEST(Mx, RoundingMethodsActOnTheElements) {
  // max 1: scale 2^-2; 0.1 is 0.4 elements, between 0 and 0.5
  const Tensor x = tensor({1, .1F, -.1F});
  const auto y = [&](const char* rounding) {
    return Site(mx_rule("mxfp4_e2m1", "", rounding)).forward(x);
  };
  EXPECT_EQ(y("nearest_even"), (std::vector<float>{1, .125F, -.125F}));
  EXPECT_EQ(y("toward_zero"), (std::vector<float>{1, 0, 0}));
  EXPECT_EQ(y("toward_positive"), (std::vector<float>{1, .125F, 0}));
}

TEST(Mx, GradientPassesStraightThrough) {
  const Tensor x = gaussian({2, 40}, 7), dy = gaussian({2, 40}, 8);
  Site site(mx_rule("mxint8"));
  (void)site.forward(x);
  EXPECT_EQ(site.backward(x, dy), values(dy));
}

TEST(Mx, RefusesAnAxisThatTheTensorLacksAndFormatsItDoesNotKnow) {
  try {
    (void)Site(mx_rule("mxint8", "\"axis\": 2")).forward(gaussian({2, 3}, 1));
    FAIL() << "axis 2 of 2 was taken";
  } catch (const std::exception& e) {
    EXPECT_NE(std::string(e.what()).find("/axis: 2, expected -2 to 1"), std::string::npos)
        << e.what();
  }
  EXPECT_THROW(Site(mx_rule("mxfp8")), InputError);
  EXPECT_THROW(Site(mx_rule("mxint8", "\"block\": 0")), InputError);
}

TEST(Mx, Conforms) {
  const Tensor x = gaussian({37, 9, 31}, 9);
  for (const char* format : {"mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e3m2", "mxint8"}) {
    SCOPED_TRACE(format);
    expect_conforms(mx_rule(format), x);
    expect_conforms(mx_rule(format, R"("axis": 0, "block": 5)", "stochastic"), x);
  }
}

}  // namespace
}  // namespace qloom::test
