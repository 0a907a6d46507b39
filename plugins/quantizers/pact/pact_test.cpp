// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

std::string pact(const std::string& parameters = "", const std::string& rounding = "") {
  return R"({"quantizer": {"plugin": "pact")" + parameters + "}" + rounding + "}";
}

TEST(Pact, MatchesTheHandbookWithTwoBits) {
  Site site(pact(R"(, "bits": 2, "alpha": 6.0)"));  // step 2
  EXPECT_EQ(site.forward(tensor({-1.0F, 0.0F, 2.5F, 3.0F, 6.0F, 9.0F})),
            (std::vector<float>{0, 0, 2, 4, 6, 6}));
  EXPECT_EQ(site.encode(tensor({-1.0F, 0.0F, 2.5F, 3.0F, 6.0F, 9.0F})),
            (std::vector<std::int32_t>{0, 0, 1, 2, 3, 3}));
  const auto encoding = site.node.encoding();
  EXPECT_EQ(encoding.kind, static_cast<std::uint32_t>(QLOOM_ENCODING_AFFINE));
  EXPECT_EQ(encoding.bits, 2U);
  EXPECT_EQ(encoding.is_signed, 0U);
  EXPECT_EQ(encoding.grid.scale[0], 2.0F);
}

TEST(Pact, GradientMatchesTheHandbook) {
  Site site(pact(R"(, "alpha": 6.0)"));
  const Tensor x = tensor({7.0F, 8.0F, 1.0F, -1.0F});
  site.forward(x);
  EXPECT_EQ(site.backward(x, tensor({1.0F, 2.0F, 3.0F, 4.0F})), (std::vector<float>{0, 0, 3, 0}));
  EXPECT_EQ(site.learned_gradient("alpha"), 3.0F);
}

TEST(Pact, GradientStopsAtAlphaAndPassesAtZero) {
  Site site(pact(R"(, "alpha": 6.0)"));
  const Tensor x = tensor({0.0F, -0.0F, std::nextafter(6.0F, 0.0F), 6.0F, -1e-30F});
  site.forward(x);
  EXPECT_EQ(site.backward(x, tensor({1.0F, 2.0F, 3.0F, 4.0F, 5.0F})),
            (std::vector<float>{1, 2, 3, 0, 0}));
  EXPECT_EQ(site.learned_gradient("alpha"), 4.0F);
}

/// The clip without rounding is linear in alpha where no element crosses it.
TEST(Pact, OriginalGradientOfAlphaIsThatOfTheClip) {
  const Tensor x = uniform({4000}, 3, -2.0F, 10.0F), dy = gaussian({4000}, 4);
  Site site(pact(R"(, "alpha": 6.0)"));
  site.forward(x);
  site.backward(x, dy);
  double expected = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto clip = [&](double alpha) { return std::min(std::max(double{x[i]}, 0.0), alpha); };
    if (std::fabs(x[i] - 6.0F) < 1e-3F) continue;
    expected += dy[i] * (clip(6.0 + 1e-4) - clip(6.0 - 1e-4)) / 2e-4;
  }
  double at_alpha = 0;  // the elements left out
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::fabs(x[i] - 6.0F) < 1e-3F && x[i] >= 6.0F) at_alpha += dy[i];
  }
  EXPECT_NEAR(site.learned_gradient("alpha"), expected + at_alpha, 1e-3);
}

/// Surrogate: y = alpha / n (n / alpha clip(x) + c), c = code - n / alpha clip(x) frozen.
TEST(Pact, FullGradientOfAlphaEqualsCentralDifferencesOfTheSurrogate) {
  const Tensor x = uniform({4000}, 3, -2.0F, 10.0F), dy = gaussian({4000}, 4);
  const std::string stochastic = R"(, "rounding": {"plugin": "stochastic"})";
  for (const std::string& rounding : {std::string(), stochastic}) {
    Site site(pact(R"(, "bits": 3, "alpha": 6.0, "alpha_grad": "full")", rounding));
    site.forward(x);
    const auto codes = site.encode(x);
    site.backward(x, dy);
    double expected = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto clip = [&](double alpha) { return std::min(std::max(double{x[i]}, 0.0), alpha); };
      const double frozen = codes[i] - 7.0 / 6.0 * clip(6.0);
      const auto y = [&](double alpha) { return alpha / 7 * (7 / alpha * clip(alpha) + frozen); };
      const bool is_clipped = x[i] >= 6.0F;
      expected += dy[i] * (is_clipped ? 1.0 : (y(6.0 + 1e-6) - y(6.0 - 1e-6)) / 2e-6);
    }
    EXPECT_NEAR(site.learned_gradient("alpha"), expected, 1e-3);
  }
}

TEST(Pact, AllNegativeGivesZeroAndNoGradient) {
  for (const std::string grad : {"original", "full"}) {
    Site site(pact(R"(, "alpha_grad": ")" + grad + R"(")"));
    const Tensor x = tensor({-1.0F, -5.0F});
    EXPECT_EQ(site.forward(x), (std::vector<float>{0, 0}));
    EXPECT_EQ(site.backward(x, tensor({1.0F, 1.0F})), (std::vector<float>{0, 0}));
    EXPECT_EQ(site.learned_gradient("alpha"), 0.0F);
  }
}

