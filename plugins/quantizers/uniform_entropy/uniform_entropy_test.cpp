// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>
#include <map>
#include <variant>

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

TEST(UniformEntropy, TheCellAround0MayBe0WithThePrunedWeights) {
  const Tensor w = tensor({.1F, .3F, 1.1F, -.9F, -.1F, 0}), dy = tensor({1, 2, 4, 8, 16, 32});
  Site site(uniform_entropy_rule(R"("cell": 1, "zero_cell": "zero")"));
  EXPECT_EQ(site.forward(w), (std::vector<float>{0, 0, 1.1F, -.9F, 0, 0}));
  EXPECT_EQ(site.node.encoding().codebook_size, 3U) << "-0.9, 1.1 and 0";
  EXPECT_EQ(site.encode(w), (std::vector<std::int32_t>{2, 2, 1, 0, 2, 2}));
  EXPECT_EQ(site.backward(w, dy), std::vector<float>(6, 0.0F));
  EXPECT_EQ(site.node.learned()[0].gradient, (std::vector<float>{8, 4}));
  Site small(uniform_entropy_rule(R"("cell": 1, "zero_cell": "zero")"));
  EXPECT_EQ(small.forward(tensor({.1F, -.2F})), (std::vector<float>{0, 0}));
  Site mean(uniform_entropy_rule(R"("cell": 1)"));
  EXPECT_EQ(mean.forward(w)[5], 0.0F);
  EXPECT_EQ(mean.node.encoding().codebook_size, 4U) << "the cell has a value of its own";
}

TEST(UniformEntropy, RoomIsTakenForTheCellsThatThereAre) {
  constexpr std::int64_t kChannels = 512;
  const Tensor w = gaussian({kChannels, 20}, 3), dy = gaussian({kChannels, 20}, 4);
  Site site(uniform_entropy_rule(R"("cell": 0.5, "granularity": "channel")"),
            {.name = "weight/test", .channel_axis = 0});
  const std::vector<float> y = site.forward(w);
  (void)site.backward(w, dy);
  const auto& learned = site.node.learned()[0];
  const qloom_encoding e = site.node.encoding();
  EXPECT_EQ(learned.gradient.size(), kChannels * e.codebook_size);
  EXPECT_LE(e.codebook_size, 20U);
  const auto codes = site.encode(w);
  std::vector<double> sums(learned.gradient.size());
  for (std::size_t i = 0; i < y.size(); ++i) {
    sums[i / 20 * e.codebook_size + static_cast<std::size_t>(codes[i])] += dy[i];
  }
  for (std::size_t j = 0; j < sums.size(); ++j) EXPECT_NEAR(learned.gradient[j], sums[j], 1e-5);
  std::size_t saved = 0;
  for (const auto& [name, array] : site.node.save()) {
    std::visit([&saved](const auto& values) { saved += values.size(); }, array.values);
  }
  EXPECT_LT(saved, w.size() + 2 * learned.gradient.size() + 100);
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
