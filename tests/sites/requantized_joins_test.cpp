// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Requantizers behind concatenations, and behind average pools that pad or whose channels have
// several scales.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "host/layers/common/pool.hpp"
#include "host/tensor/error.hpp"
#include "tests/support/bench.hpp"

namespace qloom::test {
namespace {

Json branches_patch() {
  return Json::parse(R"({"model": {"inline": {"format": 1, "name": "branches", "layers": [
    {"name": "stem", "type": "conv", "filters": 4, "kernel": 3, "padding": "same"},
    {"name": "a", "type": "conv", "filters": 3, "kernel": 3, "padding": "same"},
    {"name": "b", "type": "conv", "filters": 5, "kernel": 1, "input": "stem"},
    {"name": "both", "type": "concat", "input": ["a", "b"]},
    {"name": "mean", "type": "average_pool", "kernel": 3, "stride": 2, "padding": "same"},
    {"name": "fc", "type": "dense", "units": "classes"}]}}})");
}

/// Codes of `a` and `b` at scales of their own; a requantizer at these layers.
Json branch_rules(const std::vector<std::string>& requantized) {
  Json rules = Json::parse(R"([
    {"site": "weight", "quantizer": {"plugin": "affine", "symmetric": true}},
    {"site": "input", "quantizer": {"plugin": "affine"},
     "range": {"plugin": "moving_average_min_max"}},
    {"site": "output", "layers": ["stem"], "quantizer": {"plugin": "affine"},
     "range": {"plugin": "moving_average_min_max"}},
    {"site": "output", "layers": ["a"],
     "quantizer": {"plugin": "affine", "bits": 7, "symmetric": false},
     "range": {"plugin": "moving_average_min_max"}},
    {"site": "output", "layers": ["b"],
     "quantizer": {"plugin": "affine", "bits": 5, "symmetric": true},
     "range": {"plugin": "moving_average_min_max"}},
    {"site": "output", "layers": [], "quantizer": {"plugin": "affine", "bits": 8},
     "range": {"plugin": "moving_average_min_max"}, "requantizer": {"plugin": "multiplier"}}])");
  rules[5]["layers"] = requantized;
  return rules;
}

/// Codes are the real values over the scale, rounded, but for the bits of a multiplier.
void expect_codes_of(const network::Node& output, const std::vector<float>& real) {
  const qloom_encoding e = output.site->encoding();
  const double scale = double{e.grid.scale[0]};
  std::size_t exact = 0;
  for (std::size_t i = 0; i < real.size(); ++i) {
    const double code = std::clamp<double>(double{real[i]} / scale + e.grid.zero_point[0],
                                           e.grid.code_min[0], e.grid.code_max[0]);
    const double made = double{(*output.value)[i]} / scale + e.grid.zero_point[0];
    ASSERT_NEAR(made, code, 0.51) << i;
    exact += std::abs(made - std::nearbyint(code)) < 0.01 ? 1 : 0;
  }
  EXPECT_GT(exact, real.size() * 98 / 100);
}

/// Means over the elements inside the image, in double.
std::vector<float> means_of(const std::vector<float>& x, std::size_t channels) {
  std::vector<float> means;
  for (std::size_t n = 0; n < static_cast<std::size_t>(Bench::kBatch); ++n) {
    for (std::size_t place = 0; place < 16; ++place) {  // 4 x 4 windows of 3 x 3 in 8 x 8
      const std::size_t top = place / 4 * 2, left = place % 4 * 2;
      for (std::size_t c = 0; c < channels; ++c) {
        double sum = 0, count = 0;
        for (std::size_t h = top; h < std::min<std::size_t>(top + 3, 8); ++h) {
          for (std::size_t w = left; w < std::min<std::size_t>(left + 3, 8); ++w, ++count) {
            sum += double{x[((n * 8 + h) * 8 + w) * channels + c]};
          }
        }
        means.push_back(static_cast<float>(sum / count));
      }
    }
  }
  return means;
}

TEST(RequantizedJoins, CodesOfTwoScalesGoSideBySideToOne) {
  Bench bench(branch_rules({"both", "mean"}), branches_patch());
  for (std::uint64_t step = 0; step < 2; ++step) bench.train(step);
  bench.evaluate();
  const network::Node& output = bench.node("output/both");
  ASSERT_TRUE(output.requantized->acts);
  EXPECT_EQ(bench.node("both").coded.scale_count, 8) << "a scale for each channel";
  expect_codes_of(output, bench.y("both"));
}

TEST(RequantizedJoins, AMeanThatPadsDividesByTheElementsInside) {
  Bench bench(branch_rules({"both", "mean"}), branches_patch());
  for (std::uint64_t step = 0; step < 2; ++step) bench.train(step);
  bench.evaluate();
  ASSERT_TRUE(bench.node("output/mean").requantized->acts);
  expect_codes_of(bench.node("output/mean"), means_of(values(*bench.node("output/both").value), 8));
}

TEST(RequantizedJoins, AMeanOfCodesOfTwoScalesIsExactInEachChannel) {
  Bench bench(branch_rules({"mean"}), branches_patch());
  for (std::uint64_t step = 0; step < 2; ++step) bench.train(step);
  bench.evaluate();
  const network::Node& mean = bench.node("mean");
  ASSERT_EQ(mean.sums.size(), mean.out.size());
  const std::vector<float> x = bench.y("both"), y = bench.y("mean"), expected = means_of(x, 8);
  const float a = bench.node("output/a").site->encoding().grid.scale[0],
              b = bench.node("output/b").site->encoding().grid.scale[0];
  for (std::size_t i = 0; i < y.size(); ++i) {
    ASSERT_NEAR(y[i], expected[i], 1e-5F);
    ASSERT_EQ(y[i], static_cast<float>(static_cast<double>(mean.sums[i]) *
                                       (double{i % 8 < 3 ? a : b} / 36.0)));
  }
  expect_codes_of(bench.node("output/mean"), expected);
}

TEST(RequantizedJoins, RefuseCodesThatAreTooWideBeforeAnythingRuns) {
  Json rules = branch_rules({"mean"});
  rules[4]["quantizer"]["bits"] = 24;
  rules[5]["layers"] = {"both"};
  try {
    const Bench bench(rules, branches_patch());
    ADD_FAILURE() << "24 bits";
  } catch (const InputError& error) {
    const std::string text = error.what();
    EXPECT_EQ(text.substr(text.find(": ") + 2),
              "/rules/5/requantizer: quantizer \"affine\" at \"output/b\" has codes of 24 bits; "
              "expected at most 23, which are added exactly");
  }
}

TEST(CommonCount, IsWhatEveryWindowDivides) {
  layers::PoolShape shape{.in_h = 5,
                          .in_w = 9,
                          .kernel_h = 3,
                          .kernel_w = 1,
                          .stride_h = 1,
                          .stride_w = 1,
                          .pad_top = 1,
                          .pad_bottom = 1};
  EXPECT_EQ(layers::common_count(shape), 6);
  const std::vector<std::int64_t> multiples = layers::window_multiples(shape);
  ASSERT_EQ(multiples.size(), 45U);
  EXPECT_EQ(multiples[0], 3);
  EXPECT_EQ(multiples[9], 2);
  EXPECT_EQ(multiples[44], 3);
  shape = {.in_h = 40,
           .in_w = 40,
           .kernel_h = 40,
           .kernel_w = 40,
           .stride_h = 1,
           .stride_w = 1,
           .pad_top = 20,
           .pad_bottom = 20};
  EXPECT_EQ(layers::common_count(shape), 0) << "21 to 40 rows";
}

}  // namespace
}  // namespace qloom::test
