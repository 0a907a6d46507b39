// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Integer programs of operands that are more than a scale and a zero point: biases at the scale of
// the products, grids with an offset, registers that overflow.
#include <algorithm>

#include "host/program/files.hpp"
#include "tests/support/integer_program.hpp"

namespace qloom::test {
namespace {

namespace fs = std::filesystem;

TEST_F(IntegerProgram, OfBiasesAtTheScaleOfTheProductsAddsIntegers) {
  Json p = pipeline();
  p["rules"].push_back(Json::parse(R"({"site": "bias", "quantizer": {"plugin": "product"}})"));
  run(p);
  expect_equal();
  const program::Program program = program::read(folder_ / "program");
  const auto logits = std::find_if(program.ops.begin(), program.ops.end(),
                                   [](const auto& op) { return op.name == "logits"; });
  ASSERT_NE(logits, program.ops.end());
  ASSERT_EQ(logits->steps.size(), 2U) << "the bias, then the scales of the classes";
  EXPECT_EQ(logits->steps[0].op, steps::Op::kAdd);
  EXPECT_EQ(logits->steps[0].constants.size(), 10U);
  EXPECT_EQ(logits->steps[1].op, steps::Op::kMultiply);
}

TEST_F(IntegerProgram, OfOneScaleForAllClassesAddsTheBiasAlone) {
  run(Json::parse(R"({"rules": [
      {"site": ["weight", "input", "activation"], "quantizer": {"plugin": "affine", "bits": 6}},
      {"site": "bias", "quantizer": {"plugin": "product"}}]})"));
  expect_equal();
  const program::Program program = program::read(folder_ / "program");
  const auto logits = std::find_if(program.ops.begin(), program.ops.end(),
                                   [](const auto& op) { return op.name == "logits"; });
  ASSERT_NE(logits, program.ops.end());
  EXPECT_EQ(logits->steps.size(), 1U);
}

/// Codes from -2^31 to 2^31 - 1 have no other grid than their own, and no list of levels.
TEST_F(IntegerProgram, OfBiasesWithOneScaleForTheWholeOfTheirCodes) {
  Json p = pipeline();
  p["model"]["inline"]["layers"][0]["filters"] = 1;
  p["rules"].push_back(Json::parse(R"({"site": "bias", "quantizer": {"plugin": "product"}})"));
  p["rules"].push_back(Json::parse(
      R"({"site": "bias", "layers": ["d"],
          "quantizer": {"plugin": "fixed_point", "bits": 32, "fraction_bits": 20}})"));
  run(p);
  EXPECT_TRUE(fs::exists(folder_ / "run" / "report.json"));
}

/// One group per channel on one pixel is no dense layer.
TEST_F(IntegerProgram, OfADepthwiseConvolutionOfOnePixel) {
  Json p = pipeline();
  Json& layers = p["model"]["inline"]["layers"];
  layers = Json::parse(R"([
      {"name": "c1", "type": "conv", "filters": 5, "kernel": 28}, {"name": "r1", "type": "relu"},
      {"name": "c2", "type": "conv", "filters": 5, "kernel": 1, "groups": "channels"},
      {"name": "r2", "type": "relu"}, {"name": "d", "type": "dense", "units": "classes"}])");
  run(p);
  expect_equal();
  const program::Program program = program::read(folder_ / "program");
  const auto c2 = std::find_if(program.ops.begin(), program.ops.end(),
                               [](const auto& op) { return op.name == "c2"; });
  ASSERT_NE(c2, program.ops.end());
  EXPECT_EQ(c2->kind, program::Kind::kConv);
  EXPECT_EQ(c2->window.groups, 5);
  ASSERT_EQ(qloom({"export", "program", "--format", "c", "--output", "c"}).status, 0);
}

TEST_F(IntegerProgram, OfGridsWithAnOffsetHasOddCodes) {
  run(Json::parse(R"({"rules": [
      {"site": "weight", "quantizer": {"plugin": "affine", "bits": 1, "symmetric": true}},
      {"site": "input", "quantizer": {"plugin": "affine", "bits": 8}},
      {"site": "activation", "quantizer": {"plugin": "affine", "bits": 1, "symmetric": true,
                                           "signed": true}}]})"));
  expect_equal();
  const program::Program program = program::read(folder_ / "program");
  for (const program::Op& op : program.ops) {
    for (const std::int32_t weight : op.weights) EXPECT_EQ(weight * weight, 1) << op.name;
  }
  EXPECT_NE(program.tensor(program::find_tensor(program, "d.in")).zero_point % 2, 0)
      << "codes of the grid, doubled: 0 lies between two of them";
}

