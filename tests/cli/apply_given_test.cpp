// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// qloom apply with values that are given or come from another array, against results by hand.
#include "tests/support/program.hpp"

namespace qloom::test {
namespace {

constexpr const char* kAffine = R"({"quantizer": {"plugin": "affine"}})";
constexpr const char* kLsq = R"({"quantizer": {"plugin": "lsq", "bits": 4}})";

class ApplyGiven : public Program {
 protected:
  /// Status 2 and this in the message.
  void expect_refusal(const std::string& rule, const std::vector<std::string>& more,
                      const std::string& part) const {
    std::vector<std::string> arguments{"apply", rule, "--input", "x.npy", "--output", "y.npy"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome o = qloom(arguments);
    EXPECT_EQ(o.status, 2) << o.err;
    EXPECT_NE(o.err.find(part), std::string::npos) << part << "\n" << o.err;
  }
};

TEST_F(ApplyGiven, ARangeIsKeptWhateverTheValuesAre) {
  // [-64, 63.5] has 255 steps of 0.5; 100 saturates, 0.25 is a tie that goes to the even code 128.
  write_array("x.npy", {1.0F, -1.0F, 100.0F, 0.25F});
  write_array("gy.npy", {1.0F, 2.0F, 3.0F, 4.0F});
  apply(kAffine, {"--given", R"({"range": {"lo": -64, "hi": 63.5}})", "--codes", "c.npy",
                  "--grad-output", "gy.npy", "--grad-input", "gx.npy"});
  EXPECT_EQ(array("y.npy"), (std::vector<float>{1.0F, -1.0F, 63.5F, 0.0F}));
  EXPECT_EQ(codes("c.npy"), (std::vector<std::int32_t>{130, 126, 255, 128}));
  EXPECT_EQ(array("gx.npy"), (std::vector<float>{1.0F, 2.0F, 0.0F, 4.0F}));
}

TEST_F(ApplyGiven, ARangeMayDifferFromChannelToChannel) {
  write_array("x.npy", {2, 2}, {1.0F, 1.0F, 3.0F, 3.0F});
  apply(R"({"quantizer": {"plugin": "affine", "bits": 2, "granularity": "channel"}})",
        {"--given", R"({"range": {"lo": 0, "hi": [3, 1.5]}})"});
  EXPECT_EQ(array("y.npy"), (std::vector<float>{1.0F, 1.0F, 3.0F, 1.5F}));
}

TEST_F(ApplyGiven, AScaleAndAZeroPointAreTheGrid) {
  write_array("x.npy", {1.0F, -1.0F, 100.0F, 0.25F});
  apply(kAffine, {"--given", R"({"scale": 0.25, "zero_point": 3})", "--codes", "c.npy",
                  "--encoding", "e.json"});
  EXPECT_EQ(codes("c.npy"), (std::vector<std::int32_t>{7, 0, 255, 4}));
  EXPECT_EQ(array("y.npy"), (std::vector<float>{1.0F, -0.75F, 63.0F, 0.25F}));
  EXPECT_EQ(json("e.json")["scale"], Json::parse("[0.25]"));
  EXPECT_EQ(json("e.json")["zero_point"], Json::parse("[3]"));
}

TEST_F(ApplyGiven, ABiasTakesTheScalesOfItsProducts) {
  constexpr const char* kProduct = R"({"quantizer": {"plugin": "product"}})";
  write_array("x.npy", {1.26F, -0.375F});
  apply(kProduct, {"--given", R"({"product_scales": [0.5, 0.25]})", "--codes", "c.npy",
                   "--encoding", "e.json"});
  EXPECT_EQ(array("y.npy"), (std::vector<float>{1.5F, -0.5F}));
  EXPECT_EQ(codes("c.npy"), (std::vector<std::int32_t>{3, -2}));
  EXPECT_EQ(json("e.json")["granularity"], "channel");
  EXPECT_EQ(json("e.json")["bits"], 32);
  expect_refusal(kProduct, {}, "product_scales");
  expect_refusal(kProduct, {"--given", R"({"product_scales": 0})"}, "numbers above 0");
  expect_refusal(kAffine, {"--given", R"({"product_scales": 1})"}, "product_scales");
}

TEST_F(ApplyGiven, LearnedValuesAreThoseOfTheQuantizer) {
  write_array("x.npy", {1.0F, -1.1F, 100.0F, 0.25F});
  apply(kLsq, {"--given", R"({"step": 0.5})"});  // codes -8 .. 7
  EXPECT_EQ(array("y.npy"), (std::vector<float>{1.0F, -1.0F, 3.5F, 0.0F}));
}

TEST_F(ApplyGiven, ANormTakesGammaAndBeta) {
  // Channel 0: 1, 3; channel 1: 10, 30: normalised -1, 1.
  write_array("x.npy", {2, 2}, {1.0F, 10.0F, 3.0F, 30.0F});
  apply(R"({"norm": {"plugin": "batch_norm", "eps": 0}})",
        {"--given", R"({"gamma": 2, "beta": [0, 5]})"});
  EXPECT_EQ(array("y.npy"), (std::vector<float>{-2.0F, 3.0F, 2.0F, 7.0F}));
}

TEST_F(ApplyGiven, AnotherArrayCalibratesAndIsKept) {
  write_array("x.npy", {1.0F, -1.0F, 100.0F, 0.3F});
  write_array("c.npy", {-64.0F, 63.5F});
  apply(kAffine, {"--calibrate", "c.npy"});
  EXPECT_EQ(array("y.npy"), (std::vector<float>{1.0F, -1.0F, 63.5F, 0.5F}));
  // LSQ's first step: 2 mean|x| / sqrt(7), of the calibration array alone: 4 / sqrt(7)
  write_array("c.npy", {2.0F, -2.0F});
  apply(kLsq, {"--calibrate", "c.npy"});
  EXPECT_NEAR(array("y.npy")[0], 1.5118579F, 1e-6);
  EXPECT_NEAR(array("y.npy")[2], 7 * 1.5118579F, 1e-5);
}

TEST_F(ApplyGiven, WrongOnesAreRefusedWithTheirPlace) {
  write_array("x.npy", {1.0F, -1.0F});
  const auto refused = [&](const char* rule, const char* given, const char* part) {
    expect_refusal(rule, {"--given", given}, part);
  };
  refused(kLsq, R"({"stap": 1})",
          "GIVEN: /stap: nothing of this name can be given, did you mean \"step\"");
  refused(kAffine, R"({"range": {"lo": 3, "hi": 1}})",
          "GIVEN: /range: {\"hi\":1,\"lo\":3}, expected lo");
  refused(kAffine, R"({"range": {"lo": 3}})", "/range/hi: missing, expected a number");
  refused(kAffine, R"({"range": {"lo": 3, "high": 4}})", "did you mean \"hi\"");
  refused(kAffine, R"({"range": {"lo": 0, "hi": [1, 2]}})", "/range/hi: [1,2], expected a number");
  refused(kAffine, R"({"scale": 0})", "/scale: 0, expected numbers from 2^-126");
  refused(kAffine, R"({"zero_point": 300})", "/zero_point: 300, expected a code");
  refused(R"({"quantizer": {"plugin": "affine", "overflow": "wrap"}})", R"({"scale": 1})",
          "/scale: 1, expected a quantizer whose codes");
  refused(R"({"quantizer": {"plugin": "fixed_point", "bits": 8, "fraction_bits": 2}})",
          R"({"range": {"lo": 0, "hi": 1}})", "takes no range");
  refused(R"({"rounding": {"plugin": "nearest_even"}})", R"({"scale": 1})", "/scale");
  refused(kAffine, "{", "GIVEN: parse error");
  write_array("c.npy", {2.0F, -2.0F});
  expect_refusal(R"({"quantizer": {"plugin": "fixed_point", "bits": 8, "fraction_bits": 2}})",
                 {"--calibrate", "c.npy"}, "keeps nothing of earlier data");
  expect_refusal(R"({"norm": {"plugin": "batch_norm"}})", {"--calibrate", "c.npy"},
                 "only quantizers are calibrated");
}

constexpr const char* kMultiplier = R"({"requantizer": {"plugin": "multiplier"}})";

TEST_F(ApplyGiven, ARequantizerTakesFactorOffsetAndCodes) {
  // 0.25 v + 0.5 + 3 at 2, 6, -2 and far outside; ties go to the even code
  write_array("x.npy", {4, 1}, {2.0F, 6.0F, -2.0F, 4000.0F});
  apply(kMultiplier,
        {"--given", R"({"factor": 0.25, "offset": 0.5, "zero_point": 3})", "--codes", "c.npy"});
  EXPECT_EQ(array("y.npy"), (std::vector<float>{4.0F, 5.0F, 3.0F, 127.0F}));
  EXPECT_EQ(codes("c.npy"), (std::vector<std::int32_t>{4, 5, 3, 127}));
  apply(R"({"requantizer": {"plugin": "multiplier"}, "rounding": {"plugin": "toward_negative"}})",
        {"--given", R"({"factor": [-0.25, 0.25, 0.5, 1], "code_min": 0, "code_max": 99})",
         "--channel-axis", "0"});
  EXPECT_EQ(array("y.npy"), (std::vector<float>{0.0F, 1.0F, 0.0F, 99.0F}));
}

TEST_F(ApplyGiven, ARequantizerRefusesWhatIsNoSumAndWhatItCannotDo) {
  write_array("x.npy", {2.0F, 0.5F});
  expect_refusal(kMultiplier, {"--given", R"({"factor": 0.25})"},
                 "element [1] is 0.5, but a requantizer takes integer sums");
  write_array("x.npy", {2.0F, 5.0F});
  expect_refusal(kMultiplier, {}, "/factor: missing, expected a number");
  expect_refusal(kMultiplier, {"--given", R"({"factor": 1, "code_min": 9, "code_max": 8})"},
                 "/code_min: 9, expected at most code_max, 8");
  expect_refusal(kMultiplier, {"--given", R"({"factor": 1, "zero_point": 0.5})"},
                 "/zero_point: 0.5, expected an integer of 32 bits");
  expect_refusal(kMultiplier, {"--given", R"({"factor": 1, "scale": 0.5})"}, "/scale");
  expect_refusal(R"({"requantizer": {"plugin": "shift"}})", {"--given", R"({"factor": 0.3})"},
                 "is no power of two");
  expect_refusal(R"({"requantizer": {"plugin": "shift"}, "rounding": {"plugin": "stochastic"}})",
                 {"--given", R"({"factor": 0.5})"}, "integer steps round by a fixed rule");
  expect_refusal(R"({"quantizer": {"plugin": "affine"}, "requantizer": {"plugin": "shift"}})", {},
                 "expected two rules");
}

}  // namespace
}  // namespace qloom::test
