// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <cmath>

#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

std::string given_rule(const std::string& parameters) {
  return R"({"quantizer": {"plugin": "given_grid", )" + parameters + "}}";
}

TEST(GivenGrid, IsTheFormulaByHand) {
  Site site(given_rule(R"("scales": 0.5, "zero_points": 3, "bits": 3, "signed": false)"));
  const Tensor x = tensor({-9, -1.5F, -.25F, -.26F, .25F, .74F, 2, 9});  // codes 0 .. 7 about 3
  EXPECT_EQ(site.forward(x), (std::vector<float>{-1.5F, -1.5F, 0, -.5F, 0, .5F, 2, 2}));
  EXPECT_EQ(site.encode(x), (std::vector<std::int32_t>{0, 0, 3, 2, 3, 4, 7, 7}));
}

TEST(GivenGrid, ListsAreOneEntryForEachGroup) {
  Site site(given_rule(R"("scales": [1, 0.25], "zero_points": [0, -1], "code_min": [-2, -4],
                          "code_max": [1, 3], "bits": 3, "granularity": {"group": 3})"));
  EXPECT_EQ(site.forward(tensor({-7, .6F, 7, -7, .6F, 7})),
            (std::vector<float>{-2, 1, 1, -.75F, .5F, 1}));
  EXPECT_THROW((void)site.forward(tensor({1, 2, 3})), RunError) << "two entries, one group";
}

TEST(GivenGrid, GroupsMayHaveWidthsOfTheirOwn) {
  Site site(given_rule(R"("scales": [1, 0.25], "code_min": [-2, -4], "code_max": [1, 3],
                          "bits": 3, "bits_of_group": [2, 3], "granularity": {"group": 3})"));
  EXPECT_EQ(site.forward(tensor({-7, .6F, 7, -7, .6F, 7})),
            (std::vector<float>{-2, 1, 1, -1, .5F, .75F}));
  const qloom_encoding e = site.node.encoding();
  ASSERT_NE(e.bits_of_group, nullptr);
  EXPECT_EQ(std::vector<float>(e.bits_of_group, e.bits_of_group + 2), (std::vector<float>{2, 3}));
  EXPECT_EQ(e.bits, 3U);
}

TEST(GivenGrid, AnOffsetMovesTheGrid) {
  Site site(given_rule(R"("scales": 2, "offsets": -1, "bits": 1, "signed": false)"));
  EXPECT_EQ(site.forward(tensor({-5, -.1F, .1F, 5})), (std::vector<float>{-1, -1, 1, 1}));
}

TEST(GivenGrid, AReciprocalDecidesTheCode) {
  const Tensor x = tensor({.3F});
  EXPECT_EQ(Site(given_rule(R"("scales": 1)")).forward(x)[0], 0.0F);
  EXPECT_EQ(Site(given_rule(R"("scales": 1, "reciprocals": 2)")).forward(x)[0], 1.0F);
}

/// 200 values half way between two points of a grid of 0.25.
Tensor ties() {
  std::vector<float> x;
  for (int k = -100; k < 100; ++k) x.push_back((static_cast<float>(k) + 0.5F) * 0.25F);
  return tensor(x);
}
std::vector<std::int32_t> codes_of_ties(int zero_point, const std::string& add) {
  Site site(given_rule(R"("scales": 0.25, "bits": 10, "zero_points": )" +
                       std::to_string(zero_point) + R"(, "add_zero_point": ")" + add + "\""));
  return site.encode((site.forward(ties()), ties()));
}

TEST(GivenGrid, AnOddZeroPointBeforeRoundingMovesEveryTie) {
  for (const int zero_point : {0, 4, -6, 3, 7, -5}) {
    const auto after = codes_of_ties(zero_point, "after");
    const auto before = codes_of_ties(zero_point, "before");
    int differing = 0;
    for (std::size_t i = 0; i < after.size(); ++i) differing += after[i] != before[i];
    EXPECT_EQ(differing, zero_point % 2 == 0 ? 0 : 200) << zero_point;
    for (const std::int32_t code : before) EXPECT_EQ(code % 2, 0) << "half to even codes";
  }
}

/// The definitions in float32, one operation after the other.
std::int32_t code_by_definition(float x, float scale, int zero_point, bool divides, bool before) {
  float t = divides ? x / scale : x * (1.0F / scale);
  if (before) t += static_cast<float>(zero_point);
  const double code = std::nearbyint(t) + (before ? 0 : zero_point);
  return static_cast<std::int32_t>(std::clamp(code, -512.0, 511.0));
}

TEST(GivenGrid, QuotientAndZeroPointAreAsOtherToolsHaveThem) {
  const float scale = 0.0123F;
  std::vector<float> x = values(gaussian({20000}, 71, 2.0F));
  for (int k = -600; k < 600; ++k) x.push_back((static_cast<float>(k) + 0.5F) * scale);
  int differing = 0;
  for (const bool divides : {false, true}) {
    for (const bool before : {false, true}) {
      Site site(given_rule(R"("scales": 0.0123, "bits": 10, "zero_points": 3, "quotient": ")" +
                           std::string(divides ? "divide" : "inverse") +
                           R"(", "add_zero_point": ")" + (before ? "before" : "after") + "\""));
      const std::vector<float> y = site.forward(tensor(x));
      const std::vector<std::int32_t> codes = site.encode(tensor(x));
      for (std::size_t i = 0; i < x.size(); ++i) {
        ASSERT_EQ(codes[i], code_by_definition(x[i], scale, 3, divides, before)) << x[i];
        ASSERT_EQ(y[i], static_cast<float>(codes[i] - 3) * scale);
        differing +=
            divides && !before && codes[i] != code_by_definition(x[i], scale, 3, false, false);
      }
    }
  }
  EXPECT_GT(differing, 100) << "values half way tell a division from a product";
}

