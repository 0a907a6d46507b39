// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/support/norm_harness.hpp"

namespace qloom::test {
namespace {

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
  expect_frozen_is_inference("batch_norm", "running_variance",
                             [](double variance) { return std::sqrt(variance + 1e-5); });
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
