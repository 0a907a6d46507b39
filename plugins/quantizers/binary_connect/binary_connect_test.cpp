// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

std::string binary_connect(const std::string& parameters = "") {
  return R"({"quantizer": {"plugin": "binary_connect")" + parameters + "}}";
}

TEST(BinaryConnect, DeterministicWeightsAreSignsTimesTheMagnitude) {
  Site site(binary_connect(R"(, "magnitude": 0.5)"));
  const Tensor w = tensor({-1.5F, -0.1F, -0.0F, 0.0F, 0.2F});
  EXPECT_EQ(site.forward(w), (std::vector<float>{-0.5F, -0.5F, 0.5F, 0.5F, 0.5F}));
  EXPECT_EQ(site.forward(w, false), site.forward(w));
  EXPECT_EQ(site.encode(w), (std::vector<std::int32_t>{-1, -1, 1, 1, 1}));
  EXPECT_EQ(site.node.encoding().grid.scale[0], 0.5F);
  EXPECT_EQ(site.node.encoding().bits, 1U);
}

/// Mean H clip(w / H, -1, 1), variance H^2 - mean^2: of 100000 draws, within six deviations.
TEST(BinaryConnect, RandomWeightsHaveTheMeanOfTheHardTanh) {
  constexpr std::size_t kCount = 100000;
  constexpr float kH = 0.5F;
  Site site(binary_connect(R"(, "stochastic": true, "magnitude": 0.5)"));
  for (const float w : {-0.75F, -0.5F, -0.25F, 0.0F, 0.1F, 0.5F}) {
    double sum = 0;
    for (const float y : site.forward(tensor(std::vector<float>(kCount, w)))) {
      ASSERT_EQ(std::fabs(y), kH);
      sum += y;
    }
    const double mean = std::fmax(-0.5, std::fmin(double{w}, 0.5));
    const double deviation = std::sqrt((0.25 - mean * mean) / kCount);
    EXPECT_NEAR(sum / kCount, mean, 6 * deviation + 1e-12) << "w = " << w;
  }
}

TEST(BinaryConnect, EvaluationOfRandomWeightsTakesTheLatentOnes) {
  Site site(binary_connect(R"(, "stochastic": true)"));
  const Tensor w = uniform({1000}, 3, -0.9F, 0.9F);
  EXPECT_NE(site.forward(w), values(w));
  EXPECT_EQ(site.forward(w, false), values(w));
  EXPECT_THROW(site.encode(w), RunError);
}

TEST(BinaryConnect, TheGradientPassesUnchanged) {
  const Tensor w = tensor({-3.0F, 0.0F, 3.0F}), dy = tensor({1.0F, 2.0F, 3.0F});
  for (const std::string mode : {"", R"(, "stochastic": true)"}) {
    Site site(binary_connect(mode));
    site.forward(w);
    EXPECT_EQ(site.backward(w, dy), values(dy));
  }
}

/// The inverse of the authors' factor on the learning rate: 43.4511 of a dense layer from 784 to
/// 2048, 48 of a 3 x 3 convolution from 128 to 256.
TEST(BinaryConnect, GlorotsMagnitudeComesFromTheFans) {
  const std::pair<Shape, double> cases[] = {{{2048, 1, 1, 784}, 43.4511}, {{256, 3, 3, 128}, 48.0}};
  for (const auto& [shape, expected] : cases) {
    Site site(binary_connect(R"(, "magnitude": "glorot")"));
    EXPECT_NEAR(1.0 / std::fabs(site.forward(gaussian(shape, 1)).front()), expected,
                5e-5 * expected);
  }
}

TEST(BinaryConnect, Conforms) {
  for (const std::string parameters :
       {"", R"(, "stochastic": true)", R"(, "magnitude": "glorot", "stochastic": true)"}) {
    expect_conforms(binary_connect(parameters), gaussian({33, 3, 3, 31}, 1));
    expect_conforms(binary_connect(parameters), gaussian({7}, 2));
  }
}

}  // namespace
}  // namespace qloom::test
