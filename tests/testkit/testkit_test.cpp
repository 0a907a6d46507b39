// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The SDK's test kit on methods of the tree, with numbers worked out by hand.
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <qloom/testkit.hpp>

namespace qloom::testkit {
namespace {

using Values = std::vector<float>;

TEST(TestKit, RoundsWithTheRoundingOfTheRule) {
  EXPECT_EQ(round(R"({"rounding": {"plugin": "nearest_even"}})", {0.5F, 1.5F, -2.5F}),
            (Values{0.0F, 2.0F, -2.0F}));
}

TEST(TestKit, FindsOneRangePerChannel) {
  const std::string rule = R"({"range": {"plugin": "min_max", "granularity": "channel"}})";
  const std::vector<Ends> ends = ranges(rule, {{{1, 5, -2, 7, 3, 6}, {3, 2}}}, 8, true);
  ASSERT_EQ(ends.size(), 2U);
  EXPECT_EQ(ends[0].lo, -2.0);
  EXPECT_EQ(ends[0].hi, 3.0);
  EXPECT_EQ(ends[1].hi, 7.0);
}

TEST(TestKit, QuantizesAndGivesCodesThatDecodeToTheValues) {
  // mean|w| = 1, threshold 0.7: the two large values are kept, their mean magnitude is 2
  Quantizer twn(R"({"quantizer": {"plugin": "twn"}})");
  const Array w{{2, -2, 0, 0}};
  const Values y = twn.forward(w);
  EXPECT_EQ(y, (Values{2, -2, 0, 0}));
  EXPECT_EQ(twn.decode(twn.encode(w)), y);
  EXPECT_NE(twn.encoding().find("\"kind\""), std::string::npos) << twn.encoding();
  EXPECT_EQ(twn.backward(w, {{1, 2, 3, 4}}), (Values{1, 2, 3, 4}));
}

TEST(TestKit, AnActivationKeepsItsRangeForEvaluationAndHandsItOn) {
  const std::string rule = R"({"quantizer": {"plugin": "affine", "bits": 4}})";
  const Place place{.site = "activation/conv1"};
  Quantizer first(rule, place), second(rule, place);
  EXPECT_THROW(first.forward({{1, 2}}, {.training = false}), std::runtime_error);  // no range yet
  first.forward({{-4, 2, 3}});
  const Array large{{100, -100}};
  const Values y = first.forward(large, {.training = false});
  EXPECT_LT(y[0], 8.0F);
  first.copy_state_to(second);
  EXPECT_EQ(second.forward(large, {.training = false}), y);
}

TEST(TestKit, ALearnedStepHasAGradientAndCanBeMoved) {
  Quantizer lsq(R"({"quantizer": {"plugin": "lsq"}})", {.site = "weight/conv1"});
  const Array w{{0.5F, -1.0F, 0.25F, 2.0F}};
  const Values before = lsq.forward(w);
  lsq.backward(w, {{1, 1, 1, 1}});
  EXPECT_THROW(static_cast<void>(lsq.gradient("no_such_name")), std::runtime_error);
  ASSERT_EQ(lsq.gradient("step").size(), 1U);
  lsq.set_learned("step", {4.0F * lsq.learned("step")[0]});
  EXPECT_NE(lsq.forward(w, {.step = 1}), before);
}

TEST(TestKit, NormalisesABatchAndEvaluatesWithItsStatistics) {
  Norm norm(R"({"norm": {"plugin": "batch_norm", "eps": 0}})", 1);
  const Values x{1, 3};  // mean 2, deviation 1
  EXPECT_EQ(norm.forward(x), (Values{-1, 1}));
  norm.gamma = {2};
  norm.beta = {5};
  EXPECT_EQ(norm.forward(x), (Values{3, 7}));
  EXPECT_EQ(norm.backward(x, {1, 1}).dbeta, (Values{2}));
  EXPECT_EQ(norm.evaluate(x).size(), 2U);
}

TEST(TestKit, AddsUpProductsAsTheAccumulatorDoes) {
  // 100 + 100 saturates a register of 8 bits at 127
  const std::string rule = R"({"accumulator": {"plugin": "integer", "bits": 8}})";
  EXPECT_EQ(product(rule, {{10, 10}, {1, 2}}, {{10, 10}, {2, 1}}), std::vector<double>{127});
}

TEST(TestKit, SaysWhatIsWrongWithARule) {
  try {
    Quantizer none(R"({"quantizer": {"plugin": "twm"}})");
    FAIL() << "a method that is not there";
  } catch (const std::runtime_error& e) {
    EXPECT_NE(std::string(e.what()).find("twn"), std::string::npos) << e.what();
  }
  EXPECT_THROW(Quantizer(R"({"rounding": {"plugin": "nearest_even"}})"), std::runtime_error);
}

}  // namespace
}  // namespace qloom::testkit
