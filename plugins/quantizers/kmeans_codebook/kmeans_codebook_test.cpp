// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>
#include <limits>

#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

std::string kmeans_rule(int k, const std::string& more = "") {
  return R"({"quantizer": {"plugin": "kmeans_codebook", "centroids": )" + std::to_string(k) + more +
         "}}";
}
double error_of(const std::vector<float>& w, const std::vector<float>& y) {
  double sum = 0;
  for (std::size_t i = 0; i < w.size(); ++i) sum += std::pow(double{w[i]} - double{y[i]}, 2);
  return sum;
}
double error_of(const std::vector<float>& w, int k, const std::string& more) {
  Site site(kmeans_rule(k, more));
  return error_of(w, site.forward(tensor(w)));
}
std::vector<float> centroids_of(Site& site) {
  const auto& learned = site.node.learned().at(0);
  return {learned.value, learned.value + learned.gradient.size()};
}

/// The least error over all partitions of sorted values into k intervals.
double best_error(const std::vector<float>& sorted, int k) {
  const std::size_t n = sorted.size();
  const auto cost = [&](std::size_t begin, std::size_t end) {
    double sum = 0, squares = 0;
    for (std::size_t i = begin; i < end; ++i) {
      sum += sorted[i];
      squares += double{sorted[i]} * sorted[i];
    }
    return squares - sum * sum / static_cast<double>(end - begin);
  };
  std::vector<double> best(n + 1, std::numeric_limits<double>::infinity());
  best[0] = 0;
  for (int cluster = 0; cluster < k; ++cluster) {
    std::vector<double> next(n + 1, std::numeric_limits<double>::infinity());
    for (std::size_t end = 1; end <= n; ++end) {
      for (std::size_t begin = 0; begin < end; ++begin) {
        next[end] = std::min(next[end], best[begin] + cost(begin, end));
      }
    }
    best = next;
  }
  return best[n];
}

const std::vector<float> kEight{-2, -1.9F, -.2F, -.1F, .1F, .3F, 1.8F, 2};

TEST(KmeansCodebook, EightWeightsAreThoseOfTheHandbook) {
  Site site(kmeans_rule(4));
  const auto y = site.forward(tensor(kEight));
  expect_near(centroids_of(site), {-1.95F, -.15F, .2F, 1.9F}, 1e-6);
  EXPECT_EQ(site.encode(tensor(kEight)), (std::vector<std::int32_t>{0, 0, 1, 1, 2, 2, 3, 3}));
  EXPECT_NEAR(error_of(kEight, y), .05, 1e-6);
  EXPECT_NEAR(best_error(kEight, 4), .05, 1e-6);
  EXPECT_NEAR(best_error(kEight, 3), .1725, 1e-6);
  EXPECT_NEAR(best_error(kEight, 2), 4.86, 1e-5);
  EXPECT_NEAR(error_of(kEight, 2, ""), 6.18, 1e-5) << "where Lloyd stops from a linear start";
}

TEST(KmeansCodebook, StartsDifferWhereOneWeightIsFarAway) {
  const std::vector<float> w{0, .1F, .2F, .3F, .4F, .5F, .6F, 10};
  const std::string all = R"(, "zeros": "cluster")";
  Site linear(kmeans_rule(3, all));
  const auto y = linear.forward(tensor(w));
  expect_near(centroids_of(linear), {.3F, 5, 10}, 1e-6);
  EXPECT_NEAR(error_of(w, y), .28, 1e-6);
  EXPECT_NEAR(error_of(w, 3, all + R"(, "initial": "density")"), .07, 1e-6);
  EXPECT_NEAR(best_error(w, 3), .07, 1e-5);
}

TEST(KmeansCodebook, ARandomStartIsAFunctionOfItsSeed) {
  const std::vector<float> w = values(gaussian({300}, 6));
  const auto error = [&](int seed) {
    return error_of(w, 5, R"(, "initial": "random", "random_seed": )" + std::to_string(seed));
  };
  EXPECT_EQ(error(1), error(1));
  EXPECT_NE(error(1), error(2));
  std::vector<float> sorted = w;
  std::sort(sorted.begin(), sorted.end());
  for (int seed = 1; seed < 6; ++seed) EXPECT_GE(error(seed), best_error(sorted, 5) - 1e-4);
}

TEST(KmeansCodebook, GaussianWeightsGoToTheQuantizerOfLloydAndMax) {
  const std::vector<float> w = values(gaussian({200000}, 5));
  Site site(kmeans_rule(4, R"(, "max_iterations": 1000)"));
  const auto y = site.forward(tensor(w));
  EXPECT_NEAR(error_of(w, y) / 200000, .117482, .002);
  expect_near(centroids_of(site), {-1.5104F, -.4528F, .4528F, 1.5104F}, .02);
  EXPECT_NEAR(error_of(w, 8, R"(, "max_iterations": 1000)") / 200000, .034548, .0007);
}

