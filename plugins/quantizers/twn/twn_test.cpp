// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

const char* const kHeuristic = R"({"quantizer": {"plugin": "twn"}})";
const char* const kExact = R"({"quantizer": {"plugin": "twn", "threshold_rule": "exact"}})";

double squared_error(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::pow(double{a[i]} - double{b[i]}, 2);
  return sum;
}

struct Figures {
  double alpha, error, zeros;  // scale, mean squared error, share of zeros
};

Figures figures(const std::string& rule, const std::vector<float>& w) {
  Site site(rule);
  const auto y = site.forward(tensor(w));
  const auto zeros = static_cast<double>(std::count(y.begin(), y.end(), 0.0F));
  const auto n = static_cast<double>(w.size());
  return {*std::max_element(y.begin(), y.end()), squared_error(w, y) / n, zeros / n};
}

/// The quantiles (i + 1/2) / n of a distribution symmetric about 0, from those of |w|.
template <class Quantile>
std::vector<float> quantiles(std::size_t n, Quantile magnitude_at) {
  std::vector<float> w;
  for (std::size_t i = 0; i < n; ++i) {
    const double p = (static_cast<double>(i) + 0.5) / static_cast<double>(n);
    w.push_back(static_cast<float>(magnitude_at(p) * (i % 2 == 0 ? 1 : -1)));
  }
  return w;
}

double gauss_magnitude(double p) {  // erf(x / sqrt 2) = p by bisection
  double lo = 0, hi = 10;
  for (int i = 0; i < 60; ++i) {
    const double mid = (lo + hi) / 2;
    (std::erf(mid / std::numbers::sqrt2) < p ? lo : hi) = mid;
  }
  return lo;
}

TEST(Twn, MatchesTheHandbookOnSixWeights) {
  const std::vector<float> w{1.0F, -0.8F, 0.3F, 0.1F, -0.05F, 0.6F};
  for (const char* rule : {kHeuristic, kExact}) {
    Site site(rule);
    const auto y = site.forward(tensor(w));
    expect_near(y, {0.8F, -0.8F, 0.0F, 0.0F, 0.0F, 0.8F}, 1e-7);
    EXPECT_NEAR(squared_error(w, y), 0.1825, 1e-6);
    EXPECT_EQ(site.encode(tensor(w)), (std::vector<std::int32_t>{1, -1, 0, 0, 0, 1}));
    const auto encoding = site.node.encoding();
    EXPECT_EQ(encoding.kind, static_cast<std::uint32_t>(QLOOM_ENCODING_AFFINE));
    EXPECT_EQ(encoding.bits, 2U);
    EXPECT_EQ(encoding.grid.scale[0], y[0]);
  }
}

TEST(Twn, ThresholdFactorMovesTheThreshold) {
  // mean |w| = 0.475: the threshold passes 0.3 at factor 0.6316 and 0.6 at 1.2632.
  const Tensor w = tensor({1.0F, -0.8F, 0.3F, 0.1F, -0.05F, 0.6F});
  const auto codes = [&](const std::string& factor) {
    Site site(R"({"quantizer": {"plugin": "twn", "threshold_factor": )" + factor + "}}");
    site.forward(w);
    return site.encode(w);
  };
  EXPECT_EQ(codes("0.63"), (std::vector<std::int32_t>{1, -1, 1, 0, 0, 1}));
  EXPECT_EQ(codes("0.64"), (std::vector<std::int32_t>{1, -1, 0, 0, 0, 1}));
  EXPECT_EQ(codes("1.26"), (std::vector<std::int32_t>{1, -1, 0, 0, 0, 1}));
  EXPECT_EQ(codes("1.27"), (std::vector<std::int32_t>{1, -1, 0, 0, 0, 0}));
}

