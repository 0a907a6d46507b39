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

std::string ttq(const std::string& parameters = "") {
  return R"({"quantizer": {"plugin": "ttq")" + parameters + "}}";
}

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * double{b[i]};
  return sum;
}

TEST(Ttq, MatchesTheHandbookForwardAndBackward) {
  const Tensor w = tensor({1.0F, 0.5F, 0.02F, -0.03F, -0.4F});
  const Tensor dy = tensor({0.1F, -0.2F, 0.3F, 0.4F, 0.5F});
  Site site(ttq());
  EXPECT_EQ(site.forward(w), (std::vector<float>{1, 1, 0, 0, -1}));  // scales start at 1
  site.learned_value("positive") = 0.8F;
  site.learned_value("negative") = 0.6F;
  EXPECT_EQ(site.forward(w), (std::vector<float>{0.8F, 0.8F, 0, 0, -0.6F}));
  expect_near(site.backward(w, dy), {0.08F, -0.16F, 0.3F, 0.4F, 0.3F}, 1e-7);
  EXPECT_NEAR(site.learned_gradient("positive"), -0.1, 1e-7);
  EXPECT_NEAR(site.learned_gradient("negative"), -0.5, 1e-7);
  EXPECT_EQ(site.encode(w), (std::vector<std::int32_t>{2, 2, 1, 1, 0}));
}

/// The output is linear in the scales: central differences are exact but for the float result.
TEST(Ttq, GradientsOfTheScalesEqualCentralDifferences) {
  const Tensor w = gaussian({501}, 4);
  const Tensor dy = gaussian({501}, 5);
  for (const std::string name : {"positive", "negative"}) {
    Site site(ttq());
    site.forward(w);
    site.backward(w, dy);
    const double gradient = site.learned_gradient(name);
    site.learned_value(name) = 1.25F;
    const double above = dot(site.forward(w), values(dy));
    site.learned_value(name) = 0.75F;
    const double below = dot(site.forward(w), values(dy));
    EXPECT_NEAR(gradient, (above - below) / 0.5, 1e-4) << name;
    EXPECT_GT(std::fabs(gradient), 1.0) << name;  // large enough for the sign to matter
  }
}

TEST(Ttq, StartsAtTheMeanOfEachSideOnRequest) {
  const Tensor w = tensor({1.0F, 0.5F, 0.02F, -0.03F, -0.4F, -0.2F});
  Site site(ttq(R"(, "initial": "mean")"));
  expect_near(site.forward(w), {0.75F, 0.75F, 0, 0, -0.3F, -0.3F}, 1e-7);
}

/// For fixed codes the side means have the least squared error.
TEST(Ttq, SideMeansAreAMinimumOfTheSquaredError) {
  const Tensor w = gaussian({999}, 9);
  Site site(ttq(R"(, "initial": "mean", "threshold": 0.2)"));
  const auto error = [&] {
    auto y = site.forward(w);
    for (std::size_t i = 0; i < y.size(); ++i) y[i] -= w[i];
    return dot(y, y);
  };
  const double least = error();
  for (const std::string name : {"positive", "negative"}) {
    for (const float change : {-0.1F, 0.1F}) {
      site.learned_value(name) += change;
      EXPECT_GT(error(), least) << name;
      site.learned_value(name) -= change;
    }
  }
}

TEST(Ttq, SparsityIsTheShareOfZeros) {
  const Tensor w = gaussian({1000}, 6);
  for (const int percent : {0, 10, 50, 90}) {
    Site site(ttq(R"(, "sparsity": )" + std::to_string(percent / 100.0)));
    const auto y = site.forward(w);
    EXPECT_EQ(std::count(y.begin(), y.end(), 0.0F), 10 * percent);
  }
}

TEST(Ttq, SparsityKeepsTheLargestMagnitudes) {
  Site site(ttq(R"(, "sparsity": 0.6)"));
  EXPECT_EQ(site.forward(tensor({0.1F, -0.9F, 0.3F, 0.5F, -0.2F})),
            (std::vector<float>{0, -1, 0, 1, 0}));
}

TEST(Ttq, ThresholdIsStrictAndAShareOfTheMaximum) {
  Site site(ttq(R"(, "threshold": 0.5)"));
  EXPECT_EQ(site.forward(tensor({-4.0F, 2.0F, -2.0F, 2.0001F, 0.0F})),
            (std::vector<float>{-1, 0, 0, 1, 0}));
}

TEST(Ttq, ZerosStayZeroAndPassTheirGradient) {
  Site site(ttq(R"(, "initial": "mean")"));
  const Tensor w = tensor({0.0F, 0.0F, 0.0F});
  const Tensor dy = tensor({1.0F, -2.0F, 3.0F});
  EXPECT_EQ(site.forward(w), values(w));
  EXPECT_EQ(site.backward(w, dy), values(dy)) << "no scale yet";
  site.forward(tensor({1.0F, -1.0F, 0.0F}));
  EXPECT_EQ(site.forward(w), values(w));
  EXPECT_EQ(site.backward(w, dy), values(dy));
  EXPECT_EQ(site.learned_gradient("positive"), 0.0F);
  EXPECT_EQ(site.learned_gradient("negative"), 0.0F);
}

