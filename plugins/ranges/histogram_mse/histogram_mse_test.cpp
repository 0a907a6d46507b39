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

/// Sum of squared errors of x on the points k * step, k = first .. last, in double.
double error_on(const std::vector<float>& x, double step, double first, double last) {
  double sum = 0;
  for (const float v : x) {
    const double y = step * std::clamp(std::nearbyint(v / step), first, last);
    sum += (v - y) * (v - y);
  }
  return sum;
}
/// The least error of any grid with an exact zero, `levels` points in all.
double least_error(const std::vector<float>& x, double largest, int levels) {
  double least = HUGE_VAL;
  for (int below = 0; below < levels; ++below) {
    for (int i = 1; i <= 400; ++i) {
      const double step = largest * i / 100 / levels;
      least = std::min(least, error_on(x, step, -below, levels - 1 - below));
    }
  }
  return least;
}

TEST(HistogramMse, IsNearTheBestGridWithAnExactZero) {
  const auto check = [](const std::vector<float>& x, double largest) {
    for (int bits = 2; bits <= 4; ++bits) {
      const std::string quantizer =
          R"({"quantizer": {"plugin": "affine", "bits": )" + std::to_string(bits) + "}";
      Site site(quantizer + R"(, "range": {"plugin": "histogram_mse"}})");
      const double found = squared_error(x, site.forward(tensor(x)));
      EXPECT_LE(found, 1.06 * least_error(x, largest, 1 << bits)) << bits << " bits";
    }
  };
  check(sample(-6, 6, gauss, 3000), 6);
  check(sample(-12, 12, laplace, 3000), 12);
  check(sample(0, 16, exponential, 3000), 16);
  std::vector<float> below = sample(0, 16, exponential, 3000);
  for (float& v : below) v = -v;
  check(below, 16);
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
  // 128 bins of 1000 and one value at 16: error 41.7 unclipped, 225.4 without the outlier.
  std::vector<float> x;
  for (int i = 0; i < 128; ++i) {
    x.insert(x.end(), 1000, static_cast<float>((i + 0.5) * 16 / kBins));
  }
  x.insert(x.end(), {0.0F, 16.0F});
  expect_range(observed("histogram_mse", "{}", x)[0], 0, 16, 1e-12);
}

TEST(HistogramMse, ZerosOnesAndAHundredKeepTheHundred) {
  std::vector<float> x(2000, 0.0F);  // 3 bits: 0.130 unclipped, 4.26 where 100 becomes 1
  x.insert(x.end(), 300, 1.0F);
  x.push_back(100);
  Site site(
      R"({"quantizer": {"plugin": "affine", "bits": 3}, "range": {"plugin": "histogram_mse"}})");
  EXPECT_LE(squared_error(x, site.forward(tensor(x))) / 2301, 0.1304);
}

/// Inputs that tempt: outliers, few values, one sign, far from zero, tiny, huge, many zeros.
std::vector<float> tempting(std::uint64_t seed) {
  using Form = float (*)(float);
  static constexpr Form kForms[] = {[](float v) { return v; },
                                    [](float v) { return v * v * v; },
                                    [](float v) { return std::fabs(v); },
                                    [](float v) { return -std::exp(v); },
                                    [](float v) { return std::nearbyint(v); },
                                    [](float v) { return v > 1 ? 1.0F : 0.0F; },
                                    [](float v) { return 1000 + v; },
                                    [](float v) { return v * 1e-30F; },
                                    [](float v) { return v * 1e32F; },
                                    [](float v) { return v > 0 ? v : 0.0F; },
                                    [](float v) { return v < 0 ? -7.0F : v; }};
  std::vector<float> x = values(gaussian({2 + static_cast<std::int64_t>(seed * 7 % 900)}, seed));
  const float outlier = static_cast<float>(std::pow(10.0, static_cast<double>(seed % 5)));
  for (float& v : x) v = kForms[seed % std::size(kForms)](v);
  if (seed % 3 == 0) x[seed % x.size()] *= outlier;
  if (seed % 7 == 0) x[0] = -x[0] * outlier;
  return x;
}

TEST(HistogramMse, IsNeverWorseThanTheUnclippedRange) {
  const char* const grids[] = {R"("symmetric": false)", R"("symmetric": true)",
                               R"("symmetric": true, "narrow_range": true)",
                               R"("symmetric": true, "signed": false)",
                               R"("symmetric": false, "signed": true, "narrow_range": true)"};
  for (std::uint64_t seed = 0; seed < 77; ++seed) {
    const std::vector<float> x = tempting(seed);
    for (std::size_t grid = 0; grid < 5; ++grid) {
      const int bits = 2 + static_cast<int>((seed + grid) % 7);
      const std::string parameters =
          std::string(grids[grid]) + ", \"bits\": " + std::to_string(bits);
      const auto error = [&](const char* range) {
        Site site(R"({"quantizer": {"plugin": "affine", )" + parameters +
                  R"(}, "range": {"plugin": ")" + range + "\"}}");
        return squared_error(x, site.forward(tensor(x)));
      };
      ASSERT_LE(error("histogram_mse"), error("min_max")) << "input " << seed << ", " << parameters;
    }
  }
}

TEST(HistogramMse, IsNeverWorseInAnyChannelOrGroup) {
  const Tensor x = gaussian({6, 40}, 5);
  Tensor scaled = x;
  for (std::size_t i = 0; i < x.size(); ++i) {
    scaled[i] = std::pow(x[i], 1.0F + 2.0F * static_cast<float>(i / 40 % 3)) * (i < 80 ? 1 : 1e3F);
  }
  const auto errors = [&](const char* range, const char* granularity) {
    Site site(R"({"quantizer": {"plugin": "affine", "bits": 3, "granularity": )" +
                  std::string(granularity) + R"(}, "range": {"plugin": ")" + range + "\"}}",
              {.name = "weight/test", .channel_axis = 0});
    const std::vector<float> y = site.forward(scaled), in = values(scaled);
    std::vector<double> sums;
    for (std::ptrdiff_t i = 0; i < 240; i += 20) {
      sums.push_back(squared_error({in.begin() + i, in.begin() + i + 20},
                                   {y.begin() + i, y.begin() + i + 20}));
    }
    return sums;
  };
  const auto groups = errors("histogram_mse", R"({"group": 20})"),
             plain = errors("min_max", R"({"group": 20})");
  for (std::size_t i = 0; i < 12; ++i) EXPECT_LE(groups[i], plain[i]) << "group " << i;
  const auto channels = errors("histogram_mse", "\"channel\""),
             whole = errors("min_max", "\"channel\"");
  for (std::size_t i = 0; i < 12; i += 2) {
    EXPECT_LE(channels[i] + channels[i + 1], whole[i] + whole[i + 1]) << "channel " << i / 2;
  }
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
