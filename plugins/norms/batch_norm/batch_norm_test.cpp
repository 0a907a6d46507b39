// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/support/norm_harness.hpp"

namespace qloom::test {
namespace {

const std::string kNoEps = R"({"eps": 0})";
constexpr double kPrinted = 1e-6;  // the handbook prints six decimals

double variance(const Doubles& x) {
  double mean = 0, sum = 0;
  for (const double v : x) mean += v / static_cast<double>(x.size());
  for (const double v : x) sum += (v - mean) * (v - mean) / static_cast<double>(x.size());
  return sum;
}

TEST(BatchNorm, GivesTheHandbooksValuesAndGradient) {  // 4.6
  NormHarness norm("batch_norm", kNoEps, 1);
  expect_near(norm.forward({-1, 0, 1, 4}), {-1.069045F, -0.534522F, 0, 1.603567F}, kPrinted);
  expect_near(norm.backward({-1, 0, 1, 4}, {1, 0, 0, 0}).dx,
              {0.248171F, -0.209991F, -0.133631F, 0.095450F}, kPrinted);
}

TEST(BatchNorm, FollowsItsDefinitionForwardAndBackward) {
  for (const double eps : {0.0, 1e-5, 0.5}) {
    expect_follows_definition(
        "batch_norm", "{\"eps\": " + std::to_string(eps) + "}",
        normalised(3, [=](const Doubles& x) { return std::sqrt(variance(x) + eps); }));
  }
}

TEST(BatchNorm, FollowsItsDefinitionFarFromZeroToo) {
  expect_follows_definition_far_from_zero("batch_norm", kNoEps,
                                          [](const Doubles& x) { return std::sqrt(variance(x)); });
}

TEST(BatchNorm, FiniteValuesGiveFiniteOnesOrARefusal) {
  expect_finite_or_refused("batch_norm", kNoEps);
}

TEST(BatchNorm, FrozenIsTheInferenceFormAndItsGradientHasNoMeanTerms) {
  NormHarness source("batch_norm", "{}", 3);
  source.forward(values(gaussian({50, 3}, 9, 2.0F)));
  const data::Arrays state = source.instance().save();
  const auto& mean = std::get<Doubles>(state.at("running_mean").values);
  const auto& var = std::get<Doubles>(state.at("running_variance").values);
  expect_follows_definition(
      "batch_norm", "{}",
      [&](const Doubles& x, const Doubles& gamma, const Doubles& beta) {
        Doubles y;
        for (std::size_t i = 0; i < x.size(); ++i) {
          const std::size_t c = i % 3;
          y.push_back(gamma[c] * (x[i] - mean[c]) / std::sqrt(var[c] + 1e-5) + beta[c]);
        }
        return y;
      },
      QLOOM_MODE_FROZEN, state);
}

TEST(BatchNorm, RunningVarianceIsUnbiased) {
  NormHarness norm("batch_norm", "{}", 1);
  norm.momentum = 1;
  norm.forward({-1, 0, 1, 4});  // sum of squares 14, n = 4
  EXPECT_NEAR(norm.state("running_variance"), 14.0 / 3, 1e-14);
  EXPECT_NEAR(norm.state("running_scale"), std::sqrt(14.0 / 3), 1e-14);
  norm.forward({5});  // one value: no unbiased estimate, the biased one is 0
  EXPECT_EQ(norm.state("running_variance"), 0);
}

TEST(BatchNorm, TracksItsStatistics) { expect_tracks_statistics("batch_norm", kNoEps, 64.0 / 63); }
TEST(BatchNorm, IsFreeOfScaleAndShift) { expect_scale_free("batch_norm", kNoEps); }
TEST(BatchNorm, HasTheSameBitsForAnyNumberOfThreads) {
  expect_same_bits_for_any_threads("batch_norm", "{}");
}
TEST(BatchNorm, SurvivesEdgeCases) {
  expect_edge_cases("batch_norm", "{}");
  expect_edge_cases("batch_norm", kNoEps);
}
TEST(BatchNorm, QuantizesItsSlots) { expect_quantizes_its_slots("batch_norm", "{}"); }

}  // namespace
}  // namespace qloom::test
