// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>
#include <random>

#include "tests/support/observer.hpp"

namespace qloom::test {
namespace {

std::string params_of(const char* density, const char* grid, const char* power = "none") {
  return std::string(R"({"density": ")") + density + R"(", "grid": ")" + grid +
         R"(", "power_of_two": ")" + power + "\"}";
}

/// Two values of root mean square 1, mean 0.
const std::vector<float> kUnit{-1, 1};

double step_of(const std::string& params, std::uint32_t bits) {
  const qloom_range r = observed("sqnr_step", params, kUnit, grid_of(bits, true))[0];
  return -2.0 * r.lo / (std::ldexp(1.0, static_cast<int>(bits)) - 1.0);
}

TEST(SqnrStep, TakesTheBestStepsOfTheDensities) {
  // Handbook 2: mid-rise Gauss of Max, 1960; Laplace; Gamma; mid-tread Gauss
  EXPECT_NEAR(step_of(params_of("gauss", "midrise"), 2), 0.9957, 1e-4);
  EXPECT_NEAR(step_of(params_of("gauss", "midrise"), 4), 0.3352, 1e-4);
  EXPECT_NEAR(step_of(params_of("gauss", "midrise"), 8), 0.0308, 1e-4);
  EXPECT_NEAR(step_of(params_of("laplace", "midrise"), 4), 0.4610, 1e-4);
  EXPECT_NEAR(step_of(params_of("gamma", "midrise"), 4), 0.5400, 1e-4);
  EXPECT_NEAR(step_of(params_of("gauss", "midtread"), 2), 1.048, 1e-3);
  EXPECT_NEAR(step_of(params_of("gauss", "midtread"), 3), 0.6018, 1e-4);
  EXPECT_NEAR(step_of(params_of("gauss", "midtread"), 4), 0.3386, 1e-4);
  EXPECT_NEAR(step_of(params_of("uniform", "midtread"), 12), std::sqrt(12.0) / 4096.0, 1e-9);
}

/// Expected squared error of a normal value of deviation 1 on codes -2^(b-1) .. 2^(b-1) - 1 of step
/// s, by Simpson's rule on [-8, 8].
double error_of(double s, int bits) {
  const double least = -std::ldexp(1.0, bits - 1), most = -least - 1.0;
  constexpr int kIntervals = 64000;
  double sum = 0;
  for (int i = 0; i <= kIntervals; ++i) {
    const double x = -8.0 + 16.0 * i / kIntervals;
    const double q = s * std::clamp(std::nearbyint(x / s), least, most);
    const double weight = i == 0 || i == kIntervals ? 1 : i % 2 == 1 ? 4 : 2;
    sum += weight * (x - q) * (x - q) * std::exp(-x * x / 2);
  }
  return sum * 16.0 / kIntervals / 3.0 / std::sqrt(2.0 * std::acos(-1.0));
}

TEST(SqnrStep, NoOtherStepOfTheGridHasASmallerError) {
  for (const int bits : {2, 3, 5, 8}) {
    const double s = step_of(params_of("gauss", "midtread"), static_cast<std::uint32_t>(bits));
    EXPECT_LT(error_of(s, bits), error_of(1.01 * s, bits)) << bits;
    EXPECT_LT(error_of(s, bits), error_of(0.99 * s, bits)) << bits;
  }
  EXPECT_NEAR(error_of(step_of(params_of("gauss", "midtread"), 4), 4), 0.011864, 1e-5);
  EXPECT_NEAR(-10 * std::log10(error_of(0.3352, 4)), 19.25, 0.01);  // mid-rise step, mid-tread grid
}

TEST(SqnrStep, RoundsTheStepToAPowerOfTwo) {
  EXPECT_EQ(step_of(params_of("gauss", "midrise", "nearest"), 4), 0.25);
  EXPECT_EQ(step_of(params_of("gauss", "midrise", "up"), 4), 0.5);
  EXPECT_EQ(step_of(params_of("gauss", "midtread", "nearest"), 2), 1.0);
  EXPECT_EQ(step_of(params_of("gauss", "midtread", "up"), 2), 2.0);
}

/// The step that a quantizer makes of the range of normal values.
double step_at_site(const std::string& quantizer, float shift = 0.0F) {
  Site site(R"({"quantizer": )" + quantizer +
            R"(, "range": {"plugin": "sqnr_step", "power_of_two": "nearest"}})");
  Tensor x = gaussian({200000}, 9);
  for (float& v : x) v += shift;
  const std::vector<float> y = site.forward(x);
  double least = 1e9;
  for (std::size_t i = 1; i < y.size(); ++i) {
    const double d = std::fabs(y[i] - y[i - 1]);
    if (d > 0) least = std::min(least, d);
  }
  return least;
}

TEST(SqnrStep, FixedPointAndAffineTakeTheStep) {
  EXPECT_EQ(step_at_site(R"({"plugin": "fixed_point", "bits": 4, "fraction_bits": "auto"})"), 0.25);
  EXPECT_NEAR(step_at_site(R"({"plugin": "affine", "bits": 4, "symmetric": true})"), 0.25, 1e-6);
  EXPECT_NEAR(step_at_site(R"({"plugin": "affine", "bits": 4})", 1.0F), 0.25, 1e-6);
}

TEST(SqnrStep, AfterAReluTheUpperHalfHasTheStepOfOneBitMore) {
  const qloom_range r = observed("sqnr_step", params_of("gauss", "midrise"), {0, std::sqrt(2.0F)},
                                 grid_of(3, false, true))[0];
  EXPECT_EQ(r.lo, 0.0);
  EXPECT_NEAR(r.hi / 7.0, 0.3352, 1e-4);
}

TEST(SqnrStep, RefusesAWidthThatTheTableDoesNotHave) {
  Observer observer("sqnr_step", "{}", grid_of(9, true));
  EXPECT_THROW(observer.begin(0), std::runtime_error);
}

TEST(SqnrStep, FollowsTheRulesOfEstimators) { expect_observer_rules("sqnr_step", "{}", 1e-12); }

}  // namespace
}  // namespace qloom::test
