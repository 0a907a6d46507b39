// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <gtest/gtest.h>

#include <cmath>
#include <span>

#include "host/kernels/kernels.hpp"
#include "tests/conformance/cases.hpp"

namespace qloom::conformance {
namespace {

class EveryRounding : public testing::TestWithParam<Case> {
 protected:
  const registry::Instance rounding_ = create(GetParam());
};

TEST_P(EveryRounding, GoesToANeighbouringIntegerAndLeavesIntegersAlone) {
  const std::vector<float> x = float16_values();
  const std::vector<float> y = rounded(rounding_, x);
  for (std::size_t i = 0; i < x.size(); ++i) {
    ASSERT_TRUE(y[i] == std::floor(x[i]) || y[i] == std::ceil(x[i])) << x[i] << " -> " << y[i];
  }
}

TEST_P(EveryRounding, LoweredRuleGivesTheSameBits) {
  const auto& ops = rounding_.ops<qloom_rounding>();
  std::uint32_t rule = 0, argument = 0;
  if (ops.lower == nullptr || ops.lower(rounding_.self(), &rule, &argument) != QLOOM_OK) {
    GTEST_SKIP() << "is no rule of the kernels";
  }
  const std::vector<float> x = float16_values();
  const std::vector<float> generic = rounded(rounding_, x);
  std::vector<float> lowered(x.size());
  qloom_call call{};
  call.struct_size = sizeof call;
  call.seed = 11;
  call.stream = 12;
  call.step = 13;
  call.rounding = {nullptr, nullptr, rule, argument};
  ASSERT_EQ(kernels::table().round(&call, 0, x.data(), lowered.data(), x.size()), QLOOM_OK);
  for (std::size_t i = 0; i < x.size(); ++i) {
    ASSERT_EQ(std::memcmp(&lowered[i], &generic[i], sizeof(float)), 0)
        << x[i] << ": " << lowered[i] << " and " << generic[i];
  }
}

TEST_P(EveryRounding, GivesTheSameBitsHoweverTheCallIsCut) {
  const std::vector<float> x = test::values(test::gaussian({4611}, 61, 20.0F));
  const std::vector<float> whole = rounded(rounding_, x);
  for (const std::size_t step : {1U, 7U, 256U, 1031U}) {
    for (std::size_t first = 0; first < x.size(); first += step) {
      const std::size_t n = std::min(step, x.size() - first);
      const auto begin = x.begin() + static_cast<std::ptrdiff_t>(first);
      const auto part =
          rounded(rounding_, {begin, begin + static_cast<std::ptrdiff_t>(n)}, first);
      ASSERT_EQ(std::memcmp(part.data(), whole.data() + first, n * sizeof(float)), 0)
          << "pieces of " << step << ", at " << first;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tree, EveryRounding, testing::ValuesIn(cases("rounding")),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace qloom::conformance
