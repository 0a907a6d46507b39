// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

const sites::SiteContext kReluSite{.name = "activation/test"};

std::string quant_relu(const std::string& parameters = "", const std::string& rounding = "") {
  return R"({"quantizer": {"plugin": "quant_relu")" + parameters + "}" + rounding + "}";
}
const char* const kRoundsUp = R"(, "rounding": {"plugin": "toward_positive"})";

TEST(QuantRelu, HasFourLevelsUpToItsEnd) {
  Site site(quant_relu(R"(, "end": 3)"), kReluSite);
  const Tensor x = tensor({-1.0F, 0.0F, 0.4F, 0.6F, 1.5F, 2.5F, 3.0F, 9.0F});
  EXPECT_EQ(site.forward(x), (std::vector<float>{0, 0, 0, 1, 2, 2, 3, 3}));
  EXPECT_EQ(site.encode(x), (std::vector<std::int32_t>{0, 0, 0, 1, 2, 2, 3, 3}));
  const auto encoding = site.node.encoding();
  EXPECT_EQ(encoding.bits, 2U);
  EXPECT_EQ(encoding.is_signed, 0U);
  EXPECT_EQ(encoding.grid.scale[0], 1.0F);
}

/// k alpha where (k - 1) alpha < x <= k alpha.
TEST(QuantRelu, RoundedUpItHasThePapersLevels) {
  Site site(quant_relu(R"(, "end": 3)", kRoundsUp), kReluSite);
  EXPECT_EQ(site.forward(tensor({-1.0F, 0.0F, 0.1F, 1.0F, 1.001F, 2.9F, 3.5F})),
            (std::vector<float>{0, 0, 1, 1, 2, 3, 3}));
}

/// Two hidden units with binary activations 1[t > 0], v = v* = (1, 1), |w| = |w*| = 1 and 60
/// degrees between them (Yin and others, 2019, lemmas 1 to 9): the mean of
///   <Z^T (mu'(Z w) o v) (y - y*), df/dw>,  y = v . 1[Z w > 0]
/// over Gaussian Z. df/dw = -(v . v*) / (2 pi) unit((I - w w^T) w*) = -(0, 1) / pi, w = (1, 0).
double coarse_descent(const std::string& ste, double clip) {
  constexpr std::size_t kSamples = 400000;
  const double theta = std::numbers::pi / 3;
  const auto z = values(gaussian({kSamples, 2, 2}, 11));
  std::vector<float> units;  // Z w
  for (std::size_t i = 0; i < z.size(); i += 2) units.push_back(z[i]);
  Site site(quant_relu(R"(, "bits": 1, "ste": ")" + ste + R"(", "end": )" + std::to_string(clip),
                       kRoundsUp));
  const auto level = site.forward(tensor(units));
  std::vector<float> error(units.size());  // v (y - y*)
  for (std::size_t s = 0; s < kSamples; ++s) {
    double difference = 0;
    for (std::size_t k = 2 * s; k < 2 * s + 2; ++k) {
      const double target = std::cos(theta) * z[2 * k] + std::sin(theta) * z[2 * k + 1];
      difference += level[k] / clip - (target > 0 ? 1.0 : 0.0);
    }
    error[2 * s] = error[2 * s + 1] = static_cast<float>(difference);
  }
  const auto coarse = site.backward(tensor(units), tensor(error));
  double sum = 0;
  for (std::size_t k = 0; k < coarse.size(); ++k) sum += double{coarse[k]} * z[2 * k + 1];
  return -sum / std::numbers::pi / kSamples;
}

/// A term has a deviation below 1, so the mean of 400000 one below 0.0016.
TEST(QuantRelu, CoarseGradientsDescendAsTheTheorySays) {
  EXPECT_NEAR(coarse_descent("identity", 1.0), 0.219948, 2.5e-3);
  EXPECT_NEAR(coarse_descent("relu", 1.0), 0.109974, 2.5e-3);
  EXPECT_NEAR(coarse_descent("clipped_relu", 1.0), 0.082677, 2.5e-3);
  EXPECT_NEAR(coarse_descent("clipped_relu", 2.0), 0.107673, 2.5e-3);
  const double step = coarse_descent("relu", 1.0) - coarse_descent("clipped_relu", 2.0);
  EXPECT_NEAR(step, 0.109974 - 0.107673, 5e-4);  // of the same samples
}

TEST(QuantRelu, GradientEndsAtTheLargestValue) {
  Site closed(quant_relu(R"(, "end": 2)")),
      open(quant_relu(R"(, "end": 2, "ste_inclusive": false)"));
  const Tensor x = tensor({-1.0F, 0.0F, 1.0F, 2.0F, 2.1F}), dy = tensor({1, 2, 3, 4, 5});
  closed.forward(x);
  open.forward(x);
  EXPECT_EQ(closed.backward(x, dy), (std::vector<float>{0, 0, 3, 4, 0}));
  EXPECT_EQ(open.backward(x, dy), (std::vector<float>{0, 0, 3, 0, 0}));
}

TEST(QuantRelu, Conforms) {
  for (const std::string parameters :
       {"", R"(, "bits": 1)", R"(, "bits": 8, "end": 6, "ste": "log_tailed")"}) {
    for (const std::string rounding : {"", R"(, "rounding": {"plugin": "stochastic"})"}) {
      expect_conforms(quant_relu(parameters, rounding), gaussian({9, 7, 5, 31}, 1), kReluSite);
      expect_conforms(quant_relu(parameters, rounding), gaussian({7}, 2), kReluSite);
    }
  }
  EXPECT_THROW(Site(quant_relu(R"(, "end": 0)")), InputError);
}

}  // namespace
}  // namespace qloom::test
