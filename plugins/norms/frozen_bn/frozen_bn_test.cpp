// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/support/norm_harness.hpp"

namespace qloom::test {
namespace {

/// State of a norm that saw one batch.
data::Arrays state_of(const std::string& id) {
  NormHarness norm(id, "{}", 3);
  norm.forward(values(gaussian({50, 3}, 9, 2.0F)));
  return norm.instance().save();
}

TEST(FrozenNorm, TakesOverTheStatisticsOfBatchNormAndUsesThemInTraining) {
  const data::Arrays state = state_of("batch_norm");
  const auto& mean = std::get<Doubles>(state.at("running_mean").values);
  const auto& var = std::get<Doubles>(state.at("running_variance").values);
  expect_follows_definition(
      "frozen_bn", "{}",
      [&](const Doubles& x, const Doubles& gamma, const Doubles& beta) {
        Doubles y;
        for (std::size_t i = 0; i < x.size(); ++i) {
          const std::size_t c = i % 3;
          y.push_back(gamma[c] * (x[i] - mean[c]) / std::sqrt(var[c] + 1e-5) + beta[c]);
        }
        return y;
      },
      QLOOM_MODE_TRAINING, state);
}

TEST(FrozenNorm, HasTheBitsOfFrozenBatchNorm) {
  const Values x = values(gaussian({33, 3}, 2)), dy = values(gaussian({33, 3}, 3));
  NormHarness frozen("frozen_bn", "{}", 3), norm("batch_norm", "{}", 3);
  for (NormHarness* n : {&frozen, &norm}) {
    n->instance().load(state_of("batch_norm"), 1);
    n->gamma = {1.5F, 2.0F, -1.0F};
    n->beta = {0.5F, 0.0F, 1.0F};
  }
  EXPECT_EQ(frozen.forward(x), norm.forward(x, QLOOM_MODE_FROZEN));
  EXPECT_EQ(frozen.forward(x), norm.infer(x));
  const NormGradients a = frozen.backward(x, dy), b = norm.backward(x, dy, QLOOM_MODE_FROZEN);
  EXPECT_EQ(a.dx, b.dx);
  EXPECT_EQ(a.dgamma, b.dgamma);
  EXPECT_EQ(a.dbeta, b.dbeta);
}

TEST(FrozenNorm, EveryNormTakesOverFromEveryOther) {
  // D without eps travels as running_scale, as a square through the norms that keep a variance
  for (const char* from : {"batch_norm", "range_bn", "l1_bn", "frozen_bn"}) {
    const data::Arrays state = state_of(from);
    for (const char* to : {"batch_norm", "range_bn", "l1_bn", "frozen_bn"}) {
      NormHarness norm(to, "{}", 3);
      norm.instance().load(state, 1);
      for (std::size_t c = 0; c < 3; ++c) {
        const double scale = std::get<Doubles>(state.at("running_scale").values)[c];
        EXPECT_NEAR(norm.state("running_scale", c) / scale, 1, 1e-15) << from << " to " << to;
        EXPECT_EQ(norm.state("running_mean", c),
                  std::get<Doubles>(state.at("running_mean").values)[c]);
      }
    }
  }
}

TEST(FrozenNorm, ABatchLeavesNoTrace) {
  NormHarness norm("frozen_bn", "{}", 1);
  const Values x{-100, 50, 300};
  const Values y = norm.forward(x);
  EXPECT_EQ(norm.forward(x), y);
  EXPECT_EQ(norm.state("running_mean"), 0);
  EXPECT_EQ(norm.state("running_variance"), 1);
  const auto scale = static_cast<float>(1 / std::sqrt(1 + 1e-5));
  EXPECT_EQ(y, (Values{-100 * scale, 50 * scale, 300 * scale}));
}

TEST(FrozenNorm, HasTheSameBitsForAnyNumberOfThreads) {
  expect_same_bits_for_any_threads("frozen_bn", "{}");
}

}  // namespace
}  // namespace qloom::test
