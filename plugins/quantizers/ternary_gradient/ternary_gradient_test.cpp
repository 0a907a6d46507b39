// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>

#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

const sites::SiteContext kAtGradient{.name = "gradient/test"};

std::string terngrad_rule(double deviations) {
  return R"({"quantizer": {"plugin": "ternary_gradient", "clip_deviations": )" +
         std::to_string(deviations) + "}}";
}

/// The share of values that are not zero, the same for each of the four, is p; the level is s.
void expect_shares(double deviations, double s, const std::vector<double>& p) {
  const std::vector<float> once{.3F, -1.2F, .02F, 2.4F};
  constexpr std::size_t kTimes = 20000;
  std::vector<float> all;
  for (std::size_t i = 0; i < kTimes; ++i) all.insert(all.end(), once.begin(), once.end());
  Site site(terngrad_rule(deviations), kAtGradient);
  const auto y = site.forward(tensor(all));
  for (std::size_t v = 0; v < once.size(); ++v) {
    double drawn = 0;
    for (std::size_t i = v; i < y.size(); i += once.size()) {
      if (y[i] == 0) continue;
      EXPECT_NEAR(y[i], once[v] > 0 ? s : -s, 1e-6);
      ++drawn;
    }
    const double spread = 5 * std::sqrt(p[v] * (1 - p[v]) / kTimes);
    EXPECT_NEAR(drawn / kTimes, p[v], spread) << once[v];
  }
}

TEST(TernaryGradient, ProbabilitiesAreThoseOfTheHandbook) {
  expect_shares(0, 2.4F, {.125, .5, .00833333, 1});
  expect_shares(1, 1.295454, {.231579, .926316, .015439, 1});
}

TEST(TernaryGradient, GaussianGradientsHaveTheFiguresOfTheHandbook) {
  Site site(terngrad_rule(2.5), kAtGradient);
  const auto y = site.forward(gaussian({400000}, 5));
  double drawn = 0, squares = 0;
  for (const float v : y) {
    drawn += v != 0 ? 1 : 0;
    squares += double{v} * v;
  }
  // five deviations of a share of 400000 draws are .0037
  EXPECT_NEAR(drawn / 400000, .3176, .0037);
  EXPECT_NEAR(squares / 400000, 1.985, .025);
}

TEST(TernaryGradient, ZerosAndEqualGradientsStay) {
  Site zeros(terngrad_rule(2.5), kAtGradient);
  EXPECT_EQ(zeros.forward(tensor({0, 0})), (std::vector<float>{0, 0}));
  Site equal(terngrad_rule(2.5), kAtGradient);
  EXPECT_EQ(equal.forward(tensor({.7F, .7F})), (std::vector<float>{.7F, .7F}));
}

TEST(TernaryGradient, Conforms) {
  expect_conforms(terngrad_rule(2.5), gaussian({37, 9, 31}, 2), kAtGradient);
}

}  // namespace
}  // namespace qloom::test