TEST(GivenGrid, ADividedGridMasksWhatWasClipped) {
  Site site(given_rule(R"("scales": 0.5, "bits": 3, "quotient": "divide")"));  // -4 .. 3 halves
  const Tensor x = tensor({-2.2F, -2, 1.5F, 1.8F});
  (void)site.forward(x);
  EXPECT_EQ(site.backward(x, tensor({1, 2, 3, 4})), (std::vector<float>{1, 2, 3, 0}));
  Site stochastic(R"({"quantizer": {"plugin": "given_grid", "scales": 1, "quotient": "divide",
                      "offsets": 0.5}, "rounding": {"plugin": "toward_negative"}})");
  EXPECT_EQ(stochastic.forward(tensor({1.4F, -0.6F})), (std::vector<float>{0.5F, -1.5F}));
}

TEST(GivenGrid, NeedsNoRangeAndNoCalibration) {
  Site site(given_rule(R"("scales": 0.5)"), {.name = "activation/test", .tracks_range = true});
  EXPECT_EQ(site.node.passes(), 0U);
  EXPECT_EQ(site.forward(tensor({0.5F}), false), std::vector<float>{0.5F});
}

TEST(GivenGrid, GradientIsMaskedWhereTheCodeWasClipped) {
  const Tensor x = tensor({-2.2F, -2, 1.5F, 1.8F}), dy = tensor({1, 2, 3, 4});  // -4 .. 3 halves
  Site site(given_rule(R"("scales": 0.5, "bits": 3)"));
  (void)site.forward(x);
  EXPECT_EQ(site.backward(x, dy), (std::vector<float>{1, 2, 3, 0}));
  Site identity(given_rule(R"("scales": 0.5, "bits": 3, "ste": "identity")"));
  (void)identity.forward(x);
  EXPECT_EQ(identity.backward(x, dy), values(dy));
}

TEST(GivenGrid, RefusesWhatIsNoGrid) {
  for (const char* parameters :
       {R"("scales": 0)", R"("scales": -1)", R"("scales": [])",
        R"("scales": [1, 2], "zero_points": [0, 0, 0])", R"("scales": 1, "code_min": 0)",
        R"("scales": 1, "code_min": 0, "code_max": 256)",
        R"("scales": 1, "code_min": 3, "code_max": 1)", R"("scales": 3e38)",
        R"("scales": 1, "bits_of_group": [1, 2], "code_min": -2, "code_max": 1)",
        R"("scales": [1, 1, 1], "bits_of_group": [8])", R"("scales": 1, "bits_of_group": [7])",
        R"("scales": 1, "zero_points": 0.5)", R"("bits": 8)"}) {
    EXPECT_THROW(Site(given_rule(parameters)), InputError) << parameters;
  }
}

TEST(GivenGrid, Conforms) {
  const Tensor x = gaussian({50, 301}, 6, 4.0F);
  expect_conforms(given_rule(R"("scales": 0.03, "zero_points": 11)"), x);
  expect_conforms(given_rule(R"("scales": 0.5, "bits": 4, "offsets": 0.3)"), x);
  expect_conforms(given_rule(R"("scales": 0.03, "zero_points": 11, "quotient": "divide",
                                "add_zero_point": "before", "granularity": "channel")"),
                  x);
}

}  // namespace
}  // namespace qloom::test
