// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What a requantizer cannot do is refused with its rule before training, not behind it; sums of a
// narrow register are sums too.
#include <algorithm>
#include <string>
#include <vector>

#include "host/tensor/error.hpp"
#include "tests/support/bench.hpp"

namespace qloom::test {
namespace {

/// A rule of the bench for every group with a sum but the last one.
Json possible_rule(const Json& requantizer, const Json& layers, int bits = 8) {
  return {{"site", "output"},
          {"layers", layers},
          {"quantizer", {{"plugin", "affine"}, {"bits", bits}, {"symmetric", false}}},
          {"range", {{"plugin", "moving_average_min_max"}}},
          {"requantizer", requantizer}};
}

Json possible_rules(const Json& requantizer, int bits = 8) {
  return {{{"site", "weight"}, {"quantizer", {{"plugin", "affine"}, {"symmetric", true}}}},
          {{"site", "input"}, {"quantizer", {{"plugin", "affine"}, {"symmetric", false}}}},
          possible_rule(requantizer, {"conv1", "conv2", "left", "right", "add"}, bits)};
}

const Json kMultiplier{{"plugin", "multiplier"}};

/// What the first batch of training refuses, which the rules alone do not tell; "lowering: ..."
/// where they do.
std::string refused_at_first_batch(const Json& rules) {
  std::string text = "lowering: ";
  try {
    Bench bench(rules);
    text.clear();
    bench.forward();
  } catch (const InputError& error) {
    const std::string what = error.what();
    return text + what.substr(what.find(": ") + 2);
  }
  return "";
}

TEST(PossibleRequantizer, IsAskedBeforeANormHasItsStatistics) {
  EXPECT_EQ(refused_at_first_batch(possible_rules(kMultiplier)), "");
  Json join = possible_rules(kMultiplier);
  join.push_back(possible_rule({{"plugin", "float_scale"}}, {"add"}));
  const std::string of_join = refused_at_first_batch(join);
  EXPECT_EQ(
      of_join.substr(0, 84),
      "/rules/3/requantizer: requantizer \"float_scale\": derive output/relu3: a join: runtim")
      << of_join;
  // conv1 has a norm in training: its codes are not asked for, and refused all the same.
  const Json thresholds{{"plugin", "thresholds"}, {"bits_max", 8}};
  const std::string wide = refused_at_first_batch(possible_rules(thresholds, 9));
  EXPECT_EQ(wide.substr(0, 21), "/rules/2/requantizer:") << wide;
  EXPECT_NE(wide.find("more than bits_max = 8 bits hold"), std::string::npos) << wide;
  EXPECT_EQ(refused_at_first_batch(possible_rules(thresholds, 8)), "");
}

TEST(PossibleRequantizer, NeedsCodesOfEqualSteps) {
  Json rules = possible_rules(kMultiplier);
  rules[2]["quantizer"] = {{"plugin", "lsq_plus"}};
  rules[2].erase("range");
  const std::string text = refused_at_first_batch(rules);
  EXPECT_EQ(text.substr(0, 90),
            "/rules/2/quantizer: a requantizer makes integers, and codes of \"lsq_plus\" at "
            "\"output/relu1")
      << text;
}

TEST(PossibleRequantizer, NeedsAPaddingThatIsACode) {
  Json rules = possible_rules(kMultiplier);
  const Json coded{{"plugin", "fixed_point"}, {"bits", 8}, {"fraction_bits", 4}};
  rules[1] = {{"site", {"input", "activation"}}, {"quantizer", coded}, {"pad", 0.3}};
  rules[2] = possible_rule(kMultiplier, {"conv2"});
  rules.push_back({{"site", "activation"}, {"layers", {"left", "right"}}, {"quantizer", nullptr}});
  const std::string text = refused_at_first_batch(rules);
  EXPECT_EQ(text,
            "/rules/2/requantizer: \"conv2\" has no integer sums in this pass: it pads with 0.3, "
            "which is no code of its input at scale 0.0625");
  rules[1]["pad"] = 0.25;
  EXPECT_EQ(refused_at_first_batch(rules), "");
}

TEST(PossibleRequantizer, NeedsAnAccumulatorOfIntegers) {
  Json rules = possible_rules(kMultiplier);
  rules.push_back({{"site", "accumulator.forward"},
                   {"layers", {"conv1"}},
                   {"accumulator", {{"plugin", "float_chunked"}}}});
  const std::string text = refused_at_first_batch(rules);
  EXPECT_EQ(text.substr(0, 75),
            "lowering: /rules/3/accumulator: \"float_chunked\" adds numbers with a fractio")
      << text;
  EXPECT_NE(text.find("\"output/relu1\""), std::string::npos) << text;
}

/// Of 9 bits that saturate: every code is the steps' of the register's own sum.
TEST(PossibleRequantizer, TakesTheSumsOfANarrowRegister) {
  Json rules = possible_rules(kMultiplier);
  rules.push_back(
      {{"site", "accumulator.forward"},
       {"layers", {"conv2"}},
       {"accumulator", {{"plugin", "integer"}, {"bits", 9}, {"overflow", "saturate"}}}});
  Bench bench(rules);
  bench.train();
  bench.evaluate();
  const network::Node& conv = bench.node("conv2");
  const network::Node& output = bench.node("output/relu2");
  ASSERT_TRUE(output.requantized->acts);
  const network::Requantized& group = *output.requantized;
  const auto [lo, hi] = std::minmax_element(conv.sums.begin(), conv.sums.end());
  EXPECT_EQ(*lo, -256);
  EXPECT_EQ(*hi, 255);
  EXPECT_EQ(group.task.sums[0].lo, -256);
  EXPECT_EQ(group.task.sums[0].hi, 255);
  const qloom_encoding e = output.site->encoding();
  const std::uint64_t channels = group.task.channels;
  for (std::size_t i = 0; i < conv.sums.size(); ++i) {
    const std::int64_t code = methods::code_of(group.steps, i % channels, {conv.sums[i]});
    const double value = static_cast<double>(code - e.grid.zero_point[0]) * double{e.grid.scale[0]};
    ASSERT_EQ((*output.value)[i], static_cast<float>(value)) << i;
  }
}

}  // namespace
}  // namespace qloom::test
