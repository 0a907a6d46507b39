// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <gtest/gtest.h>

#include <cmath>

#include "tests/conformance/cases.hpp"

namespace qloom::conformance {
namespace {

class EveryAccumulator : public testing::TestWithParam<Case> {};

TEST_P(EveryAccumulator, GivesTheSameBitsForAnyTiles) {
  const registry::Instance accumulator = create(GetParam());
  const Product whole = accumulated(accumulator, 100, 100);
  const std::uint64_t tiles[][2] = {{1, 1}, {4, 16}, {13, 5}, {2, 19}};
  for (const auto& [rows, columns] : tiles) {
    const Product cut = accumulated(accumulator, rows, columns);
    EXPECT_EQ(cut.c, whole.c) << rows << " x " << columns;
    EXPECT_EQ(cut.overflows, whole.overflows) << rows << " x " << columns;
  }
}

TEST_P(EveryAccumulator, StatesAWidth) {
  const registry::Instance accumulator = create(GetParam());
  const std::uint32_t bits = accumulator.ops<qloom_accumulator>().bits(accumulator.self());
  EXPECT_GE(bits, 1U);
  EXPECT_LE(bits, 64U);
}

TEST_P(EveryAccumulator, SumsSmallIntegersExactlyWhenNothingOverflows) {
  const registry::Instance accumulator = create(GetParam());
  const std::vector<float> a{1, -2, 3, 0, 1, 2}, b{2, 1, -1, 1, 0, 2};  // 2 x 3 times 3 x 2
  const std::vector<double> expected{2 + 2 + 0, 1 - 2 + 6, 0 - 1 + 0, 0 + 1 + 4};
  std::vector<double> c(4, 0.0);
  const qloom_tile tile{a.data(), b.data(), c.data(), 3, 2, 2, 2, 2, 3, 0, 2};
  const registry::Instance rounding = test::create("rounding", "nearest_even");
  qloom_error error = registry::empty_error();
  qloom_call call{};
  call.struct_size = sizeof call;
  call.rounding = {rounding.self(), &rounding.ops<qloom_rounding>(), QLOOM_ROUND_NEAREST_EVEN, 0};
  call.error = &error;
  std::uint64_t overflows = 0;
  const auto& ops = accumulator.ops<qloom_accumulator>();
  ASSERT_EQ(ops.accumulate(accumulator.self(), &call, &tile, &overflows), QLOOM_OK);
  EXPECT_EQ(c, expected);
  EXPECT_EQ(overflows, 0U);
}

INSTANTIATE_TEST_SUITE_P(Tree, EveryAccumulator, testing::ValuesIn(cases("accumulator")),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace qloom::conformance
