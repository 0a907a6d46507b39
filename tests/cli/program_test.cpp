// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// From a finished run to its integer program: compile, execute, diff.
#include <algorithm>

#include "host/data/arrays/npy.hpp"
#include "host/program/files.hpp"
#include "tests/support/integer_program.hpp"

namespace qloom::test {
namespace {

TEST_F(IntegerProgram, EqualsItsRunInEveryTensor) {
  run();
  const std::string table = expect_equal();
  EXPECT_NE(table.find("thresholds"), std::string::npos) << table;
  const program::Program program = program::read(folder_ / "program");
  std::vector<std::string> names;
  for (const program::Tensor& tensor : program.tensors) names.push_back(tensor.name);
  EXPECT_EQ(names,
            (std::vector<std::string>{"image", "c1.in", "c1.sum", "c2.in", "c2.sum", "r2.codes",
                                      "p2.codes", "d.in", "d.sum", "logits", "class"}));
  const Json summary = json("program/compile.json");
  EXPECT_EQ(summary["totals"]["products"], 14 * 14 * 4 * 9 + 14 * 14 * 6 * 36 + 294 * 10);
}

TEST_F(IntegerProgram, OfLearnedStepsAndPowersOfTwoEqualsItsRun) {
  run(Json::parse(R"({"rules": [
      {"site": "weight", "quantizer": {"plugin": "lsq", "bits": 3}},
      {"site": "input", "quantizer": {"plugin": "fixed_point", "bits": 8, "fraction_bits": 5}},
      {"site": "activation", "quantizer": {"plugin": "lsq", "bits": 4, "signed": false}}]})"));
  expect_equal();
}

TEST_F(IntegerProgram, OfRuleForLogitsHasNoFloatLeft) {
  run(Json::parse(R"({"rules": [
      {"site": ["weight", "input", "activation"], "quantizer": {"plugin": "affine", "bits": 8}},
      {"site": "logits", "quantizer": {"plugin": "fixed_point", "bits": 12,
                                       "fraction_bits": 6}}]})"));
  EXPECT_NE(expect_equal().find("float remains: none"), std::string::npos);
}

TEST_F(IntegerProgram, NormsOfNegativeScaleAreTurnedRound) {
  run(Json::parse(R"({"stages": [
      {"train": {"epochs": 1, "optimizer": {"type": "sgd", "learning_rate": 0.8}}},
      {"evaluate": {}}]})"));
  expect_equal();
  const program::Program program = program::read(folder_ / "program");
  EXPECT_TRUE(std::any_of(program.ops.begin(), program.ops.end(), [](const program::Op& op) {
    return !op.steps.empty() && op.steps[0].op == steps::Op::kMultiply && op.name != "logits" &&
           std::count(op.steps[0].constants.begin(), op.steps[0].constants.end(), -1) > 0;
  }));
}

TEST_F(IntegerProgram, NamesEverythingThatIsNoInteger) {
  run(Json::parse(R"({"rules": [
      {"site": "weight", "layers": ["c1"], "quantizer": {"plugin": "affine", "bits": 8}},
      {"site": "activation", "layers": ["c2"],
       "quantizer": {"plugin": "affine", "bits": 8, "granularity": "sample"}}]})"));
  expect_refused("c1: reads real values: no rule at site input");
  expect_refused("c2: weights are real: no rule at site weight\n    rule: {\"site\": \"weight\"");
  expect_refused("d: reads real values: no rule at site activation");
}

TEST_F(IntegerProgram, RefusesScalesThatFollowEachTensor) {
  run(Json::parse(R"({"rules": [
      {"site": ["weight", "input"], "quantizer": {"plugin": "affine", "bits": 8}},
      {"site": "activation", "quantizer": {"plugin": "affine", "bits": 8}, "dynamic": true}]})"));
  expect_refused("c2: its input: the scale of \"affine\" follows each tensor");
}

TEST_F(IntegerProgram, RefusesFunctionsThatFallAndRise) {
  Json p = pipeline();
  p["model"]["inline"]["layers"][2]["type"] = "hard_swish";
  run(p);
  expect_refused("c2: its input: its codes do not only rise or only fall with what comes in");
}

TEST_F(IntegerProgram, RefusesMoreThresholdsThanAreMade) {
  run(Json::parse(R"({"rules": [
      {"site": ["weight", "input", "activation"], "quantizer": {"plugin": "affine",
                                                                "bits": 16}}]})"));
  expect_refused("thresholds a channel, at most 4095 are made");
}

TEST_F(IntegerProgram, RefusesLayersThatWorkOnRealValues) {
  Json p = pipeline();
  p["model"]["inline"]["layers"][6]["type"] = "average_pool";
  run(p);
  expect_refused(
      "p2: reads \"r2\", which is real\n    rule: {\"site\": \"output\", \"layers\": [\"r2\"]");
}

