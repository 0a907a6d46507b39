// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <qloom/elementary.hpp>

#include <cmath>

#include <gtest/gtest.h>

namespace qloom::test {
namespace {

/// The result in long double, of 64 bits or more, rounded to float32.
float once(long double x) { return static_cast<float>(x); }

TEST(Elementary, IsTheNearestFloat) {
  for (int i = -4000; i <= 4000; ++i) {
    const double x = i / 401.0;
    EXPECT_EQ(sdk::elementary::exp(x), once(std::exp(static_cast<long double>(x)))) << x;
    EXPECT_EQ(sdk::elementary::tanh(x), once(std::tanh(static_cast<long double>(x)))) << x;
    EXPECT_EQ(sdk::elementary::cos(x), once(std::cos(static_cast<long double>(x)))) << x;
    EXPECT_EQ(sdk::elementary::logistic(x),
              once(1.0L / (1.0L + std::exp(-static_cast<long double>(x)))))
        << x;
    if (i <= 0) continue;
    EXPECT_EQ(sdk::elementary::log(x), once(std::log(static_cast<long double>(x)))) << x;
    EXPECT_EQ(sdk::elementary::pow(x, 1.75), once(std::pow(static_cast<long double>(x), 1.75L)))
        << x;
  }
}

}  // namespace
}  // namespace qloom::test