TEST_F(IntegerProgram, ItsSummarySaysWhatStepsCost) {
  run();
  const auto cost_of = [this](const std::string& name) -> Json {
    const Json summary = json("program/compile.json");
    for (const Json& row : summary["layers"]) {
      if (row["name"] == name) return row.value("cost", Json());
    }
    return {};
  };
  const Outcome plain = compile();
  ASSERT_EQ(plain.status, 0) << plain.err;
  EXPECT_NE(plain.out.find("31 thresholds"), std::string::npos) << plain.out;
  EXPECT_EQ(cost_of("c2.in")["thresholds"], 31);
  EXPECT_EQ(cost_of("c1.in")["table_entries"], 256);
  EXPECT_EQ(cost_of("logits")["multiplier_bits"], 31);
  EXPECT_TRUE(cost_of("c1").is_null());
  ASSERT_EQ(qloom({"compile", "run", "--output", "program", "--requantizer",
                   R"({"plugin": "multiplier", "bits": 24})"})
                .status,
            0);
  const Json fitted = cost_of("c2.in");
  EXPECT_LE(fitted["multiplier_bits"], 25) << fitted;
  EXPECT_GT(fitted["product_bits"], fitted["multiplier_bits"]);
  EXPECT_FALSE(fitted.contains("thresholds"));
}

TEST_F(IntegerProgram, OfNarrowRegistersOverflowsAsTheRunDoes) {
  for (const std::string overflow : {"saturate", "wrap"}) {
    Json p = pipeline();
    p["rules"].push_back(
        {{"site", "accumulator.forward"},
         {"layers", {"c2", "d"}},
         {"accumulator", {{"plugin", "integer"}, {"bits", 9}, {"overflow", overflow}}}});
    run(p);
    EXPECT_NE(expect_equal().find("9 " + overflow), std::string::npos);
    const program::Program program = program::read(folder_ / "program");
    for (const program::Op& op : program.ops) {
      if (op.name != "c2" && op.name != "d") continue;
      EXPECT_EQ(op.sum.bits, 9) << op.name;
      EXPECT_EQ(program::name_of(op.sum.overflow), overflow);
      EXPECT_GT(op.sum.needed, 9);
    }
    fs::remove_all(folder_ / "run");
    fs::remove_all(folder_ / "program");
  }
}

TEST_F(IntegerProgram, OfNarrowRegistersInFrontOfARequantizer) {
  Json p = Json::parse(R"({
      "model": {"inline": {"layers": [
        {"name": "c1", "type": "conv", "filters": 4, "kernel": 3, "stride": 4},
        {"name": "n1", "type": "norm"}, {"name": "r1", "type": "relu"},
        {"name": "c2", "type": "conv", "filters": 6, "kernel": 3, "padding": "same"},
        {"name": "n2", "type": "norm"}, {"name": "r2", "type": "relu"},
        {"name": "d", "type": "dense", "units": "classes"}]}},
      "rules": [
        {"site": "weight", "quantizer": {"plugin": "affine", "bits": 8, "symmetric": true}},
        {"site": "input", "quantizer": {"plugin": "affine", "bits": 8}},
        {"site": "bias", "layers": ["c1", "c2"], "quantizer": {"plugin": "product"}},
        {"site": "output", "layers": ["c1", "c2"], "quantizer": {"plugin": "affine", "bits": 8},
         "range": {"plugin": "moving_average_min_max"}, "requantizer": {"plugin": "multiplier"}},
        {"site": "accumulator.forward", "layers": ["c1", "c2"],
         "accumulator": {"plugin": "integer", "bits": 14}}]})");
  for (const char* overflow : {"saturate", "wrap"}) {
    p["rules"][4]["accumulator"]["overflow"] = overflow;
    run(p);
    expect_equal();
    const program::Program program = program::read(folder_ / "program");
    for (const program::Op& op : program.ops) {
      if (op.name != "c1" && op.name != "c2") continue;
      EXPECT_EQ(op.sum.bits, 14) << op.name;
      EXPECT_EQ(program::name_of(op.sum.overflow), overflow);
      EXPECT_GT(op.sum.needed, 14);
    }
    fs::remove_all(folder_ / "run");
    fs::remove_all(folder_ / "program");
  }
}

TEST_F(IntegerProgram, OfARegisterThatHoldsEverySumNeverOverflows) {
  Json p = pipeline();
  p["rules"].push_back(
      {{"site", "accumulator.forward"}, {"accumulator", {{"plugin", "integer"}, {"bits", 24}}}});
  run(p);
  expect_equal();
  for (const program::Op& op : program::read(folder_ / "program").ops) {
    if (!op.weights.empty()) {
      EXPECT_EQ(op.sum.overflow, program::Overflow::kNever);
      EXPECT_EQ(op.sum.bits, 24);
    }
  }
}

TEST_F(IntegerProgram, RefusesAnAccumulatorThatIsNoRegister) {
  Json p = pipeline();
  p["rules"].push_back({{"site", "accumulator.forward"},
                        {"layers", {"c2"}},
                        {"accumulator", {{"plugin", "int_chain"}, {"chain", 4}, {"bits", 8}}}});
  run(p);
  expect_refused("c2: its accumulator is no register that wraps or saturates");
}

}  // namespace
}  // namespace qloom::test
