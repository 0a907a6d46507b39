// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>
#include <map>

#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

std::string ecsq_rule(const std::string& more) {
  return R"({"quantizer": {"plugin": "ecsq", "zeros": "cluster", )" + more + "}}";
}
double cost_of(const std::vector<float>& w, const std::vector<float>& y, double lambda) {
  std::map<float, double> counts;
  double error = 0, entropy = 0;
  const auto n = static_cast<double>(w.size());
  for (std::size_t i = 0; i < w.size(); ++i) {
    error += std::pow(double{w[i]} - double{y[i]}, 2) / n;
    ++counts[y[i]];
  }
  for (const auto& [value, count] : counts) entropy -= count / n * std::log2(count / n);
  return error + lambda * entropy;
}

TEST(Ecsq, LambdaZeroIsKMeans) {
  const Tensor w = gaussian({3000}, 8);
  const std::string long_search = R"("centroids": 6, "max_iterations": 10000)";
  Site ecsq(ecsq_rule(R"("lambda": 0, "tolerance": 0, )" + long_search));
  Site kmeans(R"({"quantizer": {"plugin": "kmeans_codebook", "zeros": "cluster", )" + long_search +
              "}}");
  expect_near(ecsq.forward(w), kmeans.forward(w), 1e-6);
  Site one(ecsq_rule(R"("lambda": 0, "centroids": 1, "importance": "given")"));
  const std::vector<float> h{1, 3};
  one.node.tell({.importance = h.data()});
  EXPECT_EQ(one.forward(tensor({0, 1})), (std::vector<float>{.75F, .75F}));
}

/// Where two values end up with shares .75 and .25, the boundary is moved towards the rarer one by
/// lambda log2(p1 / p2) / (2 (c2 - c1)).
TEST(Ecsq, TheBoundaryMovesTowardsTheRarerValue) {
  std::vector<float> w;
  for (int i = 0; i < 3000; ++i) w.push_back(i % 2 == 0 ? -.001F : .001F);
  for (int i = 0; i < 1000; ++i) w.push_back(i % 2 == 0 ? .999F : 1.001F);
  w.push_back(.57F);
  w.push_back(.59F);
  const auto index_of = [&](double lambda) {
    Site site(ecsq_rule(R"("centroids": 2, "lambda": )" + std::to_string(lambda)));
    const auto y = site.forward(tensor(w));
    return std::pair(y[4000] > .5F, y[4001] > .5F);
  };
  EXPECT_EQ(index_of(0), std::pair(true, true)) << "boundary .5";
  EXPECT_EQ(index_of(.1), std::pair(false, true)) << "boundary .57925";
  EXPECT_EQ(index_of(.3), std::pair(false, false)) << "boundary .73774";
}

TEST(Ecsq, CostsLessThanKMeansAndALargeLambdaLeavesOneValue) {
  const std::vector<float> w = values(gaussian({4000}, 8));
  for (const double lambda : {.01, .05, .2}) {
    Site ecsq(ecsq_rule(R"("centroids": 12, "lambda": )" + std::to_string(lambda)));
    Site kmeans(
        R"({"quantizer": {"plugin": "kmeans_codebook", "zeros": "cluster", "centroids": 12}})");
    EXPECT_LT(cost_of(w, ecsq.forward(tensor(w)), lambda),
              cost_of(w, kmeans.forward(tensor(w)), lambda))
        << lambda;
  }
  Site all(ecsq_rule(R"("centroids": 12, "lambda": 1000)"));
  const auto y = all.forward(tensor(w));
  EXPECT_EQ(std::count(y.begin(), y.end(), y[0]), 4000);
  EXPECT_EQ(all.node.encoding().codebook_size, 1U);
}

TEST(Ecsq, Conforms) {
  expect_conforms(ecsq_rule(R"("lambda": 0.02, "centroids": 8, "granularity": "channel")"),
                  gaussian({7, 5, 3, 4}, 9));
}

}  // namespace
}  // namespace qloom::test
