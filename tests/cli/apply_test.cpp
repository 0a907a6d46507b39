// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// qloom apply against results worked out by hand.
#include <cmath>

#include "host/tensor/random.hpp"
#include "tests/support/program.hpp"

namespace qloom::test {
namespace {

class Apply : public Program {};

constexpr const char* kFixed =
    R"({"quantizer": {"plugin": "fixed_point", "bits": 8, "fraction_bits": 4}})";

TEST_F(Apply, FixedPointWritesValuesCodesEncodingAndGradient) {
  // Steps of 1/16: 0.5, 1.5 and -1.5 steps are ties; 127 is the last code; 100 and -100 are
  // clipped.
  write_array("x.npy", {0.03125F, 0.09375F, -0.09375F, 7.9375F, 100.0F, -100.0F});
  write_array("gy.npy", {1.0F, 2.0F, 3.0F, 4.0F, 5.0F, 6.0F});
  apply(kFixed, {"--codes", "c.npy", "--encoding", "e.json", "--grad-output", "gy.npy",
                 "--grad-input", "gx.npy", "--learned-gradients", "g.json"});
  EXPECT_EQ(array("y.npy"), (std::vector<float>{0.0F, 0.125F, -0.125F, 7.9375F, 7.9375F, -8.0F}));
  EXPECT_EQ(codes("c.npy"), (std::vector<std::int32_t>{0, 2, -2, 127, 127, -128}));
  EXPECT_EQ(array("gx.npy"), (std::vector<float>{1.0F, 2.0F, 3.0F, 4.0F, 0.0F, 0.0F}));
  EXPECT_EQ(json("g.json"), Json::object());
  const Json e = json("e.json");
  EXPECT_EQ(e["kind"], "affine");
  EXPECT_EQ(e["bits"], 8);
  EXPECT_EQ(e["scale"], Json::parse("[0.0625]"));
  EXPECT_EQ(e["zero_point"], Json::parse("[0.0]"));
}

TEST_F(Apply, AffineTakesItsRangeFromTheArray) {
  // [-64, 63.5] has 255 steps of 0.5 and code 128 for 0; 0.25 is a tie that goes to code 128.
  write_array("x.npy", {-64.0F, 63.5F, 0.25F, 10.5F, -0.75F});
  apply(R"({"quantizer": {"plugin": "affine", "bits": 8}, "range": {"plugin": "min_max"}})",
        {"--codes", "c.npy", "--encoding", "e.json"});
  EXPECT_EQ(array("y.npy"), (std::vector<float>{-64.0F, 63.5F, 0.0F, 10.5F, -1.0F}));
  EXPECT_EQ(codes("c.npy"), (std::vector<std::int32_t>{0, 255, 128, 149, 126}));
  EXPECT_EQ(json("e.json")["scale"], Json::parse("[0.5]"));
  EXPECT_EQ(json("e.json")["zero_point"], Json::parse("[128.0]"));
}

TEST_F(Apply, ChannelsLieOnTheAxisThatIsNamed) {
  const std::string rule = R"({"quantizer": {"plugin": "affine", "symmetric": true,
      "narrow_range": true, "granularity": "channel"}, "range": {"plugin": "min_max"}})";
  write_array("x.npy", {2, 2}, {127.0F, 1.0F, 254.0F, 3.0F});
  apply(rule, {"--channel-axis", "0", "--encoding", "e.json"});
  EXPECT_EQ(array("y.npy"), (std::vector<float>{127.0F, 1.0F, 254.0F, 4.0F}));  // 3 / 2 is a tie
  EXPECT_EQ(json("e.json")["scale"], Json::parse("[1.0, 2.0]"));
  write_array("x.npy", {2, 2}, {127.0F, 3.0F, 1.0F, 254.0F});
  for (const char* axis : {"-1", "1"}) {
    apply(rule, {"--channel-axis", axis, "--encoding", "e.json"});
    EXPECT_EQ(array("y.npy"), (std::vector<float>{127.0F, 4.0F, 1.0F, 254.0F})) << axis;
    EXPECT_EQ(json("e.json")["scale"], Json::parse("[1.0, 2.0]")) << axis;
  }
  apply(rule, {"--encoding", "e.json"});  // -1 is the default
  EXPECT_EQ(json("e.json")["scale"], Json::parse("[1.0, 2.0]"));
}

