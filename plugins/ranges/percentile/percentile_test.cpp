// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/support/observer.hpp"

namespace qloom::test {
namespace {

/// 1, 2, .. n in an order that is not sorted.
std::vector<float> shuffled_count(std::size_t n) {
  std::vector<float> x(n);
  for (std::size_t i = 0; i < n; ++i) x[i * 7919 % n] = static_cast<float>(i + 1);
  return x;
}

TEST(Percentile, OfOneToTenThousandIsTwoAndTenThousand) {
  // Handbook 13.3, variant b: k_lo = 2, k_hi = 10000
  expect_range(observed("percentile", "{}", shuffled_count(10000))[0], 2, 10000);
}

TEST(Percentile, OfASmallTensorIsItsExtremes) {
  for (const std::size_t n : {1U, 2U, 10U, 999U}) {
    expect_range(observed("percentile", "{}", shuffled_count(n))[0], 1, static_cast<double>(n));
  }
}

TEST(Percentile, HundredIsMinMax) {
  const auto x = values(gaussian({30011}, 5));
  const auto exact = observed("min_max", "{}", x)[0];
  expect_range(observed("percentile", R"({"percentile": 100})", x)[0], exact.lo, exact.hi);
}

TEST(Percentile, IsTheOrderStatisticOfTheSortedValues) {
  // n q = 299.7: k_lo = 300 - 300 + 1 = 1; n q = 297: k_lo = 4, k_hi = 298; 285: 16 and 286
  std::vector<float> x = values(gaussian({300}, 6)), sorted = x;
  std::sort(sorted.begin(), sorted.end());
  const auto at = [&](const char* p) { return observed("percentile", p, x)[0]; };
  expect_range(at(R"({"percentile": 99.9})"), sorted[0], sorted[299]);
  expect_range(at(R"({"percentile": 99})"), sorted[3], sorted[297]);
  expect_range(at(R"({"percentile": 95})"), sorted[15], sorted[285]);
}

/// The order statistics of group g of outer x groups x inner values, by sorting.
qloom_range sorted_ends(const std::vector<float>& x, double percent, std::uint64_t groups = 1,
                        std::uint64_t inner = 1, std::uint64_t g = 0) {
  std::vector<float> own;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (i / inner % groups == g && std::isfinite(x[i])) own.push_back(x[i]);
  }
  std::sort(own.begin(), own.end());
  const auto n = static_cast<double>(own.size());
  const auto lo = static_cast<std::size_t>(n - std::ceil(n * percent / 100 - 1e-6));
  const auto hi = static_cast<std::size_t>(std::min(std::floor(n * percent / 100 + 1e-6), n - 1));
  return {own[lo], own[hi]};
}

/// Large tensors, whose ends are looked for beyond pivots only.
void expect_sorted_ends(const std::vector<float>& x, const std::string& percent,
                        std::uint64_t outer = 1, std::uint64_t groups = 1) {
  const std::uint64_t inner = x.size() / outer / groups;
  const auto r =
      observed("percentile", "{\"percentile\": " + percent + "}", x, grid_of(8), outer, groups);
  for (std::uint64_t g = 0; g < groups; ++g) {
    SCOPED_TRACE(testing::Message() << percent << " %, group " << g << " of " << groups);
    const qloom_range expected = sorted_ends(x, std::stod(percent), groups, inner, g);
    expect_range(r[g], expected.lo, expected.hi);
  }
}

TEST(Percentile, OfLargeTensorsIsTheOrderStatisticOfTheSortedValues) {
  std::vector<float> x = values(gaussian({300000}, 6));
  for (std::size_t i = 0; i < x.size(); i += 997) x[i] = i % 2 == 0 ? NAN : INFINITY;
  for (const char* percent : {"60", "90", "99", "99.9", "99.99", "99.999", "100"}) {
    expect_sorted_ends(x, percent);
    expect_sorted_ends(x, percent, 100000, 3);
    expect_sorted_ends(x, percent, 100, 2);
    expect_sorted_ends(x, percent, 3000, 100);
  }
}

TEST(Percentile, OfLargeTensorsInOrderOrWithManyEqualValuesToo) {
  std::vector<float> sorted(200000), few(200000), rectified = values(gaussian({200000}, 9));
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    sorted[i] = static_cast<float>(i);
    few[i] = static_cast<float>(i * 7919 % 5);
    rectified[i] = std::max(rectified[i], 0.0F);
  }
  std::vector<float> lonely(200000, 1.0F);  // no sample sees the others
  lonely[77] = -5.0F;
  lonely[78] = lonely[79] = 9.0F;
  for (const auto& x : {sorted, few, rectified, lonely}) {
    for (const char* percent : {"99", "99.99", "99.9995", "100"}) {
      expect_sorted_ends(x, percent);
      expect_sorted_ends(x, percent, 40000, 5);
    }
  }
}

