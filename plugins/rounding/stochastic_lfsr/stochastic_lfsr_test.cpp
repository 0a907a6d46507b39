// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

std::string fixed_start(int bits, int state = 0xACE1) {
  return "{\"random_bits\": " + std::to_string(bits) + R"(, "start": "fixed", "state": )" +
         std::to_string(state) + "}";
}

/// The least 16-bit fraction that goes up at each element, less one: the register's word there.
std::vector<int> words(const std::string& params, std::size_t n) {
  std::vector<int> word(n, 0);
  for (int bit = 15; bit >= 0; --bit) {  // one bit after the other: up iff word < fraction
    std::vector<float> x(n);
    for (std::size_t i = 0; i < n; ++i) {
      x[i] = static_cast<float>(word[i] + (1 << bit)) * 0x1p-16F;
    }
    const auto y = round_with("stochastic_lfsr", params, x);
    for (std::size_t i = 0; i < n; ++i) word[i] += y[i] > 0 ? 0 : 1 << bit;
  }
  return word;
}

TEST(StochasticLfsr, TakesTheStatesOfTheRegister) {
  // From 0xACE1 one step at a time: 5670 ab38 559c 2ace 1567, of which one bit is seen
  const std::vector<int> states{0x5670, 0xab38, 0x559c, 0x2ace, 0x1567};
  const std::vector<float> half(states.size(), 0.5F);
  const auto y = round_with("stochastic_lfsr", fixed_start(1), half);
  for (std::size_t i = 0; i < states.size(); ++i) EXPECT_EQ(y[i], states[i] % 2 == 0 ? 1 : 0);
  // After 16, 32, 160 and 4096 steps: 4722, c437, 60c1, ba5e
  const auto word = words(fixed_start(16), 256);
  EXPECT_EQ(word[0], 0x4722);
  EXPECT_EQ(word[1], 0xc437);
  EXPECT_EQ(word[9], 0x60c1);
  EXPECT_EQ(word[255], 0xba5e);
}

TEST(StochasticLfsr, ComesBackAfterItsPeriod) {
  const auto word = words(fixed_start(16), 65535 + 2);
  EXPECT_EQ(word[65534], 0xACE1);
  EXPECT_EQ(word[65535], word[0]);
  std::vector<int> sorted(word.begin(), word.begin() + 65535), all(65535);
  std::sort(sorted.begin(), sorted.end());
  std::iota(all.begin(), all.end(), 1);
  EXPECT_EQ(sorted, all);
}

TEST(StochasticLfsr, RunsFromStepToStepAndIsRepeatable) {
  const std::vector<float> x = values(uniform({5000}, 4, -9.0F, 9.0F));
  const auto y = round_with("stochastic_lfsr", "{}", x, 3, 1);
  EXPECT_EQ(y, round_with("stochastic_lfsr", "{}", x, 3, 1));
  EXPECT_NE(y, round_with("stochastic_lfsr", "{}", x, 3, 2));
  EXPECT_NE(y, round_with("stochastic_lfsr", "{}", x, 4, 1));
  EXPECT_EQ(round_with("stochastic_lfsr", fixed_start(8), x, 3, 1),
            round_with("stochastic_lfsr", fixed_start(8), x, 4, 2));
}

/// Handbook 12.4: |p - f| <= 4 sqrt(f (1 - f) / N) + 2^-r; over a whole period even 2 / 65535.
TEST(StochasticLfsr, GoesUpWithTheProbabilityOfTheFraction) {
  for (const double f : {0.1, 0.25, 0.5, 0.9}) {
    const auto y = round_with("stochastic_lfsr", "{}",
                              std::vector<float>(65535, -3.0F + static_cast<float>(f)));
    const double up = std::accumulate(y.begin(), y.end(), 0.0) / 65535.0 + 3.0;
    EXPECT_NEAR(up, f, 2.0 / 65535.0) << f;
  }
}

TEST(StochasticLfsr, LeavesIntegersAlone) {
  std::vector<float> x;
  for (int i = -300; i <= 300; ++i) x.push_back(static_cast<float>(i));
  EXPECT_EQ(round_with("stochastic_lfsr", "{}", x), x);
  EXPECT_THROW(create("rounding", "stochastic_lfsr", fixed_start(17)), InputError);
  EXPECT_THROW(create("rounding", "stochastic_lfsr", fixed_start(8, 0)), InputError);
}

}  // namespace
}  // namespace qloom::test