TEST(Ttq, AnEmptySideHasGradientZero) {
  Site site(ttq());
  const Tensor w = tensor({1.0F, 0.9F, 0.0F});
  site.forward(w);
  site.backward(w, tensor({1.0F, 1.0F, 1.0F}));
  EXPECT_EQ(site.learned_gradient("positive"), 2.0F);
  EXPECT_EQ(site.learned_gradient("negative"), 0.0F);
}

TEST(Ttq, NegativeScalesBecomeZeroAfterAnUpdate) {
  Site site(ttq());
  const Tensor w = tensor({1.0F, -1.0F});
  site.forward(w);
  site.learned_value("positive") = -0.25F;
  site.learned_value("negative") = -0.5F;
  site.node.after_update();
  const auto y = site.forward(w);
  EXPECT_EQ(y, (std::vector<float>{0, 0}));
  EXPECT_FALSE(std::signbit(y[1]));
}

TEST(Ttq, ScalesHaveTheirOwnRateAndNoDecay) {
  Site site(ttq(R"(, "rate_factor": 0.1)"));
  site.forward(tensor({1.0F}));
  for (const auto& l : site.node.learned()) {
    EXPECT_EQ(l.rate_factor, 0.1);
    EXPECT_EQ(l.decay_factor, 0.0);
  }
}

TEST(Ttq, IsExportedAsACodebook) {
  Site site(ttq());
  site.forward(tensor({1.0F, -1.0F}));
  site.learned_value("positive") = 0.8F;
  site.learned_value("negative") = 0.6F;
  site.forward(tensor({1.0F, -1.0F}));
  const auto encoding = site.node.encoding();
  ASSERT_EQ(encoding.kind, static_cast<std::uint32_t>(QLOOM_ENCODING_CODEBOOK));
  EXPECT_EQ(encoding.bits, 2U);
  ASSERT_EQ(encoding.codebook_size, 3U);
  EXPECT_EQ(encoding.codebook[0], -0.6F);
  EXPECT_EQ(encoding.codebook[1], 0.0F);
  EXPECT_EQ(encoding.codebook[2], 0.8F);
}

/// Channels innermost, so that a block runs through all groups many times.
TEST(Ttq, EachChannelLearnsItsOwnScales) {
  constexpr std::size_t kChannels = 5, kRows = 2000;
  const Tensor w = gaussian({kRows, kChannels}, 12), dy = gaussian({kRows, kChannels}, 13);
  Site site(ttq(R"(, "granularity": "channel")"), {.name = "weight/a", .channel_axis = 1});
  const auto y = site.forward(w);
  site.backward(w, dy);
  for (std::size_t c = 0; c < kChannels; ++c) {
    double largest = 0, positive = 0, negative = 0;
    for (std::size_t i = c; i < w.size(); i += kChannels) {
      largest = std::max(largest, std::fabs(double{w[i]}));
    }
    const auto delta = static_cast<float>(0.05 * largest);
    for (std::size_t i = c; i < w.size(); i += kChannels) {
      ASSERT_EQ(y[i], w[i] > delta ? 1.0F : w[i] < -delta ? -1.0F : 0.0F);
      if (w[i] > delta) positive += dy[i];
      if (w[i] < -delta) negative -= dy[i];
    }
    EXPECT_NEAR(site.node.learned().at(0).gradient.at(c), positive, 1e-5);
    EXPECT_NEAR(site.node.learned().at(1).gradient.at(c), negative, 1e-5);
  }
}

TEST(Ttq, RefusesNanAndAChangedNumberOfGroups) {
  Site site(ttq(R"(, "granularity": "channel")"), {.name = "weight/a", .channel_axis = 0});
  EXPECT_THROW(site.forward(tensor({1.0F, std::nanf("")})), RunError);
  site.forward(gaussian({4, 3}, 1));
  EXPECT_THROW(site.forward(gaussian({5, 3}, 1)), RunError);
}

TEST(Ttq, Conforms) {
  for (const std::string parameters :
       {"", R"(, "initial": "mean")", R"(, "sparsity": 0.4)", R"(, "granularity": "channel")",
        R"(, "granularity": {"group": 50}, "sparsity": 0.3, "initial": "mean")"}) {
    expect_conforms(ttq(parameters), gaussian({33, 3, 3, 31}, 1));
    expect_conforms(ttq(parameters), gaussian({33, 3, 3, 31}, 1),
                    {.name = "weight/test", .channel_axis = 0});
    expect_conforms(ttq(parameters), gaussian({7}, 2));
  }
}

TEST(Ttq, SparsityOfEqualValuesIsRefusedWhereNothingWouldBeLeft) {
  Site site(R"({"quantizer": {"plugin": "ttq", "sparsity": 0.5}})");
  try {
    site.forward(tensor({0.5F, -0.5F, 0.5F, 0.5F}));
    ADD_FAILURE() << "expected a refusal";
  } catch (const RunError& e) {
    EXPECT_NE(
        std::string(e.what()).find("the largest magnitude of group 0 is 0.5, its threshold 0.5"),
        std::string::npos)
        << e.what();
  }
  EXPECT_EQ(site.forward(tensor({0, 0, 0})), (std::vector<float>{0, 0, 0}));
  // one channel of two may become zero
  Site channels(R"({"quantizer": {"plugin": "ttq", "sparsity": 0.5, "granularity": "channel"}})",
                {.name = "weight/test", .channel_axis = 0});
  EXPECT_EQ(channels.forward(tensor({1, 1, 1, 2}, {2, 2})), (std::vector<float>{0, 0, 0, 1}));
}

}  // namespace
}  // namespace qloom::test
