// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>

#include "tests/support/observer.hpp"

namespace qloom::test {
namespace {

const std::vector<float> kWeights{0.3F, -0.1F, 0.05F, -0.4F, 0.2F, 0.15F};

double clip_of(const std::string& params, const std::vector<float>& w, std::uint32_t bits) {
  const qloom_range r = observed("sawb", params, w, grid_of(bits, true))[0];
  EXPECT_EQ(r.lo, -r.hi);
  return r.hi;
}

TEST(Sawb, IsTheStraightLineThroughTheTwoMeans) {
  // Handbook 4: rms .232737, mean .2
  EXPECT_NEAR(clip_of(R"({"levels": "even"})", kWeights, 2), 0.313340, 1e-6);
  EXPECT_NEAR(clip_of(R"({"levels": "odd"})", kWeights, 4), 0.394994, 1e-6);
  EXPECT_NEAR(clip_of(R"({"levels": "even"})", kWeights, 4), 0.391109, 1e-6);
  EXPECT_NEAR(clip_of(R"({"coefficients": [2, -1]})", kWeights, 6), 2 * 0.232737 - 0.2, 1e-6);
}

TEST(Sawb, OfNormalValuesIsThePublishedLine) {
  const auto w = values(gaussian({400000}, 3));
  const double expected[][2] = {{2, 1.4732}, {3, 2.0100}, {4, 2.4671}, {5, 2.8674}, {8, 3.8021}};
  for (const auto& [bits, a] : expected) {
    EXPECT_NEAR(clip_of(R"({"levels": "even"})", w, static_cast<std::uint32_t>(bits)), a, 0.02 * a);
  }
  EXPECT_NEAR(clip_of(R"({"levels": "odd"})", w, 2), 1.2356, 0.02);
  EXPECT_NEAR(clip_of(R"({"levels": "odd"})", w, 4), 2.4364, 0.04);
}

TEST(Sawb, ChoosesTheGridByTheNumberOfCodes) {
  qloom_range_context odd = grid_of(4, true);
  odd.levels = 15;
  EXPECT_NEAR(observed("sawb", "{}", kWeights, odd)[0].hi, 0.394994, 1e-6);
  EXPECT_NEAR(observed("sawb", "{}", kWeights, grid_of(4, true))[0].hi, 0.391109, 1e-6);
}

TEST(Sawb, ValuesOfOneMagnitudeFallBackToIt) {
  // a / m: 1.056, 0.617, -0.120 for 2, 3, 4 bits
  const std::vector<float> w{0.5F, -0.5F, 0.5F};
  EXPECT_NEAR(clip_of(R"({"levels": "even"})", w, 2), 0.5 * 1.056, 1e-6);
  EXPECT_NEAR(clip_of(R"({"levels": "even"})", w, 3), 0.5 * 0.617, 1e-6);
  EXPECT_EQ(clip_of(R"({"levels": "even"})", w, 4), 0.5);
  EXPECT_EQ(clip_of("{}", {0, 0}, 2), 0.0);
}

TEST(Sawb, GivesThePublishedCodes) {
  const std::string even = R"({"quantizer": {"plugin": "affine", "bits": 2, "exact_zero": false},
                               "range": {"plugin": "sawb"}})";
  Site site(even);
  expect_near(site.forward(tensor(kWeights)),
              {0.31334F, -0.10445F, 0.10445F, -0.31334F, 0.10445F, 0.10445F}, 1e-5);
  const std::string odd = R"({"quantizer": {"plugin": "affine", "bits": 4, "symmetric": true,
                               "narrow_range": true}, "range": {"plugin": "sawb"}})";
  Site other(odd);
  const float s = 0.394994F / 7;
  expect_near(other.forward(tensor(kWeights)), {5 * s, -2 * s, s, -7 * s, 4 * s, 3 * s}, 1e-5);
}

TEST(Sawb, RefusesAWidthWithoutCoefficients) {
  Observer observer("sawb", R"({"levels": "odd"})", grid_of(5, true));
  EXPECT_THROW(observer.begin(0), std::runtime_error);
}

TEST(Sawb, FollowsTheRulesOfEstimators) { expect_observer_rules("sawb", "{}", 1e-12); }

}  // namespace
}  // namespace qloom::test