TEST_F(IntegerProgram, NamesEachReasonOnceAndThoseBehindTheFirstToo) {
  Json p = pipeline();
  p["model"]["inline"]["layers"][6]["type"] = "average_pool";
  p["model"]["inline"]["layers"].push_back({{"name", "last"}, {"type", "relu"}});
  p["rules"] = Json::parse(R"([
      {"site": ["weight", "input"], "quantizer": {"plugin": "affine", "bits": 8}},
      {"site": "activation", "quantizer": {"plugin": "affine", "bits": 8}, "dynamic": true}])");
  run(p);
  const Outcome o = compile();
  EXPECT_EQ(o.status, 2);
  for (const char* reason : {"3 places", "c2: its input: the scale of",
                             "p2: reads \"r2\", which is real", "d: its input: the scale of"}) {
    EXPECT_NE(o.err.find(reason), std::string::npos) << reason << "\n" << o.err;
  }
}

TEST_F(IntegerProgram, RefusesEvaluationThatRoundsAtRandom) {
  Json p = pipeline();
  for (const char* site : {"weight", "activation"}) {
    p["rules"] = Json::parse(R"([{"site": ["weight", "input", "activation"],
                                  "quantizer": {"plugin": "affine", "bits": 8}}])");
    p["rules"].push_back({{"site", site},
                          {"quantizer", {{"plugin", "affine"}, {"bits", 8}}},
                          {"rounding", {{"plugin", "stochastic"}}}});
    run(p);
    expect_refused(site == std::string("weight") ? "differ from step to step of evaluation"
                                                 : "rounds at random in evaluation");
  }
}

TEST_F(IntegerProgram, FunctionsMayStandBehindAPoolAndLayersMayHaveAnyName) {
  Json p = pipeline();
  Json& layers = p["model"]["inline"]["layers"];
  layers[5] = {{"name", "r2"}, {"type", "max_pool"}, {"kernel", 2}};
  layers[6] = {{"name", "p2"}, {"type", "tanh"}};
  layers[0]["name"] = "logits";
  layers[8]["name"] = "class";
  run(p);
  expect_equal();
}

TEST_F(IntegerProgram, OfImagesThatAreNoBytesBeginsAtTheirCodes) {
  std::vector<float> images;
  std::vector<std::int64_t> labels;
  for (int i = 0; i < 64 * 4; ++i) images.push_back(0.01F * static_cast<float>(i * 37 % 200 - 100));
  for (int i = 0; i < 64; ++i) labels.push_back(i % 2);
  data::write_npz(folder_ / "d.npz", {{"images", {{64, 4}, images}}, {"labels", {{64}, labels}}});
  run(Json::parse(R"({"data": {"dataset": "numpy", "train_file": "d.npz", "test_file": "d.npz",
                               "train_limit": null, "test_limit": null},
      "model": {"inline": {"layers": [{"name": "c1", "type": "dense", "units": 5},
          {"name": "r", "type": "relu"}, {"name": "c2", "type": "dense", "units": "classes"}]}}})"));
  expect_equal();
  const program::Program program = program::read(folder_ / "program");
  EXPECT_EQ(program.tensor(program.input).name, "c1.in");
  images[3] += 1.0F;
  data::write_npz(folder_ / "d.npz", {{"images", {{64, 4}, images}}, {"labels", {{64}, labels}}});
  const Outcome changed = qloom({"compile", "run", "--output", "program"});
  EXPECT_EQ(changed.status, 2);
  EXPECT_NE(changed.err.find("the data files are others"), std::string::npos) << changed.err;
}

TEST_F(IntegerProgram, DiffNamesTheFirstTensorThatDiffers) {
  run();
  ASSERT_EQ(compile().status, 0);
  program::Program program = program::read(folder_ / "program");
  const auto conv = std::find_if(program.ops.begin(), program.ops.end(),
                                 [](const program::Op& op) { return op.name == "c2"; });
  conv->weights[0] = conv->weights[0] == 0 ? 1 : 0;
  program::write(program, folder_ / "other");
  const Outcome o = qloom({"diff", "run", "other", "--input", "test:0..63"});
  EXPECT_EQ(o.status, 1);
  EXPECT_NE(o.out.find("c2.in     0 of 50176 differ\n"), std::string::npos) << o.out;
  EXPECT_NE(o.out.find("differ   <- first difference\n  sample 0, row"), std::string::npos)
      << o.out;
  EXPECT_NE(o.out.find("made by \"c2\" (conv)"), std::string::npos) << o.out;
}

