// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <gtest/gtest.h>

#include <cmath>

#include "host/tensor/error.hpp"
#include "tests/conformance/cases.hpp"

namespace qloom::conformance {
namespace {

class EveryRange : public testing::TestWithParam<Case> {
 protected:
  static void expect_same(const std::vector<qloom_range>& a, const std::vector<qloom_range>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t g = 0; g < a.size(); ++g) {
      EXPECT_EQ(std::memcmp(&a[g], &b[g], sizeof(qloom_range)), 0)
          << "group " << g << ": [" << a[g].lo << ", " << a[g].hi << "] and [" << b[g].lo << ", "
          << b[g].hi << "]";
    }
  }
};

TEST_P(EveryRange, GivesTheSameBitsOnAnyNumberOfThreads) {
  const Tensor x = test::gaussian({37, 3, 257}, 71);
  const std::uint64_t layouts[][2] = {{1, 1}, {37, 3}, {37 * 257, 3}, {1, 37}};
  for (const auto& [outer, groups] : layouts) {
    const auto with = [&, o = outer, g = groups](int threads) {
      const Threads guard(threads);
      return observed(create(GetParam()), x, o, g);
    };
    const auto one = with(1);
    expect_same(with(2), one);
    expect_same(with(7), one);
  }
}

TEST_P(EveryRange, IsFiniteAndOrderedForOddInputs) {
  for (const Input& input : inputs()) {
    for (const qloom_range& range : observed(create(GetParam()), input.x, 1, 1)) {
      EXPECT_TRUE(std::isfinite(range.lo) && std::isfinite(range.hi) && range.lo <= range.hi)
          << input.name << ": [" << range.lo << ", " << range.hi << "]";
    }
  }
}

TEST_P(EveryRange, GoesOnAfterSaveAndLoad) {
  const Tensor x = test::gaussian({6, 500}, 73), next = test::gaussian({6, 500}, 79, 2.0F);
  const registry::Instance first = create(GetParam());
  const auto seen = observed(first, x, 1, 6);
  const data::Arrays state = first.save();
  registry::Instance second = create(GetParam());
  second.load(state, first.state_version());
  const data::Arrays again = second.save();
  ASSERT_EQ(again.size(), state.size());
  for (const auto& [key, array] : state) EXPECT_EQ(again.at(key).values, array.values) << key;
  std::vector<qloom_range> ranges(6);
  qloom_error error = registry::empty_error();
  ASSERT_EQ(second.ops<qloom_range_estimator>().ranges(second.self(), ranges.data(), 6, &error),
            QLOOM_OK)
      << error.message;
  expect_same(ranges, seen);
  expect_same(observed(second, next, 1, 6), observed(first, next, 1, 6));
}

TEST_P(EveryRange, RefusesToAnswerBeforeAnyData) {
  const registry::Instance range = create(GetParam());
  qloom_range out{};
  qloom_error error = registry::empty_error();
  EXPECT_EQ(range.ops<qloom_range_estimator>().ranges(range.self(), &out, 1, &error),
            QLOOM_E_ORDER);
}

INSTANTIATE_TEST_SUITE_P(Tree, EveryRange, testing::ValuesIn(cases("range")),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace qloom::conformance