TEST(Percentile, APeriodThatASampleCouldMissIsSeen) {
  std::vector<float> x(1 << 18, 0.5F);
  for (std::size_t i = 13; i < x.size(); i += 64) x[i] = static_cast<float>(i);
  for (std::size_t i = 0; i < x.size(); i += 4096) x[i] = -static_cast<float>(i);
  for (const char* percent : {"99", "99.9", "99.99"}) expect_sorted_ends(x, percent);
}

TEST(Percentile, OneSidedOfALargeTensorTakesTheMagnitudesToo) {
  std::vector<float> x = values(gaussian({150000}, 21)), magnitudes = x;
  for (float& v : magnitudes) v = std::fabs(v);
  const double hi = sorted_ends(magnitudes, 99.9).hi;
  expect_range(observed("percentile", R"({"sides": "one_sided", "percentile": 99.9})", x)[0], -hi,
               hi);
}

TEST(Percentile, AveragesTheTensorsOfARoundAndForgetsThemAtTheNext) {
  Observer observer("percentile");
  observer.round({{-1, 3}, {-2, 5}, {-3, 10}});
  expect_range(observer.ranges()[0], -2, 6);
  observer.round({{0, 1}});
  expect_range(observer.ranges()[0], 0, 1);
}

TEST(Percentile, OneSidedTakesTheMagnitudes) {
  std::vector<float> x = shuffled_count(1000);
  for (float& v : x) v = -v;
  const std::string params = R"({"sides": "one_sided", "percentile": 99})";
  expect_range(observed("percentile", params, x)[0], -991, 991);
  for (float& v : x) v = -v;
  expect_range(observed("percentile", params, x)[0], -991, 991);
  expect_range(observed("percentile", params, x, grid_of(8, false, true))[0], 0, 991);
}

TEST(Percentile, OneSidedKeepsNegativeValuesOnAGridOfUnsignedCodes) {
  // the affine grid with a zero point: 0 as the low end would make all of them 0
  const std::string params = R"({"sides": "one_sided", "percentile": 100})";
  qloom_range_context context = grid_of(8);
  context.is_signed = 0;
  const auto r = observed("percentile", params, {-3, -1, -2, 4, -5, 1, 0, 2, 3}, context, 1, 3);
  expect_range(r[0], -3, 3);
  expect_range(r[1], -5, 5);
  expect_range(r[2], 0, 3);
  Site site(R"({"quantizer": {"plugin": "affine"},
               "range": {"plugin": "percentile", "sides": "one_sided"}})");
  const std::vector<float> y = site.forward(tensor({-1, -0.5F, -0.25F, -1}));
  expect_near(y, {-1, -0.5F, -0.25F, -1}, 1.0 / 255);
}

TEST(Percentile, ARoundThatIsSavedInTheMiddleGoesOn) {
  const std::string params = R"({"sides": "one_sided"})";
  Observer one("percentile", params, grid_of(8, false, true)), other("percentile", params);
  one.begin(0);
  one.observe(std::vector<float>{1, 2});
  other.instance().load(one.instance().save(), one.instance().state_version());
  one.observe(std::vector<float>{4});
  other.observe(std::vector<float>{4});
  expect_range(one.ranges()[0], 0, 3);
  expect_range(other.ranges()[0], 0, 3);
}

TEST(Percentile, FollowsTheRulesOfEstimators) { expect_observer_rules("percentile", "{}", 0); }

}  // namespace
}  // namespace qloom::test
