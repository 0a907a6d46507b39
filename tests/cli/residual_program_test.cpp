// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Integer programs of networks whose branches meet: sites "output", joins, pools, requantizers.
#include <cstdlib>

#include "host/program/files.hpp"
#include "tests/support/program.hpp"

namespace qloom::test {
namespace {

class ResidualProgram : public Program {
 protected:
  static Json pipeline() {
    return Json::parse(R"({"name": "residual",
        "data": {"dataset": "fashion-mnist", "batch_size": 64, "train_limit": 640,
                 "test_limit": 150},
        "model": {"inline": {"layers": [
          {"name": "c0", "type": "conv", "filters": 4, "kernel": 3, "stride": 2, "padding": "same"},
          {"name": "n0", "type": "norm"}, {"name": "r0", "type": "relu"},
          {"name": "c1", "type": "conv", "filters": 4, "kernel": 3, "padding": "same"},
          {"name": "n1", "type": "norm"}, {"name": "r1", "type": "relu6"},
          {"name": "c2", "type": "conv", "filters": 4, "kernel": 3, "padding": "same",
           "bias": false},
          {"name": "n2", "type": "norm"},
          {"name": "a", "type": "add", "input": ["n2", "r0"]}, {"name": "ra", "type": "relu"},
          {"name": "m", "type": "max_pool", "kernel": 2},
          {"name": "p", "type": "global_average_pool"},
          {"name": "d", "type": "dense", "units": "classes"}]}},
        "rules": [
          {"site": "weight", "quantizer": {"plugin": "affine", "bits": 8, "symmetric": true,
                                           "granularity": "channel"}},
          {"site": "input", "quantizer": {"plugin": "affine", "bits": 8}},
          {"site": "output", "layers": ["c0", "c1", "c2", "a", "p"],
           "quantizer": {"plugin": "affine", "bits": 8},
           "range": {"plugin": "moving_average_min_max"},
           "requantizer": {"plugin": "multiplier", "preset": "tflite_reference"}}],
        "stages": [{"train": {"epochs": 1}}, {"evaluate": {}}]})");
  }
  void run(const Json& p) {
    write("p.json", p.dump());
    const Outcome o = qloom({"run", "p.json", "--output", "run"});
    ASSERT_EQ(o.status, 0) << o.err;
  }
  /// Compiles what was run; program and run are equal in every tensor on all test samples.
  Json expect_program() {
    const Outcome o = qloom({"compile", "run", "--output", "program"});
    EXPECT_EQ(o.status, 0) << o.err;
    const Outcome diff = qloom({"diff", "run", "program"});
    EXPECT_EQ(diff.status, 0) << diff.out << diff.err;
    EXPECT_NE(diff.out.find(" 0 of "), std::string::npos) << diff.out;
    return json("program/compile.json");
  }
  void expect_no_program(const std::vector<std::string>& reasons) {
    const Outcome o = qloom({"compile", "run", "--output", "program"});
    EXPECT_EQ(o.status, 2);
    for (const std::string& reason : reasons) {
      EXPECT_NE(o.err.find(reason), std::string::npos) << reason << "\n" << o.err;
    }
  }
  static std::string requantizer_of(const Json& summary, const std::string& name) {
    for (const Json& row : summary["layers"]) {
      if (row["name"] == name) return row.value("requantizer", "") + ", " + row.value("exact", "");
    }
    return "no such row";
  }
  /// The program as C computes every tensor of it, this one too.
  void expect_same_in_c(const std::string& tensor) {
    ASSERT_EQ(qloom({"export", "program", "--format", "c", "--output", "c"}).status, 0);
    std::string images;
    for (int i = 0; i < 4 * 28 * 28; ++i) images += static_cast<char>(i * i % 251 + i % 5);
    write("c/samples", images);
    const std::string command = "cd '" + (folder_ / "c").string() +
                                "' && cc -std=c99 -O1 -DMODEL_TRACE model.c model_main.c -o traced "
                                "&& ./traced trace.bin <samples >outputs";
    ASSERT_EQ(std::system(command.c_str()), 0);
    const Outcome diff = qloom({"diff", "program", "c/trace.bin"});
    EXPECT_EQ(diff.status, 0) << diff.out << diff.err;
    EXPECT_NE(diff.out.find(tensor), std::string::npos) << diff.out;
  }
  [[nodiscard]] program::Kind kind_of(const std::string& tensor) const {
    const program::Program program = program::read(folder_ / "program");
    for (const program::Op& op : program.ops) {
      if (program.tensor(op.output).name == tensor) return op.kind;
    }
    return program::Kind::kArgmax;
  }
};

TEST_F(ResidualProgram, HasTheRequantizersOfTheSimulation) {
  for (const char* preset : {"tflite_reference", "dory"}) {
    Json p = pipeline();
    p["rules"][2]["requantizer"]["preset"] = preset;
    run(p);
    const Json summary = expect_program();
    for (const char* name : {"r0", "r1", "n2", "ra"}) {
      EXPECT_EQ(requantizer_of(summary, name), "multiplier, simulated") << name;
    }
    EXPECT_EQ(kind_of("ra"), program::Kind::kJoin);
    EXPECT_EQ(kind_of("m"), program::Kind::kMaxPool);
    EXPECT_EQ(kind_of("p.sum"), program::Kind::kSumPool);
    using Environment = std::map<std::string, std::string>;
    for (const Environment& other : {Environment{{"QLOOM_ISA", "scalar"}, {"OMP_NUM_THREADS", "1"}},
                                     Environment{{"OMP_NUM_THREADS", "2"}}}) {
      const Outcome diff = qloom({"diff", "run", "program"}, other);
      EXPECT_EQ(diff.status, 0) << "threads and instruction sets: " << diff.out << diff.err;
    }
  }
}

TEST_F(ResidualProgram, IsTheSameInC) {
  run(pipeline());
  expect_program();
  expect_same_in_c("p.sum");
}

TEST_F(ResidualProgram, RefusedByABatchIsStatus2UntilACheckpointIsThere) {
  Json p = pipeline();
  p["rules"][2]["quantizer"] = {{"plugin", "lsq_plus"}, {"bits", 8}};
  p["rules"][2].erase("range");
  p["stages"] = Json::array({{{"train", {{"epochs", 2}}}}});
  for (const int epoch : {0, 1}) {
    p["rules"][2]["from"] = {{"epoch", epoch}};
    write("p.json", p.dump());
    const Outcome o = qloom({"run", "p.json", "--output", "run", "--checkpoint-every", "10"});
    EXPECT_EQ(o.status, epoch == 0 ? 2 : 1) << o.err;
    EXPECT_NE(o.err.find("equally spaced"), std::string::npos) << o.err;
    EXPECT_EQ(exists(folder_ / "run" / "checkpoint.npz"), epoch == 1);
  }
}

/// A mean that pads over codes of two scales, and a concat whose rule names a requantizer.
TEST_F(ResidualProgram, OfBranchesSideBySideIsTheSameInC) {
  Json p = pipeline();
  Json layers = Json::array({p["model"]["inline"]["layers"][0], p["model"]["inline"]["layers"][3]});
  for (const char* more :
       {R"({"name": "s", "type": "concat", "input": ["c0", "c1"]})",
        R"({"name": "m", "type": "average_pool", "kernel": 3, "stride": 2, "padding": "same"})",
        R"({"name": "q", "type": "max_pool", "kernel": 2, "stride": 2, "input": "c1"})",
        R"({"name": "t", "type": "concat", "input": ["m", "q"]})",
        R"({"name": "d", "type": "dense", "units": "classes"})"}) {
    layers.push_back(Json::parse(more));
  }
  p["model"]["inline"]["layers"] = layers;
  p["rules"][2]["layers"] = {"c0", "c1", "m", "t"};
  p["rules"].push_back(Json::parse(R"({"site": "output", "layers": ["c1"],
      "quantizer": {"plugin": "fixed_point", "bits": 6, "fraction_bits": 2}})"));
  run(p);
  const Json summary = expect_program();
  EXPECT_EQ(kind_of("m.windows"), program::Kind::kConv);
  EXPECT_EQ(requantizer_of(summary, "m.2"), "multiplier, simulated") << summary.dump();
  EXPECT_EQ(requantizer_of(summary, "t.2"), "multiplier, simulated");
  expect_same_in_c("m.scaled");
  // Without the rule at the concat its channels keep two scales, which no sum runs over.
  p["rules"][2]["layers"] = {"c0", "c1", "m"};
  const std::string rule = R"("layers": ["t"], "quantizer": {"plugin": "affine", "bits": 8}})";
  run(p);
  expect_no_program({"d: its input: codes of several scales lie side by side in \"t\"", rule});
  layers.insert(layers.end() - 1, Json::parse(R"({"name": "f", "type": "flatten"})"));
  p["model"]["inline"]["layers"] = layers;
  run(p);
  expect_no_program({"d: its input: codes of several scales lie side by side in \"f\""});
}

TEST_F(ResidualProgram, AbsorbsWhatHasNoRequantizer) {
  Json p = pipeline();
  p["rules"][2].erase("requantizer");
  run(p);
  expect_no_program(
      {"a: adds codes of \"n2\" at scale", "\"requantizer\": {\"plugin\": \"multiplier\"}"});
  // One scale for both branches: the sum itself is an integer.
  const Json grid = {{"plugin", "fixed_point"}, {"bits", 8}, {"fraction_bits", 4}};
  p["rules"].push_back({{"site", "output"}, {"layers", {"c2", "c0"}}, {"quantizer", grid}});
  run(p);
  const Json summary = expect_program();
  EXPECT_EQ(kind_of("a.sum"), program::Kind::kJoin);
  EXPECT_EQ(requantizer_of(summary, "ra").substr(0, 18), "thresholds, by all") << summary.dump();
  EXPECT_EQ(requantizer_of(summary, "p.2").substr(0, 18), "thresholds, by all");
}

TEST_F(ResidualProgram, FunctionsOfCodesAreTables) {
  Json p = pipeline();
  Json& layers = p["model"]["inline"]["layers"];
  layers[10] = {{"name", "m"}, {"type", "hard_swish"}};  // of the codes of ra; falls and rises
  layers.insert(layers.begin() + 11,
                Json::parse(R"({"name": "t", "type": "tanh", "input": "ra"})"));
  layers.insert(layers.begin() + 12,
                Json::parse(R"({"name": "both", "type": "concat", "input": ["m", "t"]})"));
  p["rules"].push_back(Json::parse(R"({"site": "output", "layers": ["m", "t"],
      "quantizer": {"plugin": "fixed_point", "bits": 8, "fraction_bits": 4}})"));
  run(p);
  const Json summary = expect_program();
  EXPECT_EQ(kind_of("both"), program::Kind::kConcat);
  EXPECT_EQ(requantizer_of(summary, "m"), "table, by all 1024 values");
}

TEST_F(ResidualProgram, NamesEveryBranchThatIsReal) {
  Json p = pipeline();
  p["rules"][2]["layers"] = {"c0", "c1"};
  run(p);
  expect_no_program(
      {"a: reads \"n2\", which is real\n    rule: {\"site\": \"output\", \"layers\": [\"n2\"]",
       "p: reads \"m\", which is real", "d: reads real values"});
}

}  // namespace
}  // namespace qloom::test
