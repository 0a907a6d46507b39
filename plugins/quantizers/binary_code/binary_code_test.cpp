// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>

#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

std::string binary_code_rule(int bits, const std::string& fit, const std::string& more = "") {
  return R"({"quantizer": {"plugin": "binary_code", "bits": )" + std::to_string(bits) +
         R"(, "fit": ")" + fit + "\"" + more + "}}";
}

struct Fitted {
  std::vector<float> y;
  double error;  // sum of squares
};
Fitted fitted(const std::vector<float>& w, int bits, const std::string& fit) {
  Site site(binary_code_rule(bits, fit));
  Fitted found{site.forward(tensor(w)), 0};
  for (std::size_t i = 0; i < w.size(); ++i) {
    found.error += std::pow(double{w[i]} - found.y[i], 2);
  }
  return found;
}

TEST(BinaryCode, ThreeWeightsAreThoseOfTheHandbook) {
  const std::vector<float> w{2, 1, .5F};
  const auto greedy = fitted(w, 2, "greedy");
  const float a1 = 3.5F / 3, a2 = 5.0F / 9;
  expect_near(greedy.y, {a1 + a2, a1 - a2, a1 - a2}, 1e-6);
  EXPECT_NEAR(greedy.error, .24074, 1e-5);
  const auto refined = fitted(w, 2, "refined");
  expect_near(refined.y, {2, .75F, .75F}, 1e-6);
  EXPECT_NEAR(refined.error, .125, 1e-6);
}

TEST(BinaryCode, FiveWeightsTellTheFitsApart) {
  const std::vector<float> w{.1F, .2F, .5F, -.6F, 1.5F};
  struct Row {
    const char* fit;
    double a1, a2, error;
  };
  for (const Row& row :
       {Row{"greedy", .58, .376, .52112}, Row{"refined", .658333, .391667, .491667},
        Row{"alternating", .925, .575, .17}}) {
    const auto [y, error] = fitted(w, 2, row.fit);
    EXPECT_NEAR(error, row.error, 1e-5) << row.fit;
    EXPECT_NEAR(y[4], row.a1 + row.a2, 1e-5) << row.fit;
    EXPECT_NEAR(y[0], row.a1 - row.a2, 1e-5) << row.fit;
  }
}

TEST(BinaryCode, GaussianWeightsHaveTheFiguresOfTheory) {
  const Tensor x = gaussian({200000}, 5);
  const std::vector<float> w = values(x);
  struct Row {
    int bits;
    const char* fit;
    double error, largest;  // mean square; the sum of the scales
  };
  for (const Row& row :
       {Row{1, "greedy", .363380, .797885}, Row{2, "greedy", .130454, .797885 + .482624},
        Row{2, "alternating", .117482, .9816 + .5288}}) {
    const auto [y, error] = fitted(w, row.bits, row.fit);
    // 200000 values estimate a second moment to some 0.3 %
    EXPECT_NEAR(error / 200000, row.error, .02 * row.error) << row.fit << row.bits;
    EXPECT_NEAR(*std::max_element(y.begin(), y.end()), row.largest, .01) << row.fit << row.bits;
  }
}

TEST(BinaryCode, EveryFitIsNoWorseThanTheOneBefore) {
  for (const std::uint64_t seed : {1, 2, 3, 4}) {
    const std::vector<float> w = values(gaussian({500}, seed));
    for (int bits = 2; bits <= 4; ++bits) {
      const double greedy = fitted(w, bits, "greedy").error;
      const double refined = fitted(w, bits, "refined").error;
      EXPECT_LE(refined, greedy) << seed << bits;
      EXPECT_LE(fitted(w, bits, "alternating").error, refined) << seed << bits;
    }
  }
}

/// The definition of the greedy fit, plane by plane.
TEST(BinaryCode, GreedyIsTheSumOfItsPlanes) {
  const std::vector<float> w = values(gaussian({999}, 8));
  std::vector<double> left(w.begin(), w.end());
  for (int plane = 0; plane < 4; ++plane) {
    double mean = 0;
    for (const double r : left) mean += std::fabs(r) / static_cast<double>(left.size());
    for (double& r : left) r -= r >= 0 ? mean : -mean;
  }
  const auto y = fitted(w, 4, "greedy").y;
  for (std::size_t i = 0; i < w.size(); ++i) EXPECT_NEAR(y[i], w[i] - left[i], 1e-6) << i;
}

TEST(BinaryCode, ACodeHoldsTheSignsOfItsScales) {
  const std::vector<float> w{.1F, .2F, .5F, -.6F, 1.5F};
  Site site(binary_code_rule(2, "refined"));
  const auto y = site.forward(tensor(w));
  const auto codes = site.encode(tensor(w));
  EXPECT_EQ(codes, (std::vector<std::int32_t>{1, 1, 1, 0, 3}));
  const qloom_encoding e = site.node.encoding();
  EXPECT_EQ(e.kind, static_cast<std::uint32_t>(QLOOM_ENCODING_BASES));
  EXPECT_EQ(e.bases, 2U);
  EXPECT_EQ(e.bits, 2U);
  expect_near({e.codebook, e.codebook + 2}, {.658333F, .391667F}, 1e-6);
  for (std::size_t i = 0; i < w.size(); ++i) {
    const double first = e.codebook[0], second = e.codebook[1];
    EXPECT_EQ(y[i], static_cast<float>(((codes[i] & 1) != 0 ? first : -first) +
                                       ((codes[i] & 2) != 0 ? second : -second)))
        << i;
  }
}

TEST(BinaryCode, ZeroIsPositiveAndZerosStay) {
  EXPECT_EQ(fitted({0, 2, -2}, 1, "greedy").y, (std::vector<float>{4.0F / 3, 4.0F / 3, -4.0F / 3}));
  for (const char* fit : {"greedy", "refined", "alternating"}) {
    EXPECT_EQ(fitted({0, 0, 0}, 3, fit).y, (std::vector<float>{0, 0, 0})) << fit;
  }
}

TEST(BinaryCode, PlanesThatAreTheSameKeepTheGreedyScales) {
  // Equal magnitudes: the second plane has nothing left, all its signs are +1.
  const auto [y, error] = fitted({.5F, .5F, -.5F}, 2, "refined");
  EXPECT_NEAR(error, 0, 1e-12);
  // Both planes alike: the second one keeps its share of nothing.
  Site site(binary_code_rule(2, "refined"));
  site.forward(tensor({.5F, .5F}));
  const qloom_encoding e = site.node.encoding();
  EXPECT_EQ(std::vector<float>(e.codebook, e.codebook + 2), (std::vector<float>{.5F, 0}));
}

TEST(BinaryCode, Conforms) {
  const Tensor x = gaussian({37, 9, 31}, 2);
  expect_conforms(binary_code_rule(3, "alternating"), x);
  expect_conforms(binary_code_rule(4, "refined", R"(, "granularity": "channel")"), x);
  expect_conforms(binary_code_rule(1, "greedy", R"(, "granularity": {"group": 48})"), x);
}

}  // namespace
}  // namespace qloom::test
