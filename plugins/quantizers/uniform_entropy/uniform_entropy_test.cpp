// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>
#include <map>

#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

std::string uniform_entropy_rule(const std::string& more) {
  return R"({"quantizer": {"plugin": "uniform_entropy", )" + more + "}}";
}

TEST(UniformEntropy, AGaussianHasTheErrorAndEntropyOfTheHandbook) {
  const std::vector<float> w = values(gaussian({400000}, 11));
  for (const auto& [step, bits, distortion] : {std::tuple{2.4216, 1.0, .34834},
                                               {1.0824, 2.0, .088941},
                                               {.5224, 3.0, .022239},
                                               {.2590, 4.0, .005560}}) {
    Site site(uniform_entropy_rule(R"("cell": )" + std::to_string(step)));
    const std::vector<float> y = site.forward(tensor(w));
    std::map<float, double> counts;
    double error = 0, entropy = 0;
    for (std::size_t i = 0; i < w.size(); ++i) {
      error += std::pow(double{w[i]} - double{y[i]}, 2);
      ++counts[y[i]];
    }
    for (const auto& [value, count] : counts) {
      const double p = count / 400000;
      entropy -= p * std::log2(p);
    }
    EXPECT_NEAR(error / 400000, distortion, distortion * .01) << step;
    EXPECT_NEAR(entropy, bits, .01) << step;
  }
}

TEST(UniformEntropy, ACellHasTheWeightedMeanOfItsWeights) {
  const std::vector<float> w{.1F, .3F, 1.1F, -.9F, -.1F}, h{1, 3, 1, 1, 0};
  Site site(uniform_entropy_rule(R"("cell": 1, "importance": "given")"));
  site.node.tell({.importance = h.data()});
  expect_near(site.forward(tensor(w)), {.25F, .25F, 1.1F, -.9F, .25F}, 1e-6);
  Site plain(uniform_entropy_rule(R"("cell": 1)"));
  expect_near(plain.forward(tensor(w)), {.1F, .1F, 1.1F, -.9F, .1F}, 1e-6);
}

TEST(UniformEntropy, ImportanceThatNobodyGaveIsRefused) {
  for (const char* word : {"given", "adam"}) {
    Site site(uniform_entropy_rule(R"("importance": ")" + std::string(word) + "\""));
    EXPECT_THROW(site.forward(tensor({1, 2})), RunError) << word;
  }
}

TEST(UniformEntropy, TooManyCellsAreRefusedWithTheirNumber) {
  Site site(uniform_entropy_rule(R"("cell": 0.001, "centroids": 3)"));
  try {
    (void)site.forward(tensor({1, 2, 3, 4}));
    FAIL();
  } catch (const RunError& error) {
    EXPECT_NE(std::string(error.what()).find("gives 4 cells"), std::string::npos) << error.what();
  }
}

TEST(UniformEntropy, OnlyHeldZerosStayOutWhereSomeElementsAreHeld) {
  const std::vector<float> w{0, .4F, 0, .2F};
  const std::vector<std::uint8_t> held{1, 0, 0, 0};
  Site site(uniform_entropy_rule(R"("cell": 1)"));
  site.node.tell({.held = held.data()});
  expect_near(site.forward(tensor(w)), {0, .2F, .2F, .2F}, 1e-6);
  Site all(uniform_entropy_rule(R"("cell": 1)"));
  expect_near(all.forward(tensor(w)), {0, .3F, 0, .3F}, 1e-6);
}

TEST(UniformEntropy, AGroupOfZerosHasNoCells) {
  Site site(uniform_entropy_rule(R"("cell": 1, "granularity": "channel")"),
            {.name = "weight/test", .channel_axis = 0});
  EXPECT_EQ(site.forward(tensor({0, 0, 0, 1, 2, 6}, {2, 3})),
            (std::vector<float>{0, 0, 0, 1, 2, 6}));
}

TEST(UniformEntropy, Conforms) {
  expect_conforms(uniform_entropy_rule(R"("cell": 0.5, "granularity": "channel")"),
                  gaussian({7, 5, 3, 4}, 9));
}

}  // namespace
}  // namespace qloom::test
