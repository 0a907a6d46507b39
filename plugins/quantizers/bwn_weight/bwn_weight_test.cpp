// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

std::string bwn(const std::string& mode = "paper", const std::string& granularity = "tensor") {
  return R"({"quantizer": {"plugin": "bwn_weight", "grad_mode": ")" + mode +
         R"(", "granularity": ")" + granularity + R"("}})";
}

double bwn_error(const std::vector<float>& a, const std::vector<float>& b, double factor = 1.0) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::pow(a[i] - factor * b[i], 2);
  return sum;
}

TEST(BwnWeight, ScalesTheSignsByTheMeanMagnitude) {
  Site site(bwn());
  const std::vector<float> w{0.5F, -0.25F, 1.5F, -0.75F};
  const auto y = site.forward(tensor(w));
  EXPECT_EQ(y, (std::vector<float>{0.75F, -0.75F, 0.75F, -0.75F}));
  EXPECT_EQ(bwn_error(w, y), 0.875);  // sum w^2 - n alpha^2
  EXPECT_EQ(site.encode(tensor(w)), (std::vector<std::int32_t>{1, -1, 1, -1}));
  EXPECT_EQ(site.node.encoding().bits, 1U);
}

TEST(BwnWeight, AlphaIsTheBestScale) {
  const auto w = values(gaussian({1000}, 5));
  Site site(bwn());
  const auto y = site.forward(tensor(w));
  for (const double factor : {0.99, 1.01}) EXPECT_GT(bwn_error(w, y, factor), bwn_error(w, y));
}

/// alpha = sqrt(2 / pi) sigma, error 1 - 2 / pi of the variance; 400000 weights, five deviations.
TEST(BwnWeight, MeetsTheIntegralsOfGaussWeights) {
  const auto w = values(gaussian({400000}, 7));
  Site site(bwn());
  const auto y = site.forward(tensor(w));
  EXPECT_NEAR(std::fabs(y[0]), std::sqrt(2 / std::numbers::pi), 5 * 0.603 / 632);
  EXPECT_NEAR(bwn_error(w, y) / w.size(), 0.363380, 5e-3);
}

TEST(BwnWeight, GradientsMatchTheHandbook) {
  const Tensor w = tensor({0.5F, -0.25F, 1.5F, -0.75F}, {1, 2, 1, 2});  // two input channels
  const Tensor dy = tensor({0.1F, 0.2F, -0.3F, 0.4F}, {1, 2, 1, 2});
  const std::pair<const char*, std::vector<float>> cases[] = {
      {"paper", {0.1F, 0.2F, -0.075F, 0.4F}},
      {"exact", {-0.125F, 0.35F, -0.2F, 0.5F}},
      {"code", {0.2F, 0.4F, -0.15F, 0.8F}},
      {"identity", {0.1F, 0.2F, -0.3F, 0.4F}}};
  for (const auto& [mode, expected] : cases) {
    Site site(bwn(mode));
    site.forward(w);
    expect_near(site.backward(w, dy), expected, 1e-7);
  }
}

/// y_i = alpha(w) (sign(w0_i) + clip(w_i) - clip(w0_i)): slope 1 in place of the sign where
/// |w| <= 1.
TEST(BwnWeight, ExactGradientEqualsCentralDifferencesOfTheSurrogate) {
  const Tensor w = gaussian({4, 25}, 3), dy = gaussian({4, 25}, 4);
  Site site(bwn("exact", "channel"), {.name = "weight/test", .channel_axis = 0});
  site.forward(w);
  const auto dx = site.backward(w, dy);
  const auto clip = [](double v) { return std::clamp(v, -1.0, 1.0); };
  for (std::size_t k = 0; k < w.size(); ++k) {
    const std::size_t first = k / 25 * 25;
    const auto loss = [&](double moved) {
      double sum = 0, magnitudes = 0;
      for (std::size_t i = first; i < first + 25; ++i) {
        const double v = i == k ? moved : w[i];
        magnitudes += std::fabs(v);
        sum += dy[i] * ((w[i] < 0 ? -1.0 : 1.0) + clip(v) - clip(w[i]));
      }
      return magnitudes / 25 * sum;
    };
    if (std::fabs(std::fabs(w[k]) - 1) < 1e-4 || std::fabs(w[k]) < 1e-4) continue;
    EXPECT_NEAR(dx[k], (loss(w[k] + 1e-5) - loss(w[k] - 1e-5)) / 2e-5, 1e-5) << "element " << k;
  }
}

TEST(BwnWeight, EachFilterHasItsOwnScaleAndZerosStayZero) {
  Site site(bwn("paper", "channel"), {.name = "weight/test", .channel_axis = 0});
  const Tensor w = tensor({1.0F, -3.0F, 0.0F, 0.0F, -0.5F, 0.0F}, {3, 2});
  EXPECT_EQ(site.forward(w), (std::vector<float>{2, -2, 0, 0, -0.25F, 0.25F}));
  EXPECT_EQ(site.encode(w), (std::vector<std::int32_t>{1, -1, 0, 0, -1, 1}));
  const Tensor dy = tensor(std::vector<float>(6, 1.0F), {3, 2});
  EXPECT_EQ(site.backward(w, dy),  // dy (1 / n + alpha where |w| <= 1)
            (std::vector<float>{2.5F, 0.5F, 0.5F, 0.5F, 0.75F, 0.75F}));
}

TEST(BwnWeight, ASingleInputChannelStillLearnsFromTheCodesGradient) {
  Site site(bwn("code"));
  const Tensor w = tensor({0.5F, -0.5F}, {2, 1}), dy = tensor({1.0F, 1.0F}, {2, 1});
  site.forward(w);
  EXPECT_EQ(site.backward(w, dy), (std::vector<float>{2, 2}));  // (0.5 + 1 / 2) 2
}

TEST(BwnWeight, SaysWhatSharesAScale) {
  EXPECT_THROW(Site(R"({"quantizer": {"plugin": "bwn_weight"}})"), InputError);
  Site site(bwn());
  EXPECT_THROW(site.forward(tensor({1.0F, std::nanf("")})), RunError);
}

TEST(BwnWeight, Conforms) {
  for (const std::string mode : {"paper", "exact", "code", "identity"}) {
    expect_conforms(bwn(mode), gaussian({33, 3, 3, 31}, 1));
    expect_conforms(bwn(mode, "channel"), gaussian({33, 3, 3, 31}, 1),
                    {.name = "weight/test", .channel_axis = 0});
    expect_conforms(bwn(mode), gaussian({7}, 2));
  }
}

}  // namespace
}  // namespace qloom::test
