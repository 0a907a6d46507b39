// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

const char* const kSigns = R"({"quantizer": {"plugin": "bnn_act"}})";
const char* const kRandomSigns = R"({"quantizer": {"plugin": "bnn_act", "stochastic": true}})";
const sites::SiteContext kBnnSite{.name = "activation/test"};

TEST(BnnAct, IsTheSignWithAHardTanhGradient) {
  Site site(kSigns, kBnnSite);
  const Tensor x = tensor({-1.5F, -1.0F, -0.0F, 0.0F, 1.0F, 1.0001F});
  EXPECT_EQ(site.forward(x), (std::vector<float>{-1, -1, 1, 1, 1, 1}));
  EXPECT_EQ(site.backward(x, tensor({1, 2, 3, 4, 5, 6})), (std::vector<float>{0, 2, 3, 4, 5, 0}));
}

TEST(BnnAct, TheMaskBeginsWithItsEpoch) {
  Site site(R"({"quantizer": {"plugin": "bnn_act", "mask_epoch": 2}})", kBnnSite);
  const Tensor x = tensor({-1.5F, -1.0F, 0.0F, 1.0F, 1.0001F}), dy = tensor({1, 2, 3, 4, 5});
  Tensor y, dx;
  for (const std::uint64_t epoch : {0U, 1U, 2U, 3U}) {
    site.node.forward(x, y, {.step = epoch, .epoch = epoch, .training = true});
    EXPECT_EQ(values(y), (std::vector<float>{-1, -1, 1, 1, 1}));
    site.node.backward(x, dy, dx);
    EXPECT_EQ(values(dx), epoch < 2 ? values(dy) : (std::vector<float>{0, 2, 3, 4, 0})) << epoch;
  }
}

/// The bound is six deviations of a share of 100000 draws.
TEST(BnnAct, RandomSignsHaveTheProbabilitiesOfTheHandbook) {
  const std::pair<float, double> cases[] = {{-1.5F, 0.0}, {-1.0F, 0.0}, {-0.5F, 0.25},
                                            {0.0F, 0.5},  {0.2F, 0.6},  {1.0F, 1.0}};
  constexpr std::size_t kCount = 100000;
  for (const auto& [x, p] : cases) {
    Site site(kRandomSigns, kBnnSite);
    const auto y = site.forward(tensor(std::vector<float>(kCount, x)));
    const auto ups = static_cast<double>(std::count(y.begin(), y.end(), 1.0F));
    EXPECT_EQ(std::count(y.begin(), y.end(), -1.0F), static_cast<std::ptrdiff_t>(kCount - ups));
    EXPECT_NEAR(ups / kCount, p, p == 0 || p == 1 ? 0.0 : 6 * 0.5 / 316.2) << "x = " << x;
  }
}

TEST(BnnAct, RandomSignsAreOfTrainingAndOfTheStep) {
  const Tensor x = uniform({1000}, 3, -0.5F, 0.5F);
  Site site(kRandomSigns, kBnnSite), plain(kSigns, kBnnSite);
  const auto first = site.forward(x, true, 0);
  EXPECT_NE(site.forward(x, true, 1), first);
  EXPECT_EQ(site.forward(x, true, 0), first);
  EXPECT_EQ(site.forward(x, false, 0), plain.forward(x));
}

TEST(BnnAct, Conforms) {
  for (const char* rule : {kSigns, kRandomSigns}) {
    expect_conforms(rule, gaussian({9, 7, 5, 31}, 1), kBnnSite);
    expect_conforms(rule, gaussian({7}, 2), kBnnSite);
  }
}

}  // namespace
}  // namespace qloom::test