TEST(KmeansCodebook, FewDistinctWeightsAreExact) {
  const std::vector<float> w{.1F, .11F, 10, .1F, -3};
  EXPECT_EQ(error_of(w, 4, ""), 0.0);
  EXPECT_EQ(error_of(w, 7, ""), 0.0);
  EXPECT_NEAR(error_of({1, 2, 6}, 1, ""), 14, 1e-5) << "one centroid is the mean";
}

TEST(KmeansCodebook, ZerosStayOutAndStayZero) {
  std::vector<float> w = kEight;
  w.insert(w.begin() + 3, {0, -0.0F, 0});
  Site site(kmeans_rule(4));
  const auto y = site.forward(tensor(w));
  expect_near(centroids_of(site), {-1.95F, -.15F, .2F, 1.9F}, 1e-6);
  for (const std::size_t i : {3, 4, 5}) EXPECT_EQ(y[i], 0.0F);
  const qloom_encoding e = site.node.encoding();
  EXPECT_EQ(e.codebook_size, 5U);
  EXPECT_EQ(e.codebook[4], 0.0F);
  EXPECT_EQ(e.bits, 3U);
  EXPECT_EQ(site.encode(tensor(w))[4], 4);
  Site zeros(kmeans_rule(4));
  EXPECT_EQ(zeros.forward(tensor({0, 0})), (std::vector<float>{0, 0}));
}

TEST(KmeansCodebook, CentroidsGetTheSumOfTheirMembersGradients) {
  const Tensor w = tensor({-2, -1.9F, 0, .1F, .3F, 1.8F, 2}), dy = tensor({1, 2, 4, 8, 16, 32, 64});
  Site sum(kmeans_rule(3)), mean(kmeans_rule(3, R"(, "centroid_gradient": "mean")"));
  for (Site* site : {&sum, &mean}) {
    (void)site->forward(w);
    EXPECT_EQ(site->backward(w, dy), std::vector<float>(7, 0.0F));
  }
  EXPECT_EQ(sum.node.learned()[0].gradient, (std::vector<float>{3, 24, 96}));
  EXPECT_EQ(mean.node.learned()[0].gradient, (std::vector<float>{1.5F, 12, 48}));
}

TEST(KmeansCodebook, TheAssignmentIsFrozen) {
  Site site(kmeans_rule(4));
  (void)site.forward(tensor(kEight));
  site.node.learned()[0].value[0] = 7;
  const auto y = site.forward(tensor({5, 5, 5, 5, 5, 5, 5, 0}));
  expect_near(y, {7, 7, -.15F, -.15F, .2F, .2F, 1.9F, 1.9F}, 1e-6);
  EXPECT_THROW(site.forward(tensor({1, 2})), RunError) << "another tensor";
}

TEST(KmeansCodebook, CheckpointKeepsAssignmentAndCentroids) {
  Site site(kmeans_rule(4)), restored(kmeans_rule(4));
  (void)site.forward(tensor(kEight));
  site.node.learned()[0].value[2] = .25F;
  const qloom::data::Arrays saved = site.node.save();
  qloom::data::ArrayReader reader(saved, "state");
  restored.node.load(reader, "");
  EXPECT_EQ(restored.forward(tensor(kEight)), site.forward(tensor(kEight)));
}

/// The end of the first iteration is 5, the middle of its means 4.973.
TEST(KmeansCodebook, ACentroidIsTheMeanOfItsMembersWhereIterationsEndEarly) {
  Site site(kmeans_rule(2, R"(, "max_iterations": 1, "zeros": "cluster")"));
  const float low = 10.98F / 5;
  expect_near(site.forward(tensor({0, 1, 2, 3, 4.98F, 5.5F, 10})),
              {low, low, low, low, low, 7.75F, 7.75F}, 1e-6);
}

TEST(KmeansCodebook, OneCentroidIsTheMeanAndAGroupOfZerosHasNone) {
  Site site(kmeans_rule(1, R"(, "granularity": "channel")"),
            {.name = "weight/test", .channel_axis = 0});
  EXPECT_EQ(site.forward(tensor({0, 0, 0, 1, 2, 6}, {2, 3})),
            (std::vector<float>{0, 0, 0, 3, 3, 3}));
}

TEST(KmeansCodebook, GroupsHaveTheirOwnCodebooks) {
  const Tensor w = tensor({1, 2, 5, -4, -3, 8}, {2, 3});
  Site site(kmeans_rule(2, R"(, "granularity": "channel")"),
            {.name = "weight/test", .channel_axis = 0});
  EXPECT_EQ(site.forward(w), (std::vector<float>{1.5F, 1.5F, 5, -3.5F, -3.5F, 8}));
  (void)site.backward(w, tensor({1, 2, 4, 8, 16, 32}, {2, 3}));
  EXPECT_EQ(site.node.learned()[0].gradient, (std::vector<float>{3, 4, 24, 32}));
}

TEST(KmeansCodebook, Conforms) {
  const Tensor x = gaussian({37, 9, 31}, 2);
  expect_conforms(kmeans_rule(16), x);
  expect_conforms(kmeans_rule(3, R"(, "granularity": "channel", "initial": "density")"), x);
}

}  // namespace
}  // namespace qloom::test