TEST_F(Apply, ClampClipsBeforeQuantizingAndStopsTheGradientOutside) {
  write_array("x.npy", {-3.0F, -1.0F, 0.5F, 2.0F, 2.5F});
  write_array("gy.npy", {1.0F, 1.0F, 1.0F, 1.0F, 1.0F});
  apply(R"({"quantizer": {"plugin": "fixed_point", "bits": 8, "fraction_bits": 1},
            "clamp": {"low": -1, "high": 2}})",
        {"--grad-output", "gy.npy", "--grad-input", "gx.npy"});
  EXPECT_EQ(array("y.npy"), (std::vector<float>{-1.0F, -1.0F, 0.5F, 2.0F, 2.0F}));
  EXPECT_EQ(array("gx.npy"), (std::vector<float>{0.0F, 1.0F, 1.0F, 1.0F, 0.0F}));
}

TEST_F(Apply, PactGivesTheGradientOfItsAlpha) {
  // d alpha = sum of dy where x >= alpha (Choi et al., 2018, eq. 3): 2 + 5.
  write_array("x.npy", {-1.0F, 1.0F, 4.0F, 3.0F, 5.0F});
  write_array("gy.npy", {7.0F, 1.0F, 2.0F, 3.0F, 5.0F});
  apply(R"({"quantizer": {"plugin": "pact", "bits": 2, "alpha": 3.5}})",
        {"--grad-output", "gy.npy", "--grad-input", "gx.npy", "--learned-gradients", "g.json"});
  EXPECT_EQ(array("gx.npy"), (std::vector<float>{0.0F, 1.0F, 0.0F, 3.0F, 0.0F}));
  EXPECT_EQ(json("g.json")["alpha"], Json::parse("[7.0]"));
}

TEST_F(Apply, ARoundingAloneRoundsToIntegers) {
  write_array("x.npy", {2, 3}, {-2.5F, -1.5F, -0.25F, 0.5F, 1.5F, 7.75F});
  write_array("gy.npy", {2, 3}, {1.0F, 2.0F, 3.0F, 4.0F, 5.0F, 6.0F});
  apply(R"({"rounding": {"plugin": "nearest_even"}})",
        {"--codes", "c.npy", "--encoding", "e.json", "--grad-output", "gy.npy", "--grad-input",
         "gx.npy"});
  EXPECT_EQ(array("y.npy"), (std::vector<float>{-2.0F, -2.0F, -0.0F, 0.0F, 2.0F, 8.0F}));
  EXPECT_EQ(codes("c.npy"), (std::vector<std::int32_t>{-2, -2, 0, 0, 2, 8}));
  EXPECT_EQ(shape_of("c.npy"), (Shape{2, 3}));
  EXPECT_EQ(array("gx.npy"), (std::vector<float>{1.0F, 2.0F, 3.0F, 4.0F, 5.0F, 6.0F}));
  EXPECT_EQ(json("e.json")["scale"], Json::parse("[1.0]"));
}

TEST_F(Apply, StochasticRoundingDrawsTheWordsOfSeedAndStep) {
  std::vector<float> x(1000);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 0.0078125F * static_cast<float>(i % 300) - 1.0F;
  write_array("x.npy", x);
  const auto expected = [&x](std::uint64_t seed, std::uint64_t step) {
    std::vector<float> y;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double down = std::floor(x[i]);
      const double u = random_word(seed, stream_id("apply"), step, i) * 0x1p-32;
      y.push_back(static_cast<float>(down + (u < x[i] - down ? 1.0 : 0.0)));
    }
    return y;
  };
  const std::string rule = R"({"rounding": {"plugin": "stochastic", "random_bits": 32}})";
  apply(rule);
  EXPECT_EQ(array("y.npy"), expected(1, 0));  // the defaults
  apply(rule, {"--seed", "5000000000", "--step", "3"});
  EXPECT_EQ(array("y.npy"), expected(5000000000, 3));
  EXPECT_NE(expected(1, 0), expected(5000000000, 3));
}

