// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <gtest/gtest.h>

#include <cmath>

#include "tests/conformance/cases.hpp"

namespace qloom::conformance {
namespace {

class EveryNorm : public testing::TestWithParam<Case> {};

TEST_P(EveryNorm, GivesTheSameBitsOnAnyNumberOfThreads) {
  for (const Shape& shape : {Shape{523, 5}, Shape{64, 33}, Shape{2048, 16}}) {
    const Tensor x = test::gaussian(shape, 83, 3.0F);
    const auto with = [&](int threads) {
      const Threads guard(threads);
      return run_norm(begun_norm(GetParam(), x), x).digest();
    };
    const std::uint64_t one = with(1);
    EXPECT_EQ(with(2), one) << shape[0] << " x " << shape[1];
    EXPECT_EQ(with(7), one) << shape[0] << " x " << shape[1];
  }
}

TEST_P(EveryNorm, IsFiniteForAConstantChannel) {
  Tensor x = test::gaussian({96, 3}, 89);
  for (std::size_t row = 0; row < 96; ++row) x[3 * row + 1] = 2.5F;
  const NormResult r = run_norm(begun_norm(GetParam(), x), x);
  for (const auto* part : {&r.y, &r.dx, &r.dgamma, &r.dbeta, &r.y_evaluate, &r.y_frozen,
                           &r.dx_frozen, &r.scale, &r.shift}) {
    for (const float v : *part) ASSERT_TRUE(std::isfinite(v)) << v;
  }
}

TEST_P(EveryNorm, InferenceFormIsTheEvaluation) {
  const Tensor x = test::gaussian({523, 5}, 97, 3.0F);
  const NormResult r = run_norm(begun_norm(GetParam(), x), x);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double y = double{r.scale[i % 5]} * double{x[i]} + double{r.shift[i % 5]};
    // Three roundings to float32 of terms no larger than |scale x| + |shift|, and one of each
    // coefficient: fewer than 8 units of 2^-24 of that sum.
    const double bound = 8 * 0x1p-24 *
                         (std::abs(double{r.scale[i % 5]} * double{x[i]}) +
                          std::abs(double{r.shift[i % 5]}) + 8.0);
    ASSERT_NEAR(r.y_evaluate[i], y, bound) << "element " << i;
  }
}

TEST_P(EveryNorm, GoesOnAfterSaveAndLoad) {
  const Tensor x = test::gaussian({128, 7}, 101);
  const registry::Instance first = begun_norm(GetParam(), x);
  static_cast<void>(run_norm(first, x));
  const data::Arrays state = first.save();
  registry::Instance second = begun_norm(GetParam(), x);
  second.load(state, first.state_version());
  const data::Arrays again = second.save();
  ASSERT_EQ(again.size(), state.size());
  for (const auto& [key, array] : state) EXPECT_EQ(again.at(key).values, array.values) << key;
  EXPECT_EQ(evaluate_norm(second, x), evaluate_norm(first, x));
  EXPECT_EQ(run_norm(second, x).digest(), run_norm(first, x).digest());
}

INSTANTIATE_TEST_SUITE_P(Tree, EveryNorm, testing::ValuesIn(cases("norm")),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace qloom::conformance
