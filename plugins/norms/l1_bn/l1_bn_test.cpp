// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/support/norm_harness.hpp"

namespace qloom::test {
namespace {

double mean_deviation(const Doubles& x) {
  double mean = 0, sum = 0;
  for (const double v : x) mean += v / static_cast<double>(x.size());
  for (const double v : x) sum += std::fabs(v - mean) / static_cast<double>(x.size());
  return sum;
}

TEST(L1Norm, GivesTheHandbooksValuesAndGradient) {  // 4.6; the third x is the mean: sign(0) = 0
  NormHarness norm("l1_bn", R"({"eps": 0, "k": 1.2533141})", 1);
  expect_near(norm.forward({-1, 0, 1, 4}), {-1.063846F, -0.531923F, 0, 1.595769F}, kPrinted);
  expect_near(norm.backward({-1, 0, 1, 4}, {1, 0, 0, 0}).dx,
              {0.265962F, -0.265962F, -0.088654F, 0.088654F}, kPrinted);
}

TEST(L1Norm, FollowsItsDefinitionForwardAndBackward) {
  for (const double eps : {0.0, 0.5}) {
    for (const double k : {1.0, 2.5}) {
      expect_follows_definition(
          "l1_bn", "{\"eps\": " + std::to_string(eps) + ", \"k\": " + std::to_string(k) + "}",
          normalised(3, [=](const Doubles& x) { return k * mean_deviation(x) + eps; }));
    }
  }
}

TEST(L1Norm, FollowsItsDefinitionFarFromZeroToo) {
  expect_follows_definition_far_from_zero("l1_bn", R"({"eps": 0, "k": 1.5})",
                                          [](const Doubles& x) { return 1.5 * mean_deviation(x); });
}

TEST(L1Norm, FiniteValuesGiveFiniteOnesOrARefusal) {
  expect_finite_or_refused("l1_bn", R"({"eps": 0, "k": 1.5})");
}

TEST(L1Norm, FrozenIsTheInferenceFormAndItsGradientHasNoMeanTerms) {
  expect_frozen_is_inference("l1_bn", "running_scale", [](double scale) { return scale + 1e-5; });
}

TEST(L1Norm, OfNormalValuesHasDeviationOne) {
  // mean|x| of n normal values is wrong by sqrt(1 - 2 / pi) / sqrt(n) = 0.0019; 5.5 of these
  NormHarness norm("l1_bn", "{}", 1);
  norm.momentum = 1;
  norm.forward(values(gaussian({100000}, 7, 2.5F)));
  EXPECT_NEAR(norm.state("running_scale") / 2.5, 1, 1.2533 * 0.0019 * 5.5);
}

TEST(L1Norm, TracksItsStatistics) { expect_tracks_statistics("l1_bn", kNoEps, 1); }
TEST(L1Norm, IsFreeOfScaleAndShift) { expect_scale_free("l1_bn", kNoEps); }
TEST(L1Norm, HasTheSameBitsForAnyNumberOfThreads) {
  expect_same_bits_for_any_threads("l1_bn", "{}");
}
TEST(L1Norm, SurvivesEdgeCases) {
  expect_edge_cases("l1_bn", "{}");
  expect_edge_cases("l1_bn", kNoEps);
}
TEST(L1Norm, QuantizesItsSlots) { expect_quantizes_its_slots("l1_bn", "{}"); }

}  // namespace
}  // namespace qloom::test
