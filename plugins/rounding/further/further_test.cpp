// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

struct Expected {
  const char* id;
  std::vector<float> y;
};

/// APyTypes 0.5.1: TIES_ZERO, TIES_NEG, TIES_ODD, TO_AWAY, TRN_MAG, JAM, JAM_UNBIASED.
TEST(FurtherRounding, MatchesApyTypes) {
  const std::vector<float> x{-2.5F, -2,   -1.75F, -1.5F, -1.25F, -1.2F, -0.5F, -0.25F,
                             0.25F, 0.5F, 1.2F,   1.25F, 1.5F,   1.75F, 2,     2.5F};
  const std::vector<Expected> rows{
      {"nearest_zero", {-2, -2, -2, -1, -1, -1, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2}},
      {"nearest_down", {-3, -2, -2, -2, -1, -1, -1, 0, 0, 0, 1, 1, 1, 2, 2, 2}},
      {"nearest_odd", {-3, -2, -2, -1, -1, -1, -1, 0, 0, 1, 1, 1, 1, 2, 2, 3}},
      {"away", {-3, -2, -2, -2, -2, -2, -1, -1, 1, 1, 2, 2, 2, 2, 2, 3}},
      {"magnitude_truncate", {-2, -1, -1, -1, -1, -1, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2}},
      {"jam", {-3, -1, -1, -1, -1, -1, -1, -1, 1, 1, 1, 1, 1, 1, 3, 3}},
      {"jam_unbiased", {-3, -2, -1, -1, -1, -1, -1, -1, 1, 1, 1, 1, 1, 1, 2, 3}}};
  for (const Expected& row : rows) EXPECT_EQ(round_with(row.id, "{}", x), row.y) << row.id;
}

TEST(FurtherRounding, TwoModesMoveIntegersTheOthersLeaveThemAlone) {
  const std::vector<float> x{-3, -1, 0, 1, 3, 4};
  EXPECT_EQ(round_with("magnitude_truncate", "{}", x), (std::vector<float>{-2, 0, 0, 1, 3, 4}));
  EXPECT_EQ(round_with("jam", "{}", x), (std::vector<float>{-3, -1, 1, 1, 3, 5}));
  for (const char* id : {"nearest_zero", "nearest_down", "nearest_odd", "away", "jam_unbiased"}) {
    EXPECT_EQ(round_with(id, "{}", x), x) << id;
  }
}

TEST(FurtherRounding, IsExactNextToATieAndWhereFloatHasNoFraction) {
  const float below = std::nextafter(0.5F, 0.0F);
  const std::vector<float> x{below, -below, 8388609.0F, -8388610.0F, 4194304.5F, -1e30F};
  for (const char* id : {"nearest_zero", "nearest_down", "nearest_odd"}) {
    const float tie = std::string(id) == "nearest_odd" ? 4194305.0F : 4194304.0F;
    EXPECT_EQ(round_with(id, "{}", x),
              (std::vector<float>{0, 0, 8388609.0F, -8388610.0F, tie, -1e30F}))
        << id;
  }
  for (const char* id : {"away", "magnitude_truncate", "jam", "jam_unbiased", "biased"}) {
    const auto y = round_with(id, "{}", x);
    EXPECT_EQ(y[2], 8388609.0F) << id;
    EXPECT_EQ(y[3], -8388610.0F) << id;
    EXPECT_EQ(y[5], -1e30F) << id;
  }
}

std::string offset(double b) { return "{\"offset\": " + std::to_string(b) + "}"; }

TEST(BiasedRounding, GoesFromFloorToHalfUp) {
  const std::vector<float> x{-2.5F, -1.5F, -1.2F, -0.5F, 0.5F, 1.2F, 1.5F, 2.5F, -0x1p-60F};
  EXPECT_EQ(round_with("biased", offset(0), x), round_with("toward_negative", "{}", x));
  const std::vector<float> many = values(uniform({5003}, 3, -40.0F, 40.0F));
  EXPECT_EQ(round_with("biased", offset(0.5), many), round_with("nearest_up", "{}", many));
  EXPECT_EQ(round_with("biased", offset(0.5), x), round_with("nearest_up", "{}", x));
  EXPECT_EQ(round_with("biased", offset(0.25), {0.74F, 0.75F, -1.2F, -1.3F}),
            (std::vector<float>{0, 1, -1, -2}));
}

TEST(BiasedRounding, HasTheMeanErrorOfItsOffset) {
  // fractions k / 1000, k = 0 .. 999: ceil(1000 b) of them go up
  std::vector<float> x;
  for (int k = 0; k < 1000; ++k) x.push_back(3.0F + static_cast<float>(k) / 1024.0F);
  for (const double b : {0.125, 0.25, 0.75}) {
    double error = 0;
    const auto y = round_with("biased", offset(b), x);
    for (std::size_t i = 0; i < x.size(); ++i) error += double{y[i]} - double{x[i]};
    EXPECT_NEAR(error / 1000.0, b - 0.5, 0.025) << b;  // 24 of 1024 fractions are left out
  }
  EXPECT_THROW(create("rounding", "biased", offset(1)), InputError);
  EXPECT_THROW(create("rounding", "biased", offset(-0.1)), InputError);
}

}  // namespace
}  // namespace qloom::test
