// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

std::string abc_weight(int bases, const std::string& more = "") {
  return R"({"quantizer": {"plugin": "abc_weight", "bases": )" + std::to_string(bases) + more +
         "}}";
}

std::vector<float> abc_alphas(Site& site) {
  const auto encoding = site.node.encoding();
  return {encoding.codebook, encoding.codebook + encoding.bases};
}

double abc_error(const std::vector<float>& w, const std::vector<float>& y) {
  double sum = 0;
  for (std::size_t i = 0; i < w.size(); ++i) sum += std::pow(double{w[i]} - y[i], 2);
  return sum;
}

TEST(AbcWeight, MatchesTheHandbookOnSixWeights) {
  Site site(abc_weight(3));
  const std::vector<float> w{0.9F, -0.4F, 0.1F, -1.2F, 0.6F, 0.3F};
  const auto y = site.forward(tensor(w));
  // B1 = {1,-1,-1,-1,-1,-1}, B2 = {1,-1,1,-1,1,1}, B3 = {1,1,1,-1,1,1}
  EXPECT_EQ(site.encode(tensor(w)), (std::vector<std::int32_t>{7, 4, 6, 0, 6, 6}));
  expect_near(abc_alphas(site), {0.358333F, 0.366667F, 0.325F}, 1e-6);
  EXPECT_NEAR(abc_error(w, y), 0.171667, 1e-6);
  const auto encoding = site.node.encoding();
  EXPECT_EQ(encoding.kind, static_cast<std::uint32_t>(QLOOM_ENCODING_BASES));
  EXPECT_EQ(encoding.bits, 3U);
  EXPECT_EQ(encoding.bases, 3U);
}

/// The deviation divides by n: with n - 1 all of B1 would be -1.
TEST(AbcWeight, TakesThePopulationsDeviation) {
  Site site(abc_weight(3));
  const std::vector<float> w{0.9F, -0.4F, 0.1F, 0.7F};
  const auto y = site.forward(tensor(w));
  const auto codes = site.encode(tensor(w));
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(codes[i] & 1, i == 0 ? 1 : 0);
  expect_near(abc_alphas(site), {-0.025F, 0.3F, 0.375F}, 1e-6);
  EXPECT_NEAR(abc_error(w, y), 0.125, 1e-6);
}

/// 400000 normal weights: alpha and the error vary by less than 2e-3.
TEST(AbcWeight, MeetsTheIntegralsOfGaussWeights) {
  const auto w = values(gaussian({400000}, 7));
  const std::pair<int, std::vector<float>> alphas[] = {
      {1, {0.7979F}},
      {2, {0.7626F, 0.7626F}},
      {3, {0.5326F, 0.4599F, 0.5326F}},
      {5, {0.3953F, 0.2449F, 0.2448F, 0.2449F, 0.3953F}}};
  const double errors[] = {0.36338, 0.26192, 0.11755, 0.07723};
  for (std::size_t k = 0; k < 4; ++k) {
    Site site(abc_weight(alphas[k].first));
    const auto y = site.forward(tensor(w));
    expect_near(abc_alphas(site), alphas[k].second, 6e-3);
    EXPECT_NEAR(abc_error(w, y) / 400000, errors[k], 3e-3) << alphas[k].first << " bases";
  }
}

TEST(AbcWeight, TheErrorIsOrthogonalToEveryBase) {
  const auto w = values(gaussian({999}, 3));
  Site site(abc_weight(4));
  const auto y = site.forward(tensor(w));
  const auto codes = site.encode(tensor(w));
  for (int i = 0; i < 4; ++i) {
    double dot = 0;
    for (std::size_t k = 0; k < w.size(); ++k) {
      dot += (double{w[k]} - y[k]) * ((codes[k] >> i & 1) != 0 ? 1 : -1);
    }
    EXPECT_NEAR(dot / 999, 0, 1e-7) << "base " << i;  // the float32 of y, and the ridge
  }
}

/// Two weights have two different bases at most: 1, 1, -1 of the thresholds -2, .5 and 3, then all.
TEST(AbcWeight, EqualBasesShareTheirScale) {
  Site site(abc_weight(5));
  expect_near(site.forward(tensor({-2, 3})), {-2, 3}, 1e-6);
  const auto alpha = abc_alphas(site);
  const auto codes = site.encode(tensor({-2, 3}));
  for (int i = 0; i < 5; ++i) {
    for (int j = 0; j < 5; ++j) {
      const bool are_equal =
          ((codes[0] >> i ^ codes[0] >> j) & 1) == 0 && ((codes[1] >> i ^ codes[1] >> j) & 1) == 0;
      if (!are_equal) continue;
      EXPECT_NEAR(alpha[i], alpha[j], 1e-6) << i << " and " << j;
    }
  }
}