/// Handbook, ptq.md 7. The quantile grid of 100000 points meets the integrals to 2e-4 or better.
TEST(Twn, MeetsTheIntegralsOfGaussUniformAndLaplaceWeights) {
  constexpr std::size_t kCount = 100000;
  constexpr double kTolerance = 1e-3;
  const auto gauss = quantiles(kCount, gauss_magnitude);
  const auto flat = quantiles(kCount, [](double p) { return p; });
  const auto laplace = quantiles(kCount, [](double p) { return -std::log1p(-p); });
  Figures f = figures(kExact, gauss);
  EXPECT_NEAR(f.alpha, 1.224006, 4e-3);  // flat optimum: alpha moves more than the error
  EXPECT_NEAR(f.error, 0.190174, kTolerance);
  EXPECT_NEAR(f.zeros, 0.4595, 4e-3);
  f = figures(kHeuristic, gauss);
  EXPECT_NEAR(f.alpha, 1.184161, kTolerance);
  EXPECT_NEAR(f.error, 0.191625, kTolerance);
  EXPECT_NEAR(f.zeros, 0.4235, kTolerance);
  f = figures(R"({"quantizer": {"plugin": "twn", "threshold_factor": 0.75}})", gauss);
  EXPECT_NEAR(f.error, 0.190268, kTolerance);
  f = figures(kExact, flat);
  EXPECT_NEAR(f.alpha, 2.0 / 3, 4e-3);
  EXPECT_NEAR(f.error, 1.0 / 27, 1e-4);
  f = figures(kHeuristic, flat);
  EXPECT_NEAR(f.error, 0.037177, 1e-4);
  f = figures(kExact, laplace);
  EXPECT_NEAR(f.alpha, 2.0, 1e-2);
  EXPECT_NEAR(f.error, 0.528482, kTolerance);
  f = figures(kHeuristic, laplace);
  EXPECT_NEAR(f.error, 0.564868, kTolerance);
}

/// Least error over all choices of nonzero weights, each with its best alpha.
double brute_force_error(const std::vector<float>& w) {
  double best = std::numeric_limits<double>::infinity();
  for (std::uint32_t kept = 0; kept < (1U << w.size()); ++kept) {
    double sum = 0, count = 0, error = 0;
    for (std::size_t i = 0; i < w.size(); ++i) {
      if ((kept >> i & 1U) != 0) sum += std::fabs(w[i]), ++count;
    }
    const double alpha = count > 0 ? sum / count : 0;
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double t = (kept >> i & 1U) != 0 ? alpha : 0;
      error += std::pow(std::fabs(w[i]) - t, 2);
    }
    best = std::min(best, error);
  }
  return best;
}

TEST(Twn, ExactModeFindsTheLeastSquaredError) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    auto w = values(gaussian({11}, seed));
    if (seed % 2 == 1) {  // many equal magnitudes
      for (float& v : w) v = std::nearbyint(2.0F * v) / 2.0F;
    }
    Site exact(kExact), heuristic(kHeuristic);
    const double error = squared_error(w, exact.forward(tensor(w)));
    EXPECT_NEAR(error, brute_force_error(w), 1e-6) << "seed " << seed;
    EXPECT_LE(error, squared_error(w, heuristic.forward(tensor(w))) + 1e-6) << "seed " << seed;
  }
}

TEST(Twn, ZerosStayZeroAndConstantsAreExact) {
  for (const char* rule : {kHeuristic, kExact}) {
    Site site(rule);
    const std::vector<float> zeros(5, 0.0F), constant{0.3F, -0.3F, 0.3F};
    EXPECT_EQ(site.forward(tensor(zeros)), zeros);
    EXPECT_EQ(site.encode(tensor(zeros)), std::vector<std::int32_t>(5, 0));
    EXPECT_EQ(site.node.encoding().grid.scale[0], 1.0F);
    EXPECT_EQ(site.forward(tensor(constant)), constant);
    EXPECT_EQ(site.forward(tensor({-2.0F})), (std::vector<float>{-2.0F}));
    EXPECT_EQ(site.forward(tensor({0.0F, 4.0F})), (std::vector<float>{0.0F, 4.0F}));
  }
}

TEST(Twn, ScalesWithTheWeights) {
  const auto w = values(gaussian({999}, 3));
  auto scaled = w;
  for (float& v : scaled) v *= 8.0F;
  for (const char* rule : {kHeuristic, kExact}) {
    Site site(rule);
    auto y = site.forward(tensor(w));
    for (float& v : y) v *= 8.0F;
    EXPECT_EQ(site.forward(tensor(scaled)), y);
  }
}

