// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <cmath>

#include "tests/support/observer.hpp"

namespace qloom::test {
namespace {

/// Handbook 9.1, computed: a and expected error of a prior of spread 1, by bits.
struct Row {
  double laplace, laplace_error, laplace_relu, laplace_relu_error;
  double gauss, gauss_error, gauss_relu, gauss_relu_error;
};
constexpr Row kTable[] = {
    {1.86282, 5.9964e-1, 2.83068, 1.4244e-1, 1.23991, 2.1501e-1, 1.71064, 4.3574e-2},
    {2.83068, 2.8488e-1, 3.89723, 5.9851e-2, 1.71064, 8.7148e-2, 2.15159, 1.5715e-2},
    {3.89723, 1.1970e-1, 5.02864, 2.3011e-2, 2.15159, 3.1429e-2, 2.55914, 5.2466e-3},
    {5.02864, 4.6021e-2, 6.20477, 8.2859e-3, 2.55914, 1.0493e-2, 2.93620, 1.6613e-3},
    {6.20477, 1.6572e-2, 7.41313, 2.8394e-3, 2.93620, 3.3226e-3, 3.28691, 5.0646e-4},
    {7.41313, 5.6788e-3, 8.64562, 9.3626e-4, 3.28691, 1.0129e-3, 3.61511, 1.5011e-4},
    {8.64562, 1.8725e-3, 9.89676, 2.9943e-4, 3.61511, 3.0022e-4, 3.92404, 4.3539e-5},
    {9.89676, 5.9885e-4, 11.16269, 9.3416e-5, 3.92404, 8.7078e-5, 4.21633, 1.2416e-5}};
constexpr double kPrinted = 0.6e-5;  // half a unit of the table's last digit, and a little

/// Expected error of clipping at a with M bits, as the handbook prints it; half: after a ReLU.
double laplace_error(double a, int bits, bool half) {
  const double levels = std::ldexp(1.0, 2 * bits);
  return half ? std::exp(-a) + a * a / (24 * levels) : 2 * std::exp(-a) + a * a / (3 * levels);
}
double gauss_error(double a, int bits, bool half) {
  const double levels = std::ldexp(1.0, 2 * bits);
  const double clipped =
      (a * a + 1) * std::erfc(a / std::sqrt(2.0)) - std::sqrt(2 / M_PI) * a * std::exp(-a * a / 2);
  return half ? clipped / 2 + a * a / (24 * levels) : clipped + a * a / (3 * levels);
}

const std::vector<float> kPlusMinusOne{-1, 1};  // mean 0, b = 1, sigma = sqrt 2 (unbiased)
constexpr double kSigma = 1.4142135623730951;

double clip(const char* prior, int bits) {
  const auto r = observed("aciq", std::string(R"({"prior": ")") + prior + "\"}", kPlusMinusOne,
                          grid_of(static_cast<std::uint32_t>(bits), true))[0];
  EXPECT_EQ(r.lo, -r.hi);
  return r.hi;
}
/// mean(relu x) = 1: b = 2, sigma = 2.506628
double relu_clip(const char* prior, int bits) {
  const auto r = observed("aciq", std::string(R"({"prior": ")") + prior + "\"}", {0, 2},
                          grid_of(static_cast<std::uint32_t>(bits), false, true))[0];
  EXPECT_EQ(r.lo, 0);
  return r.hi;
}

TEST(Aciq, ClippingValuesAreThoseOfTheTable) {
  for (int bits = 1; bits <= 8; ++bits) {
    const Row& row = kTable[bits - 1];
    EXPECT_NEAR(clip("laplace", bits), row.laplace, kPrinted) << bits << " bits";
    EXPECT_NEAR(clip("gauss", bits) / kSigma, row.gauss, kPrinted) << bits << " bits";
    EXPECT_NEAR(relu_clip("laplace", bits) / 2, row.laplace_relu, kPrinted) << bits << " bits";
    EXPECT_NEAR(relu_clip("gauss", bits) / 2.506628275, row.gauss_relu, kPrinted) << bits;
  }
}

TEST(Aciq, TheExpectedErrorIsSmallestThereAndThatOfTheTable) {
  const auto expect_minimum = [](double a, int bits, bool half, auto error, double printed) {
    EXPECT_NEAR(error(a, bits, half) / printed, 1, 1e-4) << bits << " bits";  // five digits printed
    EXPECT_GT(error(a * 1.001, bits, half), error(a, bits, half));
    EXPECT_GT(error(a * 0.999, bits, half), error(a, bits, half));
  };
  for (int bits = 1; bits <= 8; ++bits) {
    const Row& row = kTable[bits - 1];
    expect_minimum(clip("laplace", bits), bits, false, laplace_error, row.laplace_error);
    expect_minimum(clip("gauss", bits) / kSigma, bits, false, gauss_error, row.gauss_error);
    expect_minimum(relu_clip("laplace", bits) / 2, bits, true, laplace_error,
                   row.laplace_relu_error);
    expect_minimum(relu_clip("gauss", bits) / 2.506628275, bits, true, gauss_error,
                   row.gauss_relu_error);
  }
}

TEST(Aciq, LaplaceClippingSolvesItsEquation) {
  // a e^(a / b) = 3 * 4^M * b; the relative error of e^a is that of a, times a
  for (int bits = 1; bits <= 16; ++bits) {
    const double a = clip("laplace", bits);
    EXPECT_NEAR(a * std::exp(a) / (3 * std::ldexp(1.0, 2 * bits)), 1, 1e-13) << bits << " bits";
  }
}

TEST(Aciq, LevelsOfAnyNumberTakeThePlaceOfTwoToTheBits) {
  qloom_range_context ternary = grid_of(2, true);
  ternary.levels = 3;
  const double a = observed("aciq", "{}", kPlusMinusOne, ternary)[0].hi;
  EXPECT_NEAR(a * std::exp(a), 27, 1e-12);
}

TEST(Aciq, TheRangeStartsAtTheMinimumOrBelowTheMeanAndIsTwoClipsWide) {
  // Laplace, 4 bits, b = 1, mean 10: min 9 is nearer than mean - a
  auto r = observed("aciq", "{}", {9, 11}, grid_of(4))[0];
  expect_range(r, 9, 9 + 2 * 5.02864, 2 * kPrinted);
  // mean 1, min -9: deviations 10, 2, 0 .. -> b = 20 / 20 = 1, a = 2.83068 at 2 bits
  std::vector<float> x(20, 1.0F);
  x[3] = -9;
  x[4] = 11;
  r = observed("aciq", "{}", x, grid_of(2))[0];
  expect_range(r, 1 - 2.83068, 1 + 2.83068, 2 * kPrinted);
}

TEST(Aciq, SigmaIsUnbiasedAndOfAllTensorsOfTheRound) {
  // 1 .. 6 over two tensors: mean 3.5, squares 17.5, sigma = sqrt(17.5 / 5)
  Observer observer("aciq", R"({"prior": "gauss"})", grid_of(4, true));
  observer.round({{1, 6, 3}, {4, 5, 2}});
  const double a = 2.55914 * std::sqrt(3.5);
  expect_range(observer.ranges()[0], 3.5 - a, 3.5 + a, 2 * kPrinted);
}

TEST(Aciq, GaussOnNormalValuesIsNearTheTable) {
  // The deviation of n values is wrong by sigma / sqrt(2 n) = 0.0016; 5.5 of these, times a
  const auto x = values(gaussian({200000}, 12, 3.0F));
  const auto r = observed("aciq", R"({"prior": "gauss"})", x, grid_of(4))[0];
  expect_range(r, -3 * 2.55914, 3 * 2.55914, 3 * 2.55914 * 0.0016 * 5.5 + 0.04);
}

TEST(Aciq, HalfRangeFollowsTheNetworkUnlessItIsSet) {
  const std::vector<float> x{0, 0, 2, 6};  // mean 2, b = 4
  const auto at = [&](const char* half, bool after_relu) {
    return observed("aciq", std::string(R"({"half_range": ")") + half + "\"}", x,
                    grid_of(4, false, after_relu))[0];
  };
  expect_range(at("auto", true), 0, 4 * 6.20477, 4 * kPrinted);
  expect_range(at("on", false), 0, 4 * 6.20477, 4 * kPrinted);
  expect_range(at("off", true), 0, 2 * 2 * 5.02864, 4 * kPrinted);  // b = 2 about the mean
  expect_range(at("auto", false), 0, 2 * 2 * 5.02864, 4 * kPrinted);
}

TEST(Aciq, HalfRangeOfValuesBeforeTheReluIsThatAfterIt) {
  const std::vector<float> before{-5, -1, 2, 6}, after{0, 0, 2, 6};
  const std::string on = R"({"half_range": "on"})";
  const double expected = observed("aciq", on, after, grid_of(4))[0].hi;
  expect_range(observed("aciq", on, before, grid_of(4))[0], 0, expected, 1e-12);
}

TEST(Aciq, ASymmetricGridAfterAReluHasNoExtraBit) {
  qloom_range_context context = grid_of(4, true, true);
  expect_range(observed("aciq", "{}", {0, 2}, context)[0], 0, 2 * 5.02864, 2 * kPrinted);
}

/// Error of a rule's affine quantizer with this prior's range, relative to the values' squares.
double measured(const std::string& prior, const std::string& quantizer, const Tensor& x,
                bool after_relu = false) {
  Site site(R"({"quantizer": {"plugin": "affine", )" + quantizer +
                R"(}, "range": {"plugin": "aciq", "prior": ")" + prior + "\"}}",
            {.name = "weight/test", .channel_axis = 0, .after_relu = after_relu});
  return squared_error(values(x), site.forward(x));
}
double unclipped(const std::string& quantizer, const Tensor& x) {
  Site site(R"({"quantizer": {"plugin": "affine", )" + quantizer +
                R"(}, "range": {"plugin": "min_max"}})",
            {.name = "weight/test", .channel_axis = 0});
  return squared_error(values(x), site.forward(x));
}
/// Standard Laplace values from uniform ones.
Tensor laplacian(Shape shape, std::uint64_t seed) {
  Tensor x = uniform(std::move(shape), seed, -0.4999999F, 0.4999999F);
  for (float& v : x) v = std::copysign(std::log1p(-2 * std::fabs(v)), -v);
  return x;
}

TEST(Aciq, BestHasTheSmallestErrorOnTheData) {
  const auto check = [](Tensor x, bool after_relu) {
    for (float& v : x) v = after_relu ? std::max(v, 0.0F) : v;
    for (const char* grid : {R"("symmetric": false)", R"("symmetric": true)",
                             R"("symmetric": true, "signed": "auto")"}) {
      if (!after_relu && std::string(grid).find("auto") != std::string::npos) continue;
      for (int bits = 2; bits <= 8; ++bits) {
        const std::string quantizer = std::string(grid) + ", \"bits\": " + std::to_string(bits);
        SCOPED_TRACE(quantizer + (after_relu ? ", after a ReLU" : ""));
        EXPECT_EQ(measured("best", quantizer, x, after_relu),
                  std::min({unclipped(quantizer, x), measured("laplace", quantizer, x, after_relu),
                            measured("gauss", quantizer, x, after_relu)}));
      }
    }
  };
  for (const bool after_relu : {false, true}) {
    check(laplacian({20000}, 4), after_relu);
    check(gaussian({20000}, 3), after_relu);
    check(uniform({20000}, 5, -1, 1), after_relu);
  }
}

TEST(Aciq, OfLaplaceValuesTheLaplaceRangeIsTheBetterOneAndOfGaussOnesTheOther) {
  // From 3 bits on; at 2 bits the formulas' assumption of many levels is far off.
  for (int bits = 3; bits <= 8; ++bits) {
    const std::string quantizer = "\"bits\": " + std::to_string(bits);
    const Tensor tails = laplacian({100000}, 6), bell = gaussian({100000}, 7);
    EXPECT_EQ(measured("best", quantizer, tails), measured("laplace", quantizer, tails)) << bits;
    EXPECT_LT(measured("best", quantizer, tails), measured("gauss", quantizer, tails)) << bits;
    EXPECT_EQ(measured("best", quantizer, bell), measured("gauss", quantizer, bell)) << bits;
  }
}

TEST(Aciq, BestChoosesForEachChannel) {
  Tensor x({3, 8000});
  const Tensor parts[] = {laplacian({8000}, 1), gaussian({8000}, 2), uniform({8000}, 3, -1, 1)};
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = parts[i / 8000][i % 8000];
  for (int bits = 2; bits <= 8; ++bits) {
    const std::string quantizer = "\"bits\": " + std::to_string(bits);
    Site site(R"({"quantizer": {"plugin": "affine", "granularity": "channel", )" + quantizer +
                  R"(}, "range": {"plugin": "aciq", "prior": "best"}})",
              {.name = "weight/test", .channel_axis = 0});
    const std::vector<float> y = site.forward(x);
    for (std::ptrdiff_t c = 0; c < 3; ++c) {
      const std::vector<float> own(y.begin() + c * 8000, y.begin() + (c + 1) * 8000);
      EXPECT_EQ(squared_error(values(parts[c]), own), measured("best", quantizer, parts[c]))
          << bits << " bits, channel " << c;
    }
  }
}

TEST(Aciq, BestKeepsAnOutlierThatClippingWouldMiss) {
  // 998 times +-1, +-100 at 4 bits: Laplace predicts 0.066 with a = 6; the two outliers alone give
  // 17
  std::vector<float> tails;
  for (int i = 0; i < 998; ++i) tails.push_back(i % 2 == 0 ? 1 : -1);
  tails.insert(tails.end(), {100, -100});
  expect_range(observed("aciq", R"({"prior": "best"})", tails, grid_of(4))[0], -100, 100);
}

TEST(Aciq, AConstantTensorGivesTheRangeFromZeroToIt) {
  expect_range(observed("aciq", "{}", {3, 3, 3})[0], 0, 3);
  expect_range(observed("aciq", "{}", {-0.5F})[0], -0.5, 0);
  expect_range(observed("aciq", "{}", {0, 0})[0], 0, 1e-8);
  expect_range(observed("aciq", "{}", {0, 0}, grid_of(8, false, true))[0], 0, 1e-8);
}

TEST(Aciq, FollowsTheRulesOfEstimators) {
  expect_observer_rules("aciq", "{}", 1e-12);  // sums in another order: n * 2^-53
  expect_observer_rules("aciq", R"({"half_range": "on"})", 1e-12);
  expect_observer_rules("aciq", R"({"prior": "best"})", 1e-12);
}

}  // namespace
}  // namespace qloom::test
