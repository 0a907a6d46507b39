// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <cmath>

#include "tests/support/observer.hpp"

namespace qloom::test {
namespace {

constexpr int kBins = 2048;

/// About `total` values in the centres of 2048 bins of [lo, hi] with the counts of a distribution
/// function; the outermost two are moved to the ends, which fixes the range.
template <class Distribution>
std::vector<float> sample(double lo, double hi, Distribution f, double total = 4e6) {
  std::vector<float> x;
  const double width = (hi - lo) / kBins;
  for (int i = 0; i < kBins; ++i) {
    const double begin = std::nearbyint(total * f(lo + i * width));
    const double end = std::nearbyint(total * f(lo + (i + 1) * width));
    x.insert(x.end(), static_cast<std::size_t>(end - begin),
             static_cast<float>(lo + (i + 0.5) * width));
  }
  x.front() = static_cast<float>(lo);
  x.back() = static_cast<float>(hi);
  return x;
}
double gauss(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }
double laplace(double x) { return x < 0 ? 0.5 * std::exp(x) : 1 - 0.5 * std::exp(-x); }
double exponential(double x) { return 1 - std::exp(-x); }

/// Handbook 13.3, computed with 256 cells and counts that are no whole numbers; two bins of
/// tolerance. A step of the path is 40 of the 4e6 values; one value more or less moves the end of
/// exp(1) by 1 / 40, others by less than a bin. On [-4, 4] the last steps are equally good to 1e-3
/// and whole counts may end one step earlier or later, 1e-5 of the values, 0.026 at 3.7.
TEST(HistogramMse, ClipsKnownDistributionsWhereTheHandbookDoes) {
  expect_range(observed("histogram_mse", "{}", sample(-6, 6, gauss))[0], -3.94922, 3.94336,
               2 * 12.0 / kBins);
  expect_range(observed("histogram_mse", "{}", sample(-8, 8, gauss))[0], -3.94531, 3.93750,
               2 * 16.0 / kBins);
  expect_range(observed("histogram_mse", "{}", sample(-4, 4, gauss))[0], -3.71484, 3.71094,
               2 * 8.0 / kBins + 0.026);
  expect_range(observed("histogram_mse", "{}", sample(-12, 12, laplace))[0], -9.63281, 9.62109,
               2 * 24.0 / kBins);
  expect_range(observed("histogram_mse", "{}", sample(0, 16, exponential))[0], 0, 11.5,
               2 * 16.0 / kBins + 1.0 / 40);
}

TEST(HistogramMse, AtFewBitsItIsTheBestMidRiseQuantizer) {
  // Handbook 9.1, true optima for 2^M cells: 1.9914, 2.3441, 2.6816 sigma for 2, 3, 4 bits. The
  // path may end one bin (0.006) and one quantile off on either side: the density at 2.7 is 0.01,
  // so 1e-5 of the values is 0.001; constant density inside a bin adds less than another bin.
  const std::vector<float> x = sample(-6, 6, gauss, 1e6);
  const double best[] = {1.9914, 2.3441, 2.6816};
  for (int bits = 2; bits <= 4; ++bits) {
    const auto grid = grid_of(static_cast<std::uint32_t>(bits));
    expect_range(observed("histogram_mse", "{}", x, grid)[0], -best[bits - 2], best[bits - 2],
                 2.5 * 12.0 / kBins);
  }
}

/// Mean squared error of x on the points k * 2 a / (levels - 1), |k| <= (levels - 1) / 2.
double symmetric_error(const std::vector<float>& x, double a, int levels) {
  const double step = 2 * a / (levels - 1), last = (levels - 1) / 2;
  double sum = 0;
  for (const float v : x) {
    const double y = step * std::clamp(std::nearbyint(v / step), -last, last);
    sum += (v - y) * (v - y);
  }
  return sum / static_cast<double>(x.size());
}

TEST(HistogramMse, OnASymmetricGridNoClipIsMuchBetter) {
  const std::vector<float> x = values(gaussian({20000}, 41));
  for (const int bits : {2, 3, 4, 6, 8}) {
    qloom_range_context context = grid_of(static_cast<std::uint32_t>(bits), true);
    context.levels -= 1;  // codes -(2^(bits-1) - 1) .. 2^(bits-1) - 1
    const int levels = static_cast<int>(context.levels);
    const auto r = observed("histogram_mse", "{}", x, context)[0];
    const double found = symmetric_error(x, std::max(-r.lo, r.hi), levels);
    double best = found;
    for (double a = 0.01; a < 5; a += 0.01) best = std::min(best, symmetric_error(x, a, levels));
    // The histogram knows the values to 1/2048 of the range, an eighth of a step at 8 bits.
    EXPECT_LE(found, best * 1.02) << bits << " bits, range " << r.lo << " .. " << r.hi;
  }
}

TEST(HistogramMse, ClippingMustPay) {
  // Equal counts: PyTorch's first move would give [0, 2047 / 2048].
  const auto r = observed("histogram_mse", "{}",
                          sample(0, 1, [](double x) { return x; }, 204800))[0];
  expect_range(r, 0, 1, 1e-12);
  // 128 bins of 1000 and one value at 16: error 41.7 unclipped, 225.4 without the outlier.
  std::vector<float> x;
  for (int i = 0; i < 128; ++i) {
    x.insert(x.end(), 1000, static_cast<float>((i + 0.5) * 16 / kBins));
  }
  x.insert(x.end(), {0.0F, 16.0F});
  expect_range(observed("histogram_mse", "{}", x)[0], 0, 16, 1e-12);
}

TEST(HistogramMse, TensorsOfARoundAddUpToOneHistogram) {
  const std::vector<float> x = sample(-6, 6, gauss, 1e5);
  const std::vector<float> first(x.begin(), x.begin() + 30000), rest(x.begin() + 30000, x.end());
  Observer observer("histogram_mse", "{}", grid_of(4));
  observer.round({{-100, 100}});
  observer.round({first, rest});
  const auto whole = observed("histogram_mse", "{}", x, grid_of(4))[0];
  expect_range(observer.ranges()[0], whole.lo, whole.hi);
}

TEST(HistogramMse, AConstantTensorKeepsItsValue) {
  for (const bool symmetric : {false, true}) {
    expect_range(observed("histogram_mse", "{}", {2, 2}, grid_of(8, symmetric))[0], 2, 2);
    expect_range(observed("histogram_mse", "{}", {0}, grid_of(8, symmetric))[0], 0, 0);
  }
  const auto r = observed("histogram_mse", "{}", {5, 5, -1, 1}, grid_of(8), 1, 2);
  expect_range(r[0], 5, 5);
  EXPECT_LE(r[1].lo, r[1].hi);
}

TEST(HistogramMse, TheRangeLiesInsideTheExtremes) {
  for (const char* params : {"{}", R"({"bins": 16})", R"({"bins": 65536})"}) {
    for (const bool symmetric : {false, true}) {
      const std::vector<float> x = values(gaussian({500}, 8));
      const auto all = observed("min_max", "{}", x)[0];
      const auto r = observed("histogram_mse", params, x, grid_of(3, symmetric))[0];
      EXPECT_GE(r.lo, all.lo);
      EXPECT_LE(r.hi, all.hi + 1e-6);
      EXPECT_LT(r.lo, r.hi);
    }
  }
}

TEST(HistogramMse, FollowsTheRulesOfEstimators) { expect_observer_rules("histogram_mse", "{}", 0); }

}  // namespace
}  // namespace qloom::test