TEST_F(Apply, AQuantizerRoundsWithTheSameWords) {
  write_array("x.npy", {0.3F, 1.7F, -2.2F, 0.5F, 100.25F, -3.9F});
  apply(R"({"rounding": {"plugin": "stochastic"}})", {"--seed", "9", "--step", "2"});
  const std::vector<float> rounded = array("y.npy");
  apply(R"({"quantizer": {"plugin": "fixed_point", "bits": 16, "fraction_bits": 0},
            "rounding": {"plugin": "stochastic"}})",
        {"--seed", "9", "--step", "2"});
  EXPECT_EQ(array("y.npy"), rounded);
}

constexpr const char* kNorm = R"({"norm": {"plugin": "batch_norm", "eps": 0}})";

TEST_F(Apply, BatchNormTrainsOnTheLastAxis) {
  // Channel 0: 1, 3; channel 1: 10, 30: mean 2 and 20, deviation 1 and 10.
  write_array("x.npy", {2, 2}, {1.0F, 10.0F, 3.0F, 30.0F});
  write_array("gy.npy", {2, 2}, {1.0F, 2.0F, 3.0F, 5.0F});
  apply(kNorm,
        {"--grad-output", "gy.npy", "--grad-input", "gx.npy", "--learned-gradients", "g.json"});
  EXPECT_EQ(array("y.npy"), (std::vector<float>{-1.0F, -1.0F, 1.0F, 1.0F}));
  // With two samples y does not move with x: the gradient is 0.
  EXPECT_EQ(array("gx.npy"), (std::vector<float>{0.0F, 0.0F, 0.0F, 0.0F}));
  EXPECT_EQ(json("g.json"), Json::parse(R"({"gamma": [2.0, 3.0], "beta": [4.0, 7.0]})"));
}

TEST_F(Apply, BatchNormTakesChannelsFromAnyAxis) {
  // (batch 2, channels 2, width 2): channel 0 holds 1 1 3 3, channel 1 holds 10 10 30 30.
  write_array("x.npy", {2, 2, 2}, {1.0F, 1.0F, 10.0F, 10.0F, 3.0F, 3.0F, 30.0F, 30.0F});
  write_array("gy.npy", {2, 2, 2}, {1.0F, 1.0F, 1.0F, 1.0F, 1.0F, 1.0F, 1.0F, 1.0F});
  apply(kNorm, {"--channel-axis", "1", "--grad-output", "gy.npy", "--learned-gradients", "g.json"});
  EXPECT_EQ(array("y.npy"),
            (std::vector<float>{-1.0F, -1.0F, -1.0F, -1.0F, 1.0F, 1.0F, 1.0F, 1.0F}));
  EXPECT_EQ(shape_of("y.npy"), (Shape{2, 2, 2}));
  EXPECT_EQ(json("g.json"), Json::parse(R"({"gamma": [0.0, 0.0], "beta": [4.0, 4.0]})"));
}

TEST_F(Apply, ANewNormEvaluatesWithTheStatisticsItStartsWith) {
  // Running mean 0 and variance 1.
  write_array("x.npy", {2, 1}, {1.5F, -3.0F});
  write_array("gy.npy", {2, 1}, {0.5F, 2.0F});
  for (const char* mode : {"evaluate", "frozen"}) {
    apply(kNorm, {"--mode", mode, "--grad-output", "gy.npy", "--grad-input", "gx.npy",
                  "--learned-gradients", "g.json"});
    EXPECT_EQ(array("y.npy"), (std::vector<float>{1.5F, -3.0F})) << mode;
    EXPECT_EQ(array("gx.npy"), (std::vector<float>{0.5F, 2.0F})) << mode;
    EXPECT_EQ(json("g.json"), Json::parse(R"({"gamma": [-5.25], "beta": [2.5]})")) << mode;
  }
}

