// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
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
  const std::string params = R"({"mode": "one_sided", "percentile": 99})";
  expect_range(observed("percentile", params, x)[0], -991, 991);
  expect_range(observed("percentile", params, x, grid_of(8, false, true))[0], 0, 991);
}

TEST(Percentile, ARoundThatIsSavedInTheMiddleGoesOn) {
  const std::string params = R"({"mode": "one_sided"})";
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
