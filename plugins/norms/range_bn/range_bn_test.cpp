// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>

#include "tests/support/norm_harness.hpp"

namespace qloom::test {
namespace {

double range_of_chunks(const Doubles& x, std::size_t chunks) {
  const std::size_t length = x.size() / chunks;
  double sum = 0;
  for (std::size_t j = 0; j < chunks; ++j) {
    const auto begin = x.begin() + static_cast<std::ptrdiff_t>(j * length);
    const auto end = begin + static_cast<std::ptrdiff_t>(length);
    const auto [low, high] = std::minmax_element(begin, end);
    sum += (*high - *low) / static_cast<double>(chunks);
  }
  return sum;
}
double paper(std::size_t length) {
  return 1 / std::sqrt(2 * std::log(static_cast<double>(length)));
}

/// The running scale after one batch, momentum 1.
double scale_of(const std::string& params, const Values& x) {
  NormHarness norm("range_bn", params, 1);
  norm.momentum = 1;
  norm.forward(x);
  return norm.state("running_scale");
}

TEST(RangeNorm, GivesTheHandbooksValuesAndGradient) {  // 4.6
  NormHarness norm("range_bn", kNoEps, 1);
  expect_near(norm.forward({-1, 0, 1, 4}), {-0.666044F, -0.333022F, 0, 0.999065F}, kPrinted);
  expect_near(norm.backward({-1, 0, 1, 4}, {1, 0, 0, 0}).dx,
              {0.116558F, -0.083255F, -0.083255F, 0.049953F}, kPrinted);
}

TEST(RangeNorm, FollowsItsDefinitionForwardAndBackward) {
  for (const std::size_t chunks : {1U, 2U, 8U}) {  // of 24 values
    for (const double eps : {0.0, 0.5}) {
      const double f = paper(24 / chunks);
      expect_follows_definition(
          "range_bn",
          "{\"eps\": " + std::to_string(eps) + ", \"num_chunks\": " + std::to_string(chunks) + "}",
          normalised(3, [=](const Doubles& x) { return f * range_of_chunks(x, chunks) + eps; }));
    }
  }
}

TEST(RangeNorm, FollowsItsDefinitionFarFromZeroToo) {
  expect_follows_definition_far_from_zero(
      "range_bn", R"({"eps": 0, "num_chunks": 1})",
      [](const Doubles& x) { return paper(x.size()) * range_of_chunks(x, 1); });
}

TEST(RangeNorm, FiniteValuesGiveFiniteOnesOrARefusal) {
  expect_finite_or_refused("range_bn", R"({"eps": 0, "num_chunks": 1})");
}

TEST(RangeNorm, FrozenIsTheInferenceFormAndItsGradientHasNoMeanTerms) {
  expect_frozen_is_inference("range_bn", "running_scale",
                             [](double scale) { return scale + 1e-5; });
}

TEST(RangeNorm, FactorsAreThoseOfTheHandbooksTable) {
  // Values 0 and 1 in the first places: the range is 1, the running scale the factor. The table
  // prints E[range] to five decimals, C(n) to six; code is 0.54020836 / sqrt(2 ln n).
  const struct {
    std::size_t n;
    double range, c;
  } rows[] = {{16, 3.53198, 0.424661},   {64, 4.68747, 0.346734},   {256, 5.65373, 0.300281},
              {1024, 6.49648, 0.268579}, {4096, 7.25216, 0.245178}, {16384, 7.94270, 0.226991},
              {65536, 8.58226, 0.212330}};
  for (const auto& row : rows) {
    Values x(row.n, 0.0F);
    x[1] = 1;
    EXPECT_NEAR(scale_of(R"({"fix": "paper"})", x), row.c, 6e-7) << row.n;
    EXPECT_NEAR(scale_of(R"({"fix": "code"})", x), 0.54020836 * row.c, 6e-7) << row.n;
    EXPECT_NEAR(1 / scale_of(R"({"fix": "gaussian_exact"})", x), row.range, 6e-6) << row.n;
  }
}

TEST(RangeNorm, ChunksThatDoNotDivideTheRowsGiveWayToTheLargestDivisor) {
  const Values x = values(gaussian({30}, 14));
  const Doubles x_(x.begin(), x.end());
  // 30 values: 16 -> 15 chunks of 2; 7 -> 6 of 5; 30 would leave chunks of one value -> 15
  for (const auto& [asked, used] : {std::pair{16, 15U}, {7, 6U}, {30, 15U}, {1, 1U}}) {
    EXPECT_NEAR(scale_of("{\"num_chunks\": " + std::to_string(asked) + "}", x),
                paper(30 / used) * range_of_chunks(x_, used), 1e-12);
  }
  EXPECT_NEAR(scale_of(R"({"num_chunks": 4})", {1, 2, 5}), paper(3) * 4, 1e-12);
}

TEST(RangeNorm, OnlyTheFirstOfEqualExtremesGetsTheGradientOfTheRange) {
  NormHarness norm("range_bn", kNoEps, 1);
  NormHarness detached("range_bn", R"({"eps": 0, "detach_range": true})", 1);
  const Values x{0, 3, 1, 3, 0, 2}, dy{1, -2, 0.5F, 0.25F, 1, 3};
  norm.forward(x);
  detached.forward(x);
  const Values all = norm.backward(x, dy).dx, rest = detached.backward(x, dy).dx;
  EXPECT_NE(all[0], rest[0]);
  EXPECT_NE(all[1], rest[1]);
  for (const std::size_t i : {2U, 3U, 4U, 5U}) EXPECT_EQ(all[i], rest[i]) << i;
}

TEST(RangeNorm, AnExtremeIsFoundInAnyPlace) {
  constexpr std::size_t kRows = 5000, kChannels = 3;  // several blocks of rows
  for (const std::size_t row : {0U, 63U, 64U, 4999U}) {
    Values x(kRows * kChannels, 0.0F);
    x[row * kChannels + 1] = 2;
    NormHarness norm("range_bn", "{}", kChannels);
    norm.momentum = 1;
    norm.forward(x);
    EXPECT_NEAR(norm.state("running_scale", 1), 2 * paper(kRows), 1e-12);
    EXPECT_EQ(norm.state("running_scale", 2), 0);
  }
}

TEST(RangeNorm, OneValuePerChannelIsRefused) {
  NormHarness norm("range_bn", "{}", 2);
  EXPECT_THROW(norm.forward({1, 2}), std::exception);
}

TEST(RangeNorm, TracksItsStatistics) { expect_tracks_statistics("range_bn", kNoEps, 1); }
TEST(RangeNorm, IsFreeOfScaleAndShift) {
  expect_scale_free("range_bn", kNoEps);
  expect_scale_free("range_bn", R"({"eps": 0, "num_chunks": 8, "fix": "code"})");
}
TEST(RangeNorm, HasTheSameBitsForAnyNumberOfThreads) {
  expect_same_bits_for_any_threads("range_bn", "{}");
  expect_same_bits_for_any_threads("range_bn", R"({"num_chunks": 16})");
}
TEST(RangeNorm, SurvivesEdgeCases) {
  expect_edge_cases("range_bn", "{}");
  expect_edge_cases("range_bn", kNoEps);
}
TEST(RangeNorm, QuantizesItsSlots) { expect_quantizes_its_slots("range_bn", "{}"); }

}  // namespace
}  // namespace qloom::test