TEST(Twn, EachChannelAndEachGroupIsATensorOfItsOwn) {
  const Tensor w = gaussian({4, 3, 5}, 17);
  const auto all = values(w);
  for (const std::string mode : {"heuristic", "exact"}) {
    const std::string head =
        R"({"quantizer": {"plugin": "twn", "threshold_rule": ")" + mode + R"(")";
    Site channel(head + R"(, "granularity": "channel"}})", {.name = "weight/a", .channel_axis = 0});
    Site group(head + R"(, "granularity": {"group": 7}}})");
    const auto by_channel = channel.forward(w), by_group = group.forward(w);
    const auto part = [&](std::size_t first, std::size_t n) {
      Site one(head + "}}");
      const auto begin = all.begin() + static_cast<std::ptrdiff_t>(first);
      return one.forward(tensor({begin, begin + static_cast<std::ptrdiff_t>(n)}));
    };
    for (std::size_t c = 0; c < 4; ++c) {
      const auto expected = part(15 * c, 15);
      EXPECT_TRUE(std::equal(expected.begin(), expected.end(), by_channel.begin() + 15 * c));
    }
    for (std::size_t first = 0; first < 60; first += 7) {  // the last group is short
      const auto expected = part(first, std::min<std::size_t>(7, 60 - first));
      EXPECT_TRUE(std::equal(expected.begin(), expected.end(), by_group.begin() + first));
    }
  }
}

TEST(Twn, GradientPassesUnchangedOrClippedAtOne) {
  const Tensor w = tensor({-1.5F, -1.0F, 0.0F, 0.2F, 1.0F, 1.001F});
  const Tensor dy = tensor({1.0F, 2.0F, 3.0F, 4.0F, 5.0F, 6.0F});
  Site plain(kHeuristic), clipped(R"({"quantizer": {"plugin": "twn", "ste": "clipped"}})");
  plain.forward(w);
  clipped.forward(w);
  EXPECT_EQ(plain.backward(w, dy), values(dy));
  EXPECT_EQ(clipped.backward(w, dy), (std::vector<float>{0, 2, 3, 4, 5, 0}));
}

TEST(Twn, RefusesNanAndInfinityWithTheirIndex) {
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    const Tensor w = tensor({1.0F, 2.0F, bad});
    const auto twn = create("quantizer", "twn");
    qloom_prepare in{};
    in.struct_size = sizeof in;
    in.x = {w.data(), w.shape().data(), 1, 3, 1, 1, 3};
    qloom_error error = registry::empty_error();
    EXPECT_EQ(twn.ops<qloom_quantizer>().prepare(twn.self(), &in, &error), QLOOM_E_NUMERIC);
    EXPECT_NE(std::string(error.message).find("element 2"), std::string::npos) << error.message;
    Site site(kHeuristic);
    EXPECT_THROW(site.forward(w), RunError);
  }
}

TEST(Twn, Conforms) {
  for (const std::string parameters :
       {"", R"(, "threshold_rule": "exact")", R"(, "ste": "clipped")",
        R"(, "granularity": "channel")",
        R"(, "granularity": {"group": 50}, "threshold_rule": "exact")"}) {
    const std::string rule = R"({"quantizer": {"plugin": "twn")" + parameters + "}}";
    expect_conforms(rule, gaussian({33, 3, 3, 31}, 1));
    expect_conforms(rule, gaussian({33, 3, 3, 31}, 1), {.name = "weight/test", .channel_axis = 0});
    expect_conforms(rule, gaussian({7}, 2));
  }
}

TEST(Twn, AThresholdAboveEveryMagnitudeIsRefused) {
  Site site(R"({"quantizer": {"plugin": "twn", "threshold_factor": 1.5}})");
  try {
    site.forward(tensor({1, -1, 1, 1}));
    ADD_FAILURE() << "expected a refusal";
  } catch (const RunError& e) {
    EXPECT_NE(
        std::string(e.what()).find("the largest magnitude of group 0 is 1, its threshold 1.5"),
        std::string::npos)
        << e.what();
  }
  EXPECT_EQ(site.forward(tensor({0, 0})), (std::vector<float>{0, 0}));
}

}  // namespace
}  // namespace qloom::test