TEST_F(Apply, ANormWithoutParametersHasNoLearnedGradients) {
  write_array("x.npy", {3.0F, -1.0F});
  write_array("gy.npy", {1.0F, 1.0F});
  apply(R"({"norm": {"plugin": "const_scale", "divisor": 2}})",
        {"--grad-output", "gy.npy", "--grad-input", "gx.npy", "--learned-gradients", "g.json"});
  EXPECT_EQ(array("y.npy"), (std::vector<float>{1.5F, -0.5F}));
  EXPECT_EQ(array("gx.npy"), (std::vector<float>{0.5F, 0.5F}));
  EXPECT_EQ(json("g.json"), Json::object());
}

TEST_F(Apply, TakesScalarsAndEmptyArrays) {
  const std::string rounding = R"({"rounding": {"plugin": "nearest_even"}})";
  write_array("x.npy", Shape{}, {2.75F});
  for (const std::string& rule : {std::string(kFixed), rounding}) {
    apply(rule, {"--codes", "c.npy"});
    EXPECT_EQ(shape_of("y.npy"), Shape{}) << rule;
    EXPECT_EQ(shape_of("c.npy"), Shape{}) << rule;
  }
  EXPECT_EQ(array("y.npy"), std::vector<float>{3.0F});
  for (const Shape& shape : {Shape{0}, Shape{2, 0, 3}}) {
    write_array("x.npy", shape, {});
    write_array("gy.npy", shape, {});
    for (const std::string& rule : {std::string(kFixed), rounding, std::string(kNorm)}) {
      std::vector<std::string> more{"--grad-output", "gy.npy", "--grad-input", "gx.npy"};
      if (rule != kNorm) more.insert(more.end(), {"--codes", "c.npy"});
      apply(rule, more);
      EXPECT_EQ(shape_of("y.npy"), shape) << rule;
      EXPECT_EQ(shape_of("gx.npy"), shape) << rule;
    }
  }
}

TEST_F(Apply, ReadsTheRuleFromAFile) {
  write("rule.json", kFixed);
  write_array("x.npy", {0.09375F});
  apply("rule.json");
  EXPECT_EQ(array("y.npy"), std::vector<float>{0.125F});
}

TEST_F(Apply, MayWriteOverItsInput) {
  write_array("x.npy", {0.09375F});
  const Outcome o = qloom({"apply", kFixed, "--input", "x.npy", "--output", "x.npy"});
  ASSERT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(array("x.npy"), std::vector<float>{0.125F});
  EXPECT_EQ(files(), std::vector<std::string>{"x.npy"});
}

TEST_F(Apply, GivesTheSameBytesOnEveryInstructionSet) {
  std::vector<float> x(5000);
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = uniform(random_word(11, stream_id("test"), 0, i)) * 6.0F - 2.0F;
  }
  write_array("x.npy", x);
  const std::vector<std::string> arguments{
      "apply",    R"({"quantizer": {"plugin": "affine", "bits": 5}, "range": {"plugin": "min_max"},
                   "rounding": {"plugin": "stochastic"}})",
      "--input",  "x.npy",
      "--output", "y.npy"};
  const Outcome o = qloom(arguments, {{"QLOOM_ISA", "scalar"}});
  ASSERT_EQ(o.status, 0) << o.err;
  const std::vector<float> scalar = array("y.npy");
  ASSERT_EQ(qloom(arguments).status, 0);
  EXPECT_EQ(array("y.npy"), scalar);
}

TEST_F(Apply, ReadsAndWritesArraysAsText) {
  write("x.json", "[[0.5, 1.5, -2.6], [1e30, 0.1, 7]]");
  const Outcome o = qloom({"apply", R"({"rounding": {"plugin": "nearest_even"}})", "--input",
                           "x.json", "--output", "y.json"});
  ASSERT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(json("y.json"), Json::parse("[[0, 2, -3], [1e30, 0, 7]]"));
}