TEST_F(IntegerProgram, ExecutesWhatItIsGivenAndLeavesATrace) {
  run();
  ASSERT_EQ(compile().status, 0);
  data::Array images{{2, 28, 28, 1}, std::vector<std::uint8_t>(2 * 28 * 28, 7)};
  const data::Bytes bytes = data::npy_bytes(images);
  write("x.npy", std::string(bytes.begin(), bytes.end()));
  const Outcome o =
      qloom({"execute", "program", "--input", "x.npy", "--output", "y.npz", "--trace", "t.npz"});
  ASSERT_EQ(o.status, 0) << o.err;
  const data::Arrays outputs = data::read_npz(folder_ / "y.npz");
  EXPECT_EQ(outputs.at("class").shape, (Shape{2, 1, 1, 1}));
  EXPECT_EQ(outputs.at("logits").shape, (Shape{2, 1, 1, 10}));
  for (const std::vector<std::string>& loops : {std::vector<std::string>{"--reference"}, {}}) {
    std::vector<std::string> words{"execute", "program", "--input", "x.npy", "--output", "z.npz"};
    words.insert(words.end(), loops.begin(), loops.end());
    ASSERT_EQ(qloom(words).status, 0);
    for (const auto& [name, array] : data::read_npz(folder_ / "z.npz")) {
      EXPECT_EQ(array.values, outputs.at(name).values) << name;
    }
  }
  EXPECT_EQ(qloom({"diff", "program", "t.npz", "--reference"}).status, 0);
  EXPECT_EQ(qloom({"diff", "program", "t.npz"}).status, 0);
  EXPECT_EQ(qloom({"diff", "program", "t.npz", "--input", "x.npy"}).status, 2);
  data::Arrays none = data::read_npz(folder_ / "t.npz");
  for (auto& [name, array] : none) {
    array.shape[0] = 0;
    array.values = std::vector<std::int64_t>();
  }
  data::write_npz(folder_ / "none.npz", none);
  const Outcome empty = qloom({"diff", "program", "none.npz"});
  EXPECT_EQ(empty.status, 2);
  EXPECT_NE(empty.err.find("0 samples, expected at least one"), std::string::npos) << empty.err;
  images.shape = {2, 1, 28, 28};  // axes of 1 may stand anywhere
  const data::Bytes moved = data::npy_bytes(images);
  write("x.npy", std::string(moved.begin(), moved.end()));
  EXPECT_EQ(qloom({"execute", "program", "--input", "x.npy", "--output", "y.npz"}).status, 0);
  images.shape = {2, 14, 56, 1};
  const data::Bytes other = data::npy_bytes(images);
  write("x.npy", std::string(other.begin(), other.end()));
  EXPECT_EQ(qloom({"execute", "program", "--input", "x.npy", "--output", "y.npz"}).status, 2);
}

TEST_F(IntegerProgram, WrongInputIsRefused) {
  run();
  ASSERT_EQ(compile().status, 0);
  const auto refused = [this](const std::vector<std::string>& args, const std::string& message) {
    const Outcome o = qloom(args);
    EXPECT_EQ(o.status, 2) << message;
    EXPECT_NE(o.err.find(message), std::string::npos) << o.err;
  };
  refused({"diff", "run", "program", "--input", "test:0..150"}, "within test:0..149");
  refused({"diff", "run", "program", "--input", "test:3..9"}, "multiple of the batch size 64");
  refused({"diff", "run", "program", "--input", "x.npy"},
          "\"x.npy\": a .npy file is for two programs; beside a run expected test:FIRST..LAST");
  refused({"diff", "run", "p.json"}, "expected the folder of a program");
  refused({"diff", "program", "program"}, "--input is missing");
  refused({"compile", "nowhere", "--output", "o"}, "nowhere/report.json: no such file");
  refused({"compile", "run", "--output", "run"}, "run is the folder of a run");
  EXPECT_FALSE(fs::exists(folder_ / "o"));
  refused({"diff", "program", "program", "--input", "x.npy", "--pipeline", "nowhere"},
          "--pipeline: expected none where neither side is a run");
  for (const char* format : {"c", "verilog"}) {
    refused({"export", "program", "--format", format, "--output", "program"},
            "program is the folder of a program (program.json)");
  }
  refused({"run", "p.json", "--output", "program"}, "program is the folder of a program");
  refused({"execute", "run", "--input", "x.npy", "--output", "y.npy"}, "program.json");
  EXPECT_FALSE(fs::exists(folder_ / "o" / "program.json"));
  refused({"compile", "run", "--output", "o", "--requantizer", "{"}, "--requantizer");
  refused({"compile", "run", "--output", "o", "--requantizer",
           R"({"plugin": "multiplier", "bits": 40})"},
          "expected {\"plugin\": \"multiplier\"");
  fs::remove(folder_ / "p.json");
  refused({"compile", "run", "--output", "o"}, "name the run's pipeline with --pipeline");
}

}  // namespace
}  // namespace qloom::test
