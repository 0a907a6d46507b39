// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Multipliers that are fitted to thresholds: each that is found gives every code of the range.
#include <algorithm>

#include "host/compile/routes/fit.hpp"
#include "host/tensor/random.hpp"

namespace qloom::test {
namespace {

using Integers = std::vector<std::int64_t>;
using compile::Multiplier;
using steps::Interval;

std::int64_t count(const Integers& thresholds, std::int64_t v) {
  return std::upper_bound(thresholds.begin(), thresholds.end(), v) - thresholds.begin();
}

std::int64_t by_multiplier(const Multiplier& m, std::int64_t v, std::size_t most) {
  return std::clamp((m.factor * v + m.offset) >> m.shift, std::int64_t{0},
                    static_cast<std::int64_t>(most));
}

/// Over the whole range: number of values whose code is another.
std::int64_t differing(const Multiplier& m, const Integers& thresholds, Interval range) {
  std::int64_t n = 0;
  for (std::int64_t v = range.lo; v <= range.hi; ++v) {
    n += by_multiplier(m, v, thresholds.size()) != count(thresholds, v) ? 1 : 0;
  }
  return n;
}

std::uint32_t word(std::uint64_t i) { return random_word(7, 3, 0, i); }

/// The thresholds that a multiplier makes on a range.
Integers thresholds_of(const Multiplier& m, Interval range, std::size_t most) {
  Integers thresholds(most, range.hi + 1);
  for (std::int64_t v = range.hi; v >= range.lo; --v) {
    const std::int64_t code = by_multiplier(m, v, most);
    for (std::int64_t k = 0; k < code; ++k) thresholds[static_cast<std::size_t>(k)] = v;
  }
  return thresholds;
}

TEST(Fit, FindsAMultiplierWhereverOneMadeTheThresholds) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const int shift = 10 + static_cast<int>(word(5 * seed) % 12);
    const std::size_t most = (seed % 3 == 0) ? 255 : (seed % 3 == 1) ? 15 : 1;
    const Multiplier made{1 + word(5 * seed + 1) % 4096,
                          static_cast<std::int64_t>(word(5 * seed + 2) % 100'000) - 50'000, shift};
    const Interval range{-static_cast<std::int64_t>(word(5 * seed + 3) % 20'000),
                         static_cast<std::int64_t>(word(5 * seed + 4) % 20'000)};
    const Integers thresholds = thresholds_of(made, range, most);
    const auto found = compile::fit(thresholds, range, 31);
    ASSERT_TRUE(found) << seed;
    EXPECT_EQ(differing(*found, thresholds, range), 0) << seed;
    EXPECT_LT(found->factor, std::int64_t{1} << 31);
  }
}

TEST(Fit, WhatItFindsForAnyThresholdsGivesThemAll) {
  int found_some = 0, found_none = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    const Interval range{-4000, 5000};
    Integers thresholds;
    const std::int64_t step = 300 + word(1000 + seed) % 500;
    for (std::int64_t k = 0; k < 12; ++k) {
      const std::uint64_t place = 5000 + 20 * seed + static_cast<std::uint64_t>(k);
      const std::int64_t shaken = k < 10 ? 0 : word(place) % 3;
      thresholds.push_back(std::min(range.hi + 1, range.lo + k * step + shaken));
    }
    std::sort(thresholds.begin(), thresholds.end());
    for (const int bits : {6, 10, 24}) {
      const auto found = compile::fit(thresholds, range, bits);
      (found ? found_some : found_none) += 1;
      if (!found) continue;
      EXPECT_EQ(differing(*found, thresholds, range), 0) << seed;
      EXPECT_LT(found->factor, std::int64_t{1} << bits);
    }
  }
  EXPECT_GT(found_some, 50);
  EXPECT_GT(found_none, 50);
}

TEST(Fit, NoLineGivesUnevenThresholds) {
  EXPECT_FALSE(compile::fit({0, 1, 100}, {-200, 200}, 31));
  EXPECT_TRUE(compile::fit({0, 50, 100}, {-200, 200}, 31));
}

TEST(Fit, AChainNeedsAllChannelsAndTurnsFallingOnesRound) {
  compile::Thresholds t{{1, -1}, {{-200, 200}, {-100, 300}}, -2, 3, {0, 50, 100, -10, 20, 50}};
  const compile::Fitted fitted = compile::fit(t, 24);
  ASSERT_EQ(fitted.channels, 2U);
  for (std::int64_t v = -200; v <= 100; ++v) {
    EXPECT_EQ(steps::apply(fitted.steps, 0, v), -2 + count({0, 50, 100}, v)) << v;
    EXPECT_EQ(steps::apply(fitted.steps, 1, v), -2 + count({-10, 20, 50}, -v)) << v;
  }
  t.constants[1] = 1;
  EXPECT_TRUE(compile::fit(t, 24).steps.empty());
  EXPECT_EQ(compile::fit(t, 24).channels, 1U);
}

}  // namespace
}  // namespace qloom::test
