// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <gtest/gtest.h>

#include <cmath>

#include "tests/conformance/cases.hpp"

namespace qloom::conformance {
namespace {

class EveryQuantizer : public testing::TestWithParam<Case> {};

TEST_P(EveryQuantizer, GivesTheSameBitsForAnyBlocksThreadsAndAfterLoad) {
  for (const Input& input : inputs()) {
    SCOPED_TRACE(input.name);
    test::expect_conforms(rule_of(GetParam(), "nearest_even"), input.x, input.context);
  }
}

TEST_P(EveryQuantizer, GivesTheSameBitsWithRandomRounding) {
  for (const Input& input : inputs()) {
    SCOPED_TRACE(input.name);
    test::expect_conforms(rule_of(GetParam(), "stochastic"), input.x, input.context);
  }
}

TEST_P(EveryQuantizer, GivesFiniteValuesForFiniteInput) {
  for (const Input& input : inputs()) {
    if (input.name == "extremes") continue;  // a format without saturation may overflow there
    test::Site site(rule_of(GetParam(), "nearest_even"), input.context);
    const auto y = site.forward(input.x);
    for (std::size_t i = 0; i < y.size(); ++i) {
      ASSERT_TRUE(std::isfinite(y[i])) << input.name << ", element " << i << ": " << y[i];
    }
    const auto dx = site.backward(input.x, test::gaussian(input.x.shape(), 977));
    for (std::size_t i = 0; i < dx.size(); ++i) {
      ASSERT_TRUE(std::isfinite(dx[i])) << input.name << ", gradient " << i << ": " << dx[i];
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tree, EveryQuantizer, testing::ValuesIn(cases("quantizer")),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace qloom::conformance
