// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Intervals against all values in them, and values that 64 bits do not hold.
#include "host/steps/proof.hpp"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "tests/support/random_chain.hpp"

namespace qloom::test {
namespace {

using steps::Chain;
using steps::Interval;
using steps::Op;
using steps::Rounding;
using steps::Step;

Step constant_step(Op op, std::vector<std::int64_t> constants,
                   Rounding rounding = Rounding::kTowardNegative) {
  Step step;
  step.op = op;
  step.rounding = rounding;
  step.per_channel = constants.size();
  step.constants = std::move(constants);
  return step;
}

/// The ends of what a step makes of all values of an interval.
Interval all_behind(const Step& step, Interval values) {
  const std::int64_t first = apply(step, 0, values.lo);
  Interval all{first, first};
  for (std::int64_t v = values.lo; v <= values.hi; ++v) {
    const std::int64_t one = apply(step, 0, v);
    all = steps::join(all, {one, one});
  }
  return all;
}

/// Steps of every kind with small constants.
std::vector<Step> small_steps() {
  std::vector<Step> made;
  for (const std::int64_t c : {-3, -1, 0, 1, 2, 5}) {
    made.push_back(constant_step(Op::kAdd, {c}));
    made.push_back(constant_step(Op::kMultiply, {c}));
    made.push_back(constant_step(Op::kClamp, {std::min<std::int64_t>(c, 0), c + 3}));
  }
  for (std::int64_t c = 0; c <= 5; ++c) {
    made.push_back(constant_step(Op::kShiftLeft, {c}));
    for (int rounding = 0; rounding < 6; ++rounding) {
      made.push_back(constant_step(Op::kShiftRight, {c}, static_cast<Rounding>(rounding)));
    }
    made.push_back(constant_step(Op::kSaturate, {c + 1}));
  }
  made.push_back(constant_step(Op::kCount, {-4, -4, 1, 6}));
  return made;
}

TEST(Behind, IsTightForEveryIntervalAndStep) {
  const std::vector<Step> all = small_steps();
  for (std::int64_t lo = -20; lo <= 20; ++lo) {
    for (std::int64_t hi = lo; hi <= 20; ++hi) {
      for (const Step& step : all) {
        ASSERT_EQ(behind(step, 0, {lo, hi}), all_behind(step, {lo, hi}))
            << steps::text_of({step}, 0) << " of " << lo << " to " << hi;
      }
    }
  }
}

TEST(Behind, IsTightForTables) {
  const Step table = constant_step(Op::kTable, {4, -9, 7, 0, 7, 100, -100, 3});
  for (std::int64_t lo = 0; lo < 8; ++lo) {
    for (std::int64_t hi = lo; hi < 8; ++hi) {
      ASSERT_EQ(behind(table, 0, {lo, hi}), all_behind(table, {lo, hi})) << lo << " to " << hi;
    }
  }
  EXPECT_FALSE(behind(table, 0, {-1, 3}).has_value());
  EXPECT_FALSE(behind(table, 0, {0, 8}).has_value());
}

/// A wrap that does nothing keeps the interval; else all of the register counts, which it holds.
TEST(Behind, OfAWrapHoldsAllValues) {
  for (std::int64_t bits = 1; bits <= 5; ++bits) {
    const Step wrap = constant_step(Op::kWrap, {bits});
    for (std::int64_t lo = -40; lo <= 40; ++lo) {
      for (std::int64_t hi = lo; hi <= 40; ++hi) {
        const Interval found = behind(wrap, 0, {lo, hi}).value();
        const Interval all = all_behind(wrap, {lo, hi});
        ASSERT_LE(found.lo, all.lo);
        ASSERT_GE(found.hi, all.hi);
        const bool is_kept = all == Interval{lo, hi};
        const bool is_full = hi - lo >= (1 << bits) - 1;
        EXPECT_TRUE(found == all || !(is_kept || is_full))
            << bits << " bits, " << lo << " to " << hi;
      }
    }
  }
}

TEST(Behind, FindsWhatLeaves64Bits) {
  const Interval all{INT64_MIN, INT64_MAX};
  EXPECT_FALSE(behind(constant_step(Op::kAdd, {1}), 0, {0, INT64_MAX}).has_value());
  EXPECT_TRUE(behind(constant_step(Op::kAdd, {1}), 0, {0, INT64_MAX - 1}).has_value());
  EXPECT_FALSE(behind(constant_step(Op::kAdd, {-1}), 0, all).has_value());
  EXPECT_FALSE(behind(constant_step(Op::kMultiply, {-1}), 0, all).has_value());
  EXPECT_TRUE(behind(constant_step(Op::kMultiply, {-1}), 0, {-INT64_MAX, INT64_MAX}).has_value());
  EXPECT_FALSE(behind(constant_step(Op::kMultiply, {3}), 0, {0, INT64_MAX / 2}).has_value());
  EXPECT_FALSE(behind(constant_step(Op::kShiftLeft, {62}), 0, {0, 2}).has_value());
  EXPECT_EQ(behind(constant_step(Op::kShiftLeft, {62}), 0, {-2, 1}),
            (Interval{INT64_MIN, std::int64_t{1} << 62}));
  for (int rounding = 0; rounding < 6; ++rounding) {
    const Step shift = constant_step(Op::kShiftRight, {62}, static_cast<Rounding>(rounding));
    EXPECT_EQ(behind(shift, 0, all).value().lo, -2) << rounding;
  }
}

TEST(BitsOf, IsTheNarrowestRegister) {
  for (std::int64_t lo = -70; lo <= 70; ++lo) {
    for (std::int64_t hi = lo; hi <= 70; ++hi) {
      int bits = 1;
      const auto holds = [&] {
        if (lo >= 0) return hi < std::int64_t{1} << bits;
        return lo >= -(std::int64_t{1} << (bits - 1)) && hi < std::int64_t{1} << (bits - 1);
      };
      while (!holds()) ++bits;
      ASSERT_EQ(steps::bits_of({lo, hi}), bits) << lo << " to " << hi;
    }
  }
  EXPECT_EQ(steps::bits_of({0, INT64_MAX}), 63);
  EXPECT_EQ(steps::bits_of({-1, INT64_MAX}), 64);
  EXPECT_EQ(steps::bits_of({INT64_MIN, 0}), 64);
  EXPECT_EQ(steps::bits_of({INT64_MIN / 2, 0}), 63);
}

TEST(StepFault, FindsWrongConstants) {
  const auto fault = [](Step step, std::uint64_t channels = 1) {
    return steps::fault_of(step, channels);
  };
  EXPECT_EQ(fault(constant_step(Op::kAdd, {7})), "");
  EXPECT_EQ(fault(constant_step(Op::kShiftLeft, {62})), "");
  EXPECT_EQ(fault(constant_step(Op::kWrap, {64})), "");
  EXPECT_EQ(fault(constant_step(Op::kClamp, {3, 3})), "");
  EXPECT_EQ(fault(constant_step(Op::kCount, {1, 1, 2})), "");
  EXPECT_NE(fault(constant_step(Op::kAdd, {})), "");
  EXPECT_NE(fault(constant_step(Op::kAdd, {1, 2})), "");
  EXPECT_NE(fault(constant_step(Op::kClamp, {1})), "");
  EXPECT_EQ(fault(constant_step(Op::kShiftLeft, {63})), "channel 0: 63, expected 0 to 62");
  EXPECT_NE(fault(constant_step(Op::kShiftRight, {-1})), "");
  EXPECT_EQ(fault(constant_step(Op::kWrap, {0})), "channel 0: 0, expected 1 to 64");
  EXPECT_NE(fault(constant_step(Op::kSaturate, {65})), "");
  EXPECT_EQ(fault(constant_step(Op::kClamp, {4, 3})),
            "channel 0: 4 before 3, expected ascending constants");
  EXPECT_NE(fault(constant_step(Op::kCount, {1, 3, 2})), "");
  Step channels = constant_step(Op::kAdd, {1, 2, 3});
  channels.per_channel = 1;
  EXPECT_EQ(fault(channels, 3), "");
  EXPECT_EQ(fault(channels, 4), "constants for 3 channels, expected 1 or 4");
  channels.per_channel = 0;
  EXPECT_NE(fault(channels, 3), "");
}

TEST(Prove, NamesTheStepAndTheChannel) {
  Step multiply = constant_step(Op::kMultiply, {1, 1, std::int64_t{1} << 60});
  multiply.per_channel = 1;
  const Chain chain{constant_step(Op::kAdd, {1}), multiply};
  const steps::Proof proof = steps::prove(chain, 3, {{0, 100}});
  EXPECT_FALSE(proof.holds());
  EXPECT_EQ(proof.fault, "step 2 (multiply) of channel 2: 1 to 101 leave 64 bits");
  EXPECT_TRUE(steps::prove(chain, 3, {{0, 100}, {0, 100}, {-9, 6}}).holds());
  EXPECT_EQ(steps::prove({constant_step(Op::kTable, {1, 2})}, 1, {{0, 2}}).fault,
            "step 1 (table) of channel 0: 0 to 2 leave the table");
  EXPECT_EQ(steps::prove({constant_step(Op::kWrap, {0})}, 1, {{0, 2}}).fault,
            "step 1 (wrap): channel 0: 0, expected 1 to 64");
}

TEST(Prove, JoinsWhatChannelsReach) {
  Step multiply = constant_step(Op::kMultiply, {1, -2});
  multiply.per_channel = 1;
  const steps::Proof proof =
      steps::prove({multiply, constant_step(Op::kAdd, {10})}, 2, {{0, 3}, {1, 4}});
  ASSERT_TRUE(proof.holds());
  EXPECT_EQ(proof.behind, (std::vector<Interval>{{-8, 3}, {2, 13}}));
}

Step factor_step(std::vector<float> factors) {
  Step step;
  step.op = Op::kFloatScale;
  step.factors = std::move(factors);
  return step;
}

TEST(Prove, KnowsTheEndsOfAProductInFloatingPoint) {
  EXPECT_EQ(behind(factor_step({0.5F}), 0, {-7, 5}), (Interval{-4, 2}));
  EXPECT_EQ(behind(factor_step({-0.5F}), 0, {-7, 5}), (Interval{-2, 4}));
  EXPECT_EQ(behind(factor_step({0x1p61F, 0x1p62F}), 0, {0, 2}), (Interval{0, INT64_C(1) << 62}));
  EXPECT_EQ(behind(factor_step({0x1p61F, 0x1p62F}), 1, {0, 2}), std::nullopt);
  EXPECT_EQ(behind(factor_step({1e30F}), 0, {-1, 0}), std::nullopt);
  EXPECT_EQ(steps::prove({factor_step({1.0F, 1e30F})}, 2, {{0, 9}}).fault,
            "step 1 (float_scale) of channel 1: 0 to 9 leave -2^62 to 2^62");
}

TEST(Prove, WantsOneFiniteFactorAChannelAndNoConstants) {
  const auto fault = [](const Step& step) { return steps::prove({step}, 2, {{0, 2}}).fault; };
  EXPECT_EQ(fault(factor_step({1.0F})), "");
  EXPECT_EQ(fault(factor_step({1.0F, INFINITY})),
            "step 1 (float_scale): channel 1: inf, expected a finite factor");
  EXPECT_EQ(fault(factor_step({})),
            "step 1 (float_scale): factors for 0 channels, expected 1 or 2");
  Step both = factor_step({1.0F});
  both.constants = {1};
  EXPECT_NE(fault(both), "");
  both.op = Op::kAdd;
  EXPECT_EQ(fault(both), "step 1 (add): factors, expected constants alone");
}

/// Whatever the chain, no value of the interval goes where the proof does not say.
TEST(Prove, HoldsForAllValuesOfRandomChains) {
  std::set<Op> seen;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    Dice dice(seed);
    const std::int64_t lo = dice.in(-300, 300), hi = dice.in(lo, 400);
    const Chain chain = random_chain(dice, 2, {{lo, hi}}, 6, 32, true);
    const steps::Proof proof = steps::prove(chain, 2, {{lo, hi}});
    ASSERT_TRUE(proof.holds()) << proof.fault << ", seed " << seed;
    for (std::uint64_t channel = 0; channel < 2; ++channel) {
      for (std::int64_t v = lo; v <= hi; ++v) {
        std::int64_t now = v;
        for (std::size_t i = 0; i < chain.size(); ++i) {
          now = apply(chain[i], channel, now);
          seen.insert(chain[i].op);
          ASSERT_GE(now, proof.behind[i].lo) << "seed " << seed << ", step " << i << " of " << v;
          ASSERT_LE(now, proof.behind[i].hi) << "seed " << seed << ", step " << i << " of " << v;
        }
      }
    }
  }
  EXPECT_EQ(seen.size(), 10U);
}

}  // namespace
}  // namespace qloom::test
