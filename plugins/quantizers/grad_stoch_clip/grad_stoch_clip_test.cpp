// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>

#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

const sites::SiteContext kOnGradient{.name = "gradient/test"};

std::string stoch_rule(int bits, double deviations) {
  return R"({"quantizer": {"plugin": "grad_stoch_clip", "bits": )" + std::to_string(bits) +
         R"(, "clip_deviations": )" + std::to_string(deviations) + "}}";
}
/// `times` copies of the values, one after the other.
Tensor repeated_values(const std::vector<float>& once, std::size_t times) {
  std::vector<float> all;
  for (std::size_t i = 0; i < times; ++i) all.insert(all.end(), once.begin(), once.end());
  return tensor(all);
}

/// Each value becomes its lower level, counted from 0, or the next one with the probability p.
void expect_levels(int bits, const std::vector<float>& lower, const std::vector<double>& p) {
  const std::vector<float> once{.3F, -.05F, .8F, -.5F};
  constexpr std::size_t kTimes = 20000;
  Site site(stoch_rule(bits, 0), kOnGradient);
  const auto y = site.forward(repeated_values(once, kTimes));
  const float step = .8F / static_cast<float>((1 << (bits - 1)) - 1);
  for (std::size_t v = 0; v < once.size(); ++v) {
    double ups = 0;
    for (std::size_t i = v; i < y.size(); i += once.size()) {
      const bool is_up = std::fabs(y[i]) > std::fabs(lower[v]) + step / 2;
      EXPECT_NEAR(std::fabs(y[i]), std::fabs(lower[v]) + (is_up ? step : 0), 1e-6);
      ups += is_up ? 1 : 0;
    }
    // five deviations of a share of 20000 draws
    const double spread = 5 * std::sqrt(p[v] * (1 - p[v]) / kTimes);
    EXPECT_NEAR(ups / kTimes, p[v], spread) << once[v];
  }
}

TEST(GradStochClip, ProbabilitiesAreThoseOfTheHandbook) {
  expect_levels(2, {0, 0, .8F, 0}, {.375, .0625, 0, .625});
  expect_levels(3, {.8F / 3, 0, .8F, -.8F / 3}, {.125, .1875, 0, .875});
}

TEST(GradStochClip, ClippingTakesTheDeviationsOfTheHandbook) {
  // Clipped at c deviations a Gaussian loses F(c) sqrt(2 / pi) of its variance.
  const Tensor g = gaussian({400000}, 5);
  for (const auto& [c, expected] :
       {std::pair{1.0, .150680}, std::pair{2.0, .0115375}, std::pair{3.0, .000406870}}) {
    Site site(stoch_rule(16, c), kOnGradient);
    const auto y = site.forward(g);
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += std::pow(double{y[i]} - g[i], 2);
    // the error's own spread; at 3 deviations 0.3 % of the values have it all
    EXPECT_NEAR(sum / static_cast<double>(y.size()), expected, .03 * expected + 1e-5) << c;
  }
}

TEST(GradStochClip, TheScaleIsTheLargestThatIsLeft) {
  Site clipped(stoch_rule(2, 1), kOnGradient);
  const auto y = clipped.forward(tensor({3, -1, 3, -1}));  // mean 1, deviation 2
  EXPECT_EQ(y[0], 2.0F);
  Site free(stoch_rule(2, 3), kOnGradient);
  EXPECT_EQ(free.forward(tensor({3, -1, 3, -1}))[0], 3.0F);
  Site constant(stoch_rule(4, 1), kOnGradient);
  EXPECT_EQ(constant.forward(tensor({.3F, .3F})), (std::vector<float>{.3F, .3F}));
  Site zeros(stoch_rule(4, 3), kOnGradient);
  EXPECT_EQ(zeros.forward(tensor({0, 0})), (std::vector<float>{0, 0}));
}

TEST(GradStochClip, Conforms) {
  expect_conforms(stoch_rule(4, 3), gaussian({37, 9, 31}, 2), kOnGradient);
}

}  // namespace
}  // namespace qloom::test