TEST_F(Apply, WritesNoInfinityAsText) {
  const std::string rule = R"({"quantizer": {"plugin": "minifloat", "exponent_bits": 5,)"
                           R"( "mantissa_bits": 2, "specials": "ieee", "overflow": "infinity"}})";
  write_array("x.npy", {2, 2}, {1, 2, 1e6F, -1e6F});
  const Outcome o = qloom({"apply", rule, "--input", "x.npy", "--output", "y.json"});
  EXPECT_EQ(o.status, 1);
  EXPECT_NE(o.err.find("y.json: element [1, 0] is inf, which JSON has no number for"),
            std::string::npos)
      << o.err;
  EXPECT_EQ(files(), (std::vector<std::string>{"x.npy"}));
  apply(rule);
  const Outcome same = qloom({"apply", rule, "--input", "x.npy", "--expect", "y.npy"});
  EXPECT_EQ(same.status, 0) << same.err;
}

TEST_F(Apply, ComparesTheResultWithWhatIsExpected) {
  write("x.json", "[0.4, 1.6, 2.2]");
  write("y.json", "[0, 2, 2.5]");
  const std::vector<std::string> arguments{
      "apply", R"({"rounding": {"plugin": "nearest_even"}})", "--input", "x.json", "--expect",
      "y.json"};
  const auto with = [&](const std::string& tolerance) {
    auto all = arguments;
    all.insert(all.end(), {"--tolerance", tolerance});
    return qloom(all);
  };
  const Outcome far = with("0.4");
  EXPECT_EQ(far.status, 1);
  EXPECT_NE(far.err.find("y.json: element [2] is 2, expected 2.5; 1 of 3 are farther than 0.4"),
            std::string::npos)
      << far.err;
  EXPECT_EQ(with("0.5").status, 0);
  EXPECT_EQ(with("-1").status, 2);
  write("y.json", "[0, 2]");
  EXPECT_EQ(qloom(arguments).status, 2);
}

TEST_F(Apply, TheExactAccumulatorLosesNothing) {
  write("x.json", "[[1152921504606846976, 1, -1152921504606846976], [0.5, 0.5, 0.5]]");
  write("w.json", "[[1], [1], [1]]");
  write("y.json", "[[1], [1.5]]");
  const Outcome o = qloom({"apply", R"({"accumulator": {"plugin": "exact"}})", "--input", "x.json",
                           "--weight", "w.json", "--expect", "y.json"});
  EXPECT_EQ(o.status, 0) << o.err;
}

TEST_F(Apply, AFloatAccumulatorTowardZeroStopsAtItsLargestValue) {
  write("x.json", "[[100, 100, 100], [-100, -100, -100]]");
  write("w.json", "[[1], [1], [1]]");
  write("y.json", "[[240], [-240]]");  // 96, 192, then 288 is beyond 240
  const Outcome o = qloom({"apply",
                           R"({"accumulator": {"plugin": "float_chunked", "exponent_bits": 4,)"
                           R"( "mantissa_bits": 3, "overflow": "infinity"},)"
                           R"( "rounding": {"plugin": "toward_zero"}})",
                           "--input", "x.json", "--weight", "w.json", "--expect", "y.json"});
  EXPECT_EQ(o.status, 0) << o.err;
}

TEST_F(Apply, AnAccumulatorMultipliesByAMatrix) {
  write("x.json", "[[1, 2, 3], [-1, 0, 0.5]]");
  write("w.json", "[[1, 0], [2, 1], [0, -4]]");
  write("y.json", "[[5, -10], [-1, -2]]");
  for (const char* id : {"exact", "float_chunked"}) {
    const Outcome o = qloom({"apply", std::string(R"({"accumulator": {"plugin": ")") + id + "\"}}",
                             "--input", "x.json", "--weight", "w.json", "--expect", "y.json"});
    EXPECT_EQ(o.status, 0) << id << o.err;
  }
}

}  // namespace
}  // namespace qloom::test
