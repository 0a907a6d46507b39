// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>

#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

std::string tga_rule(double threshold, const std::string& more = "") {
  return R"({"quantizer": {"plugin": "tga_ternary", "initial": )" + std::to_string(threshold) +
         more + "}}";
}
/// Values of this mean and population deviation; both signs lie beyond the thresholds below.
std::vector<float> with_moments(double mean, double deviation) {
  return {static_cast<float>(mean + deviation), static_cast<float>(mean - deviation)};
}

TEST(TgaTernary, ScaleAndItsSlopeAreThoseOfTheHandbook) {
  struct Row {
    double mean, deviation, threshold, scale, slope;
  };
  for (const Row& row : {Row{0, 1, .5, 1.141078, .731520}, Row{0, 1, .612003, 1.224006, .749096},
                         Row{0, 1, .999, 1.524334, .800784}, Row{.1, 1, .5, 1.144944, .731095},
                         Row{0, 2, 1, 2.282156, .731520}}) {
    const Tensor w = tensor(with_moments(row.mean, row.deviation));
    Site site(tga_rule(row.threshold));
    const auto y = site.forward(w);
    // the row at .999 is the handbook's at 1, moved by its slope
    const double tolerance = row.threshold == .999 ? 2e-5 : 1e-6;
    EXPECT_NEAR(y[0], row.scale, tolerance) << row.threshold;
    EXPECT_EQ(y[1], -y[0]);
    EXPECT_EQ(site.backward(w, tensor({3, 1})), (std::vector<float>{3, 1}));
    EXPECT_NEAR(site.learned_gradient("threshold"), 2 * row.slope, 400 * (tolerance / 100))
        << row.threshold;
  }
}

TEST(TgaTernary, SlopeEqualsTheDifferenceQuotientOfTheScale) {
  const Tensor w = tensor({2, -1.5F, .1F, .3F, -.2F, .7F, -2.5F});
  const auto scale_at = [&](double threshold) {
    Site site(tga_rule(threshold));
    return double{site.forward(w)[0]};
  };
  for (const double threshold : {.5, 1.0, 1.25}) {
    Site site(tga_rule(threshold));
    (void)site.forward(w);
    (void)site.backward(w, tensor({1, 0, 0, 0, 0, 0, 0}));
    const double h = 1e-2;
    const double expected = (scale_at(threshold + h) - scale_at(threshold - h)) / (2 * h);
    EXPECT_NEAR(site.learned_gradient("threshold"), expected, 1e-4) << threshold;
    EXPECT_GT(scale_at(threshold), threshold);
  }
}

TEST(TgaTernary, StartsAtTheMeanOrAtTheLargestMagnitude) {
  const Tensor w = tensor({1, -.8F, .3F, .1F, -.05F, .6F});
  Site mean(R"({"quantizer": {"plugin": "tga_ternary"}})");
  (void)mean.forward(w);
  EXPECT_NEAR(mean.learned_value("threshold"), .7 * .475, 1e-7);
  EXPECT_EQ(mean.encode(w), (std::vector<std::int32_t>{1, -1, 0, 0, 0, 1}));
  Site largest(R"({"quantizer": {"plugin": "tga_ternary", "initial": "largest"}})");
  (void)largest.forward(w);
  EXPECT_NEAR(largest.learned_value("threshold"), .05, 1e-8);
}

TEST(TgaTernary, ThePlainEstimatorMultipliesByTheScale) {
  const Tensor w = tensor({1, -1});
  Site site(tga_rule(.5, R"(, "gradient_scale": "scale")"));
  const float scale = site.forward(w)[0];
  EXPECT_EQ(site.backward(w, tensor({2, -1})), (std::vector<float>{2 * scale, -scale}));
}

TEST(TgaTernary, ThresholdStaysBelowTheLargestWeight) {
  Site site(tga_rule(.5));
  (void)site.forward(tensor({1, -1}));
  site.learned_value("threshold") = 3;
  site.node.after_update();
  EXPECT_EQ(site.learned_value("threshold"), .999F);
  site.learned_value("threshold") = -3;
  site.node.after_update();
  EXPECT_EQ(site.learned_value("threshold"), 0.0F);
  site.learned_value("threshold") = NAN;
  EXPECT_THROW(site.node.after_update(), RunError);
}

TEST(TgaTernary, FarInTheTailTheScaleGoesToTheThreshold) {
  std::vector<float> w(4000, 0.0F);  // deviation 1 / sqrt(4000)
  w[7] = 1.0F;
  Site site(tga_rule(.9));
  EXPECT_NEAR(site.forward(tensor(w))[7], .9 + 1 / (4000 * .9), 2e-5);
}

TEST(TgaTernary, EqualWeightsKeepTheirValue) {
  Site site(tga_rule(.25));
  EXPECT_EQ(site.forward(tensor({-.5F, -.5F, -.5F})), (std::vector<float>{-.5F, -.5F, -.5F}));
}

TEST(TgaTernary, Conforms) {
  const Tensor x = gaussian({37, 9, 31}, 2);
  expect_conforms(R"({"quantizer": {"plugin": "tga_ternary"}})", x);
  expect_conforms(R"({"quantizer": {"plugin": "tga_ternary", "granularity": "channel"}})", x);
}

}  // namespace
}  // namespace qloom::test
