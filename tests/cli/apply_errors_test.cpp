// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Wrong input of qloom apply: exit status 2, a message that says what and where, nothing written.
#include <algorithm>
#include <limits>

#include "tests/support/program.hpp"

namespace qloom::test {
namespace {

constexpr const char* kRound = R"({"rounding": {"plugin": "nearest_even"}})";

class ApplyRefuses : public Program {
 protected:
  void SetUp() override {
    Program::SetUp();
    write_array("x.npy", {2, 3}, {1.0F, 2.0F, 3.0F, 4.0F, 5.0F, 6.0F});
  }
  /// Runs apply on x.npy, expects status 2, all parts in the message, and no new file.
  void expect_refusal(const std::string& rule, std::vector<std::string> more,
                      const std::vector<std::string>& parts) const {
    std::vector<std::string> arguments{"apply", rule};
    const auto has = [&more](const char* option) {
      return std::find(more.begin(), more.end(), option) != more.end();
    };
    if (!has("--input")) arguments.insert(arguments.end(), {"--input", "x.npy"});
    if (!has("--output")) arguments.insert(arguments.end(), {"--output", "y.npy"});
    arguments.insert(arguments.end(), more.begin(), more.end());
    const std::vector<std::string> before = files();
    const Outcome o = qloom(arguments);
    EXPECT_EQ(o.status, 2) << o.err;
    EXPECT_EQ(o.out, "");
    EXPECT_EQ(o.err.find("qloom: "), 0U) << o.err;
    for (const auto& part : parts)
      EXPECT_NE(o.err.find(part), std::string::npos) << part << "\n" << o.err;
    EXPECT_EQ(files(), before);
  }
};

TEST_F(ApplyRefuses, ARuleWithAnUnknownPlugin) {
  expect_refusal(R"({"quantizer": {"plugin": "afine"}})", {},
                 {"RULE: /quantizer/plugin", "\"afine\"", "\"affine\""});
}

TEST_F(ApplyRefuses, ARuleWithAnUnknownParameter) {
  expect_refusal(R"({"quantizer": {"plugin": "affine", "bist": 4}})", {},
                 {"RULE: /quantizer/bist: unknown key \"bist\", did you mean \"bits\"?"});
}

TEST_F(ApplyRefuses, AParameterOutOfRange) {
  expect_refusal(R"({"quantizer": {"plugin": "affine", "bits": 33}})", {},
                 {"RULE: /quantizer/bits: 33 is above the maximum 32"});
}

TEST_F(ApplyRefuses, ARuleThatIsNotJson) {
  expect_refusal("{\"quantizer\"}", {}, {"RULE: parse error at line 1", "expected JSON"});
  expect_refusal("no_such_rule.json", {}, {"no_such_rule.json"});
}

TEST_F(ApplyRefuses, AnAccumulator) {
  expect_refusal(R"({"accumulator": {"plugin": "exact"}})", {},
                 {"RULE: /accumulator: an accumulator adds up the products of a contraction",
                  "expected --weight"});
  expect_refusal(R"({"accumulator": {"plugin": "exact"}})", {"--weight", "x.npy"},
                 {"--input of (2, 3) and --weight of (2, 3), expected (m, k) and (k, n)"});
  expect_refusal(kRound, {"--weight", "x.npy"}, {"--weight: only accumulators multiply"});
}

TEST_F(ApplyRefuses, RealValuesForAnIntegerAccumulator) {
  constexpr const char* kInteger = R"({"accumulator": {"plugin": "integer", "bits": 16}})";
  write("codes.json", "[[1, -2], [0, 3], [4, 5]]");
  write("halves.json", "[[0.5, 0.5, 0.5]]");
  write("ones.json", "[[1], [1], [1]]");
  expect_refusal(kInteger, {"--input", "halves.json", "--weight", "ones.json"},
                 {"--input: element [0, 0] is 0.5, but \"integer\" adds integer codes",
                  "whole numbers from -4194304 to 4194304"});
  write("third.json", "[[1], [0], [2.25]]");
  expect_refusal(kInteger, {"--weight", "third.json"}, {"--weight: element [2, 0] is 2.25"});
  write("large.json", "[[1, 0, -4194305]]");
  expect_refusal(kInteger, {"--input", "large.json", "--weight", "ones.json"},
                 {"--input: element [0, 2] is -4194305"});
  EXPECT_EQ(qloom({"apply", kInteger, "--input", "x.npy", "--weight", "codes.json", "--expect",
                   "codes.json"})
                .status,
            2);  // another shape: the codes themselves are taken
  write("y.json", "[[13, 19], [28, 37]]");
  const Outcome o = qloom(
      {"apply", kInteger, "--input", "x.npy", "--weight", "codes.json", "--expect", "y.json"});
  EXPECT_EQ(o.status, 0) << o.err;
}

TEST_F(ApplyRefuses, TextThatIsNoArray) {
  const auto expect_text_refusal = [&](const std::string& text, const std::string& part) {
    write("x.json", text);
    expect_refusal(kRound, {"--input", "x.json"}, {"x.json: ", part});
  };
  expect_text_refusal("[1, 2", "parse error");
  expect_text_refusal("[[1, 2], [3]]", "/1: 1 elements, expected 2 as before");
  expect_text_refusal("[[1, 2], 3]", "/1: 3 is not an array");
  expect_text_refusal("[1, [2]]", "/1: [2] is not a number");
  expect_text_refusal(R"([1, "2"])", "/1: \"2\" is not a number");
  expect_text_refusal(R"({"x": 1})", "is not a number");
  expect_text_refusal("[1e60]", "/0: 1e+60 is larger than 3.4028235e+38, the largest float32");
}

TEST_F(ApplyRefuses, NothingToDoWithTheResult) {
  const Outcome o = qloom({"apply", kRound, "--input", "x.npy"});
  EXPECT_EQ(o.status, 2) << o.err;
  EXPECT_NE(o.err.find("expected --output, a file for the result, or --expect"), std::string::npos)
      << o.err;
}

TEST_F(ApplyRefuses, NoQuantizer) {
  expect_refusal(R"({"quantizer": null})", {}, {"RULE: /quantizer: null does nothing to an array"});
}

TEST_F(ApplyRefuses, AnInputThatIsMissingTruncatedOrOfAnotherType) {
  expect_refusal(kRound, {"--input", "gone.npy"}, {"gone.npy"});
  write("short.npy", "\x93NUMPY");
  expect_refusal(kRound, {"--input", "short.npy"}, {"short.npy"});
  write("text.npy", "hello, this is no array at all");
  expect_refusal(kRound, {"--input", "text.npy"}, {"text.npy"});
}

TEST_F(ApplyRefuses, NaNAndInfinityWithTheirIndex) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  write_array("nan.npy", {2, 3}, {1.0F, 2.0F, 3.0F, 4.0F, nan, 6.0F});
  expect_refusal(kRound, {"--input", "nan.npy"},
                 {"nan.npy: element [1, 1] is nan; expected finite values"});
  write_array("inf.npy", {2, 3}, {1.0F, 2.0F, -infinity, 4.0F, 5.0F, 6.0F});
  expect_refusal(kRound, {"--input", "inf.npy"},
                 {"inf.npy: element [0, 2] is -inf; expected finite values"});
  expect_refusal(kRound, {"--grad-output", "nan.npy", "--grad-input", "gx.npy"},
                 {"nan.npy: element [1, 1] is nan"});
}

TEST_F(ApplyRefuses, AGradientOfAnotherShape) {
  write_array("gy.npy", {3, 2}, {1.0F, 2.0F, 3.0F, 4.0F, 5.0F, 6.0F});
  expect_refusal(kRound, {"--grad-output", "gy.npy", "--grad-input", "gx.npy"},
                 {"gy.npy: shape (3, 2) differs from (2, 3) of x.npy"});
}

TEST_F(ApplyRefuses, HalfOfWhatAGradientNeeds) {
  expect_refusal(kRound, {"--grad-input", "gx.npy"}, {"--grad-input: expected --grad-output"});
  expect_refusal(kRound, {"--learned-gradients", "g.json"},
                 {"--learned-gradients: expected --grad-output"});
  expect_refusal(kRound, {"--grad-output", "x.npy"},
                 {"--grad-output: expected --grad-input or --learned-gradients"});
}

TEST_F(ApplyRefuses, AnOutputThatCannotBeWritten) {
  expect_refusal(kRound, {"--output", "no/such/y.npy"},
                 {"--output: \"no/such/y.npy\": the folder \"no/such\" does not exist"});
  expect_refusal(kRound, {"--output", "."}, {"--output: \".\" is a folder"});
  expect_refusal(kRound, {"--codes", "gone/c.npy"}, {"--codes: ", "does not exist"});
  expect_refusal(kRound, {"--output", "/proc/y.npy"}, {"/proc"});
}

TEST_F(ApplyRefuses, TwoOutputsInOneFile) {
  expect_refusal(kRound, {"--codes", "./y.npy"},
                 {"--output and --codes: both name \"./y.npy\"; expected two files"});
}

TEST_F(ApplyRefuses, AChannelAxisThatTheArrayDoesNotHave) {
  expect_refusal(R"({"norm": {"plugin": "batch_norm"}})", {"--channel-axis", "2"},
                 {"--channel-axis: an array of rank 2 has no axis 2"});
  expect_refusal(R"({"norm": {"plugin": "batch_norm"}})", {"--channel-axis", "-3"},
                 {"--channel-axis: an array of rank 2 has no axis -3"});
  expect_refusal(R"({"quantizer": {"plugin": "affine", "granularity": "channel"}})",
                 {"--channel-axis", "2"}, {"rank 2", "2"});
}

TEST_F(ApplyRefuses, WhatAMethodDoesNotHave) {
  expect_refusal(R"({"norm": {"plugin": "batch_norm"}})", {"--codes", "c.npy"},
                 {"--codes: a norm has no integer codes"});
  expect_refusal(R"({"norm": {"plugin": "batch_norm"}})", {"--encoding", "e.json"},
                 {"--encoding: a norm has no encoding"});
  expect_refusal(kRound, {"--mode", "frozen"}, {"--mode frozen: only norms know it"});
  expect_refusal(R"({"norm": {"plugin": "const_scale", "divisor": "wage"}})", {}, {"const_scale"});
  write_array("large.npy", {1.0F, 3e9F});
  expect_refusal(kRound, {"--input", "large.npy", "--codes", "c.npy"},
                 {"--codes: element 1 rounds to 3", "no 32-bit integer"});
}

TEST_F(ApplyRefuses, OptionsThatAreNoneOfIts) {
  expect_refusal(kRound, {"--outptu", "z.npy"},
                 {"unknown option \"--outptu\", did you mean \"--output\"?", "qloom apply --help"});
  expect_refusal(kRound, {"--mode", "training2"}, {"--mode"});
  expect_refusal(kRound, {"--seed", "-1"}, {"--seed"});
  expect_refusal(kRound, {"--step", "many"}, {"--step"});
}

}  // namespace
}  // namespace qloom::test