TEST(AbcWeight, EqualWeightsAreExactAndZerosStayZero) {
  for (const int bases : {1, 3, 6}) {
    Site site(abc_weight(bases));
    for (const float v : {0.3F, -0.3F, 0.0F}) {
      const Tensor w = tensor({v, v, v});
      expect_near(site.forward(w), {v, v, v}, 1e-8);
      if (v == 0) continue;  // the host passes the gradient of zeros on unchanged
      expect_near(site.backward(w, tensor({1, 1, 1})), std::vector<float>(3, std::fabs(v)), 1e-7);
    }
  }
}

TEST(AbcWeight, ScalesWithTheWeights) {
  const auto w = values(gaussian({999}, 3));
  auto scaled = w;
  for (float& v : scaled) v *= 8.0F;
  Site site(abc_weight(3));
  auto y = site.forward(tensor(w));
  for (float& v : y) v *= 8.0F;
  EXPECT_EQ(site.forward(tensor(scaled)), y);
}

TEST(AbcWeight, TheGradientIsScaledByTheSumOfAlphaAndMaskedOnRequest) {
  const Tensor w = tensor({0.9F, -0.4F, 0.1F, -1.2F, 0.6F, 0.3F});
  const Tensor dy = tensor({1, 2, 3, 4, 5, 6});
  Site plain(abc_weight(3)), masked(abc_weight(3, R"(, "ste": "hard_tanh")"));
  plain.forward(w);
  masked.forward(w);
  const float s = 1.05F;
  expect_near(plain.backward(w, dy), {s, 2 * s, 3 * s, 4 * s, 5 * s, 6 * s}, 1e-5);
  expect_near(masked.backward(w, dy), {s, 2 * s, 3 * s, 0, 5 * s, 6 * s}, 1e-5);
}

/// The sum of alpha is the largest float32 here: twice it is beyond.
TEST(AbcWeight, TheGradientEndsAtTheLargestFloat) {
  constexpr float kTop = std::numeric_limits<float>::max(), kInf = HUGE_VALF;
  const Tensor w = tensor({kTop, kTop, kTop, kTop});
  for (const int bases : {1, 2}) {
    Site site(abc_weight(bases));
    EXPECT_EQ(site.forward(w), std::vector<float>(4, kTop));
    EXPECT_EQ(site.backward(w, tensor({2, -4, 0.5F, kInf})),
              (std::vector<float>{kTop, -kTop, kTop / 2, kInf}));
    EXPECT_TRUE(std::isnan(site.backward(w, tensor({std::nanf(""), 0, 0, 0}))[0]));
  }
}

TEST(AbcWeight, EachChannelIsATensorOfItsOwn) {
  const Tensor w = gaussian({4, 3, 5}, 17);
  const auto all = values(w);
  Site site(abc_weight(3, R"(, "granularity": "channel")"),
            {.name = "weight/a", .channel_axis = 0});
  const auto y = site.forward(w);
  for (std::size_t c = 0; c < 4; ++c) {
    Site one(abc_weight(3));
    const std::vector<float> part(all.begin() + 15 * c, all.begin() + 15 * (c + 1));
    EXPECT_EQ(one.forward(tensor(part)),
              std::vector<float>(y.begin() + 15 * c, y.begin() + 15 * (c + 1)));
  }
}

TEST(AbcWeight, Conforms) {
  for (const int bases : {1, 2, 6}) {
    expect_conforms(abc_weight(bases), gaussian({33, 3, 3, 31}, 1));
    expect_conforms(abc_weight(bases, R"(, "granularity": "channel", "ste": "hard_tanh")"),
                    gaussian({33, 3, 3, 31}, 1), {.name = "weight/test", .channel_axis = 0});
    expect_conforms(abc_weight(bases), gaussian({7}, 2));
  }
  Site site(abc_weight(3));
  EXPECT_THROW(site.forward(tensor({1.0F, std::nanf("")})), RunError);
}

}  // namespace
}  // namespace qloom::test
