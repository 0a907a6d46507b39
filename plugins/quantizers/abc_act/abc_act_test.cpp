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

const sites::SiteContext kAbcSite{.name = "activation/test"};

std::string abc_act(int bases, const std::string& more = "") {
  return R"({"quantizer": {"plugin": "abc_act", "bases": )" + std::to_string(bases) + more + "}}";
}
std::vector<float> abc_learned(Site& site, std::size_t index) {
  const auto& learned = site.node.learned().at(index);
  return {learned.value, learned.value + learned.gradient.size()};
}

TEST(AbcAct, ThresholdsDivideTheRangeEvenlyAtFirst) {
  const std::pair<int, std::vector<float>> cases[] = {{1, {0.5F}}, {3, {1.0F, 0.5F, 0.0F}}};
  for (const auto& [bases, shifts] : cases) {
    Site site(abc_act(bases), kAbcSite);
    site.forward(tensor({0.0F}));
    EXPECT_EQ(abc_learned(site, 0), shifts);
    EXPECT_EQ(abc_learned(site, 1), std::vector<float>(shifts.size(), 1.0F));
  }
}

TEST(AbcAct, MatchesTheHandbookAtOneValue) {
  Site site(abc_act(3), kAbcSite);
  site.forward(tensor({0.0F}));
  const float shifts[] = {-0.2F, 0.2F, 0.4F};
  std::copy(std::begin(shifts), std::end(shifts), site.node.learned().at(0).value);
  site.forward(tensor({0.3F}));
  EXPECT_EQ(site.encode(tensor({0.3F})), (std::vector<std::int32_t>{6}));  // -1, +1, +1
  EXPECT_EQ(site.forward(tensor({0.3F})), (std::vector<float>{1.0F}));
}

TEST(AbcAct, RisesInStepsOfTwiceTheScale) {
  Site site(abc_act(3), kAbcSite);
  EXPECT_EQ(site.forward(tensor({-2.0F, -0.5F, -0.1F, 0.0F, 0.4F, 0.5F, 3.0F})),
            (std::vector<float>{-3, -1, -1, 1, 1, 3, 3}));
  const auto encoding = site.node.encoding();
  EXPECT_EQ(encoding.kind, static_cast<std::uint32_t>(QLOOM_ENCODING_BASES));
  EXPECT_EQ(encoding.bits, 3U);
  EXPECT_EQ(std::vector<float>(encoding.codebook, encoding.codebook + encoding.bases),
            std::vector<float>(3, 1.0F));
}

/// y = sum scale_n (clip(x + shift_n, 0, 1) + c_n), c_n frozen: central differences in double.
TEST(AbcAct, GradientsEqualCentralDifferencesOfTheSurrogate) {
  const Tensor x = gaussian({2000}, 3), dy = gaussian({2000}, 4);
  Site site(abc_act(3), kAbcSite);
  site.forward(x);
  const float shifts[] = {0.9F, 0.45F, 0.1F}, scales[] = {0.5F, 1.25F, -0.75F};
  std::copy(std::begin(shifts), std::end(shifts), site.node.learned().at(0).value);
  std::copy(std::begin(scales), std::end(scales), site.node.learned().at(1).value);
  site.forward(x);
  const auto dx = site.backward(x, dy);
  const auto codes = site.encode(x);
  const auto clip = [](double v) { return std::clamp(v, 0.0, 1.0); };
  constexpr double kStep = 1e-6;
  for (std::size_t n = 0; n < 3; ++n) {
    double of_shift = 0, of_scale = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double at = double{x[i]} + shifts[n];
      of_shift += dy[i] * scales[n] * (clip(at + kStep) - clip(at - kStep)) / (2 * kStep);
      of_scale += dy[i] * ((codes[i] >> n & 1) != 0 ? 1.0 : -1.0);
    }
    EXPECT_NEAR(site.node.learned().at(0).gradient[n], of_shift, 1e-3) << n;
    EXPECT_NEAR(site.node.learned().at(1).gradient[n], of_scale, 1e-3) << n;
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    double slope = 0;
    for (std::size_t n = 0; n < 3; ++n) {
      const double at = double{x[i]} + shifts[n];
      slope += scales[n] * (clip(at + kStep) - clip(at - kStep)) / (2 * kStep);
    }
    EXPECT_NEAR(dx[i], dy[i] * slope, 1e-5) << "x = " << x[i];
  }
}

TEST(AbcAct, ALearnedValueThatIsNotFiniteStopsTheRun) {
  Site site(abc_act(2), kAbcSite);
  site.forward(tensor({1.0F}));
  site.learned_value("shift") = std::nanf("");
  EXPECT_THROW(site.node.after_update(), RunError);
}

TEST(AbcAct, Conforms) {
  for (const int bases : {1, 3, 5}) {
    expect_conforms(abc_act(bases), gaussian({9, 7, 5, 31}, 1), kAbcSite);
    expect_conforms(abc_act(bases), gaussian({7}, 2), kAbcSite);
  }
}

}  // namespace
}  // namespace qloom::test