TEST(Pact, LargeAlphaAndManyBitsApproachRelu) {
  Site site(pact(R"(, "bits": 8, "alpha": 4.0)"));
  const Tensor x = gaussian({999}, 2);
  const auto y = site.forward(x);
  for (std::size_t i = 0; i < x.size(); ++i) {
    EXPECT_NEAR(y[i], std::max(x[i], 0.0F), 4.0 / 255 / 2 + 1e-6);
  }
}

TEST(Pact, IsIdempotentAndNeverFalls) {
  Site site(pact(R"(, "bits": 3, "alpha": 2.5)"));
  auto x = values(gaussian({999}, 7, 2.0F));
  std::sort(x.begin(), x.end());
  const auto y = site.forward(tensor(x));
  EXPECT_TRUE(std::is_sorted(y.begin(), y.end()));
  EXPECT_EQ(site.forward(tensor(y)), y);
}

TEST(Pact, AlphaIsKeptAtItsMinimum) {
  Site site(pact());
  site.forward(tensor({1.0F}));
  site.learned_value("alpha") = -3.0F;
  site.node.after_update();
  EXPECT_EQ(site.learned_value("alpha"), 0.001F);
  site.learned_value("alpha") = std::nanf("");
  EXPECT_THROW(site.node.after_update(), RunError);
}

TEST(Pact, AlphaHasItsRateAndDecay) {
  Site site(pact(R"(, "rate_factor": 0.5, "decay_factor": 3)"));
  site.forward(tensor({1.0F}));
  const auto& alpha = site.node.learned().at(0);
  EXPECT_EQ(*alpha.value, 8.0F);
  EXPECT_EQ(alpha.rate_factor, 0.5);
  EXPECT_EQ(alpha.decay_factor, 3.0);
}

TEST(Pact, FirstBatchSetsAlphaToItsMaximumOnce) {
  Site site(pact(R"(, "alpha": 5.0, "initial": "first_tensor")"));
  site.forward(tensor({-9.0F, 2.5F, 1.0F}));
  EXPECT_EQ(site.learned_value("alpha"), 2.5F);
  site.forward(tensor({100.0F}));
  EXPECT_EQ(site.learned_value("alpha"), 2.5F);
  Site dark(pact(R"(, "alpha": 5.0, "initial": "first_tensor")"));
  dark.forward(tensor({-9.0F, 0.0F}));
  EXPECT_EQ(dark.learned_value("alpha"), 5.0F);
}

TEST(Pact, EachChannelLearnsItsOwnAlpha) {
  Site site(pact(R"(, "initial": "first_tensor", "granularity": "channel", "bits": 2)"));
  const Tensor x = tensor({3.0F, 6.0F, 1.0F, 1.0F, -1.0F, 9.0F}, {3, 2});  // channels innermost
  EXPECT_EQ(site.forward(x), (std::vector<float>{3, 6, 1, 0, 0, 9}));
  site.backward(x, tensor({1.0F, 2.0F, 4.0F, 8.0F, 16.0F, 32.0F}, {3, 2}));
  EXPECT_EQ(site.node.learned().at(0).gradient, (std::vector<float>{1, 32}));
}

TEST(Pact, TheLossOfAlphaPullsItDown) {
  // nothing clipped: alpha' = alpha (1 - 2 rate lambda) a step, by the gradient 2 lambda alpha
  Site site(pact(R"(, "alpha": 4.0, "alpha_l2": 0.125)"));
  const Tensor x = tensor({1.0F, 2.0F});
  site.forward(x);
  site.backward(x, tensor({3.0F, -1.0F}));
  EXPECT_EQ(site.node.learned().at(0).gradient, (std::vector<float>{2 * 0.125F * 4}));
}

TEST(Pact, RefusesBitsOutsideTwoToEightAndAlphaOfZero) {
  for (const std::string bad : {R"(, "bits": 1)", R"(, "bits": 9)", R"(, "alpha": 0)",
                                R"(, "granularity": {"group": 4})"}) {
    EXPECT_THROW(Site site(pact(bad)), InputError) << bad;
  }
}

TEST(Pact, Conforms) {
  for (const std::string parameters :
       {R"(, "alpha": 1.5)", R"(, "bits": 8, "initial": "first_tensor")",
        R"(, "alpha_grad": "full", "alpha": 1.0)", R"(, "granularity": "channel", "alpha": 0.7)"}) {
    for (const std::string rounding : {"", R"(, "rounding": {"plugin": "stochastic"})"}) {
      expect_conforms(pact(parameters, rounding), gaussian({9, 7, 5, 31}, 1),
                      {.name = "activation/test"});
      expect_conforms(pact(parameters, rounding), gaussian({7}, 2), {.name = "activation/test"});
    }
  }
}

}  // namespace
}  // namespace qloom::test
