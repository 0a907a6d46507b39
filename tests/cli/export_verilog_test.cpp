// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// From trained networks to Verilog: each is simulated whole by Verilator.
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "host/data/arrays/array_file.hpp"
#include "tests/support/program.hpp"

namespace qloom::test {
namespace {

class ExportVerilog : public Program {
 protected:
  /// A run of one epoch with these rules, and its program in "program".
  void compile(const Json& rules) {
    Json pipeline = Json::parse(R"({"name": "p",
        "data": {"dataset": "fashion-mnist", "batch_size": 64, "train_limit": 640,
                 "test_limit": 64},
        "model": {"inline": {"layers": [
          {"name": "c1", "type": "conv", "filters": 6, "kernel": 5, "stride": 2, "padding": "same"},
          {"name": "n1", "type": "norm"}, {"name": "r1", "type": "relu"},
          {"name": "c2", "type": "conv", "filters": 8, "kernel": 3, "padding": "same",
           "bias": false},
          {"name": "n2", "type": "norm"}, {"name": "r2", "type": "relu"},
          {"name": "p2", "type": "max_pool", "kernel": 2}, {"name": "f", "type": "flatten"},
          {"name": "d", "type": "dense", "units": "classes"}]}},
        "stages": [{"train": {"epochs": 1}}, {"evaluate": {}}]})");
    pipeline["rules"] = rules;
    write("p.json", pipeline.dump());
    for (const std::vector<std::string>& command :
         {std::vector<std::string>{"run", "p.json", "--output", "run"},
          std::vector<std::string>{"compile", "run", "--output", "program"}}) {
      const Outcome o = qloom(command);
      ASSERT_EQ(o.status, 0) << o.err;
    }
  }
  /// Of `make verilator` in the folder "verilog"; its text is printed.
  [[nodiscard]] int simulate(const std::string& args = "") const {
    const std::string command = "make -s -C " + (folder_ / "verilog").string() +
                                " verilator OPTIMIZATION=-O0 OBJCACHE=ccache ARGS=\"" + args +
                                "\" 2>&1";
    return std::system(command.c_str());
  }
  void expect_recomputed(const Json& rules) {
    compile(rules);
    const Outcome o =
        qloom({"export", "program", "--format", "verilog", "--output", "verilog", "--lanes", "3"});
    ASSERT_EQ(o.status, 0) << o.err;
    EXPECT_EQ(o.out, "verilog/Makefile\nverilog/budget.csv\n");
    EXPECT_EQ(simulate(), 0);
  }
  void refused(const std::vector<std::string>& command, const std::string& message) const {
    const Outcome o = qloom(command);
    EXPECT_EQ(o.status, 2);
    EXPECT_NE(o.err.find(message), std::string::npos) << o.err;
  }
};

TEST_F(ExportVerilog, OfEightBitsIsRecomputed) {
  expect_recomputed(Json::parse(R"([
      {"site": "weight", "quantizer": {"plugin": "affine", "bits": 8, "symmetric": true,
                                       "granularity": "channel"}},
      {"site": ["input", "activation"], "quantizer": {"plugin": "affine", "bits": 8}}])"));

  // What the command refuses, with the same program.
  const std::vector<std::string> command = {"export", "program", "--format", "verilog"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), command.begin(), command.end());
    return more;
  };
  refused(command, "--output is required");
  refused(with({"--output", "v", "--lanes", "257"}), "lanes: 257, expected 1 to 256");
  refused(with({"--output", "v", "--input", "nowhere.npy"}), "nowhere.npy");
  write_array("floats.npy", {28, 28}, std::vector<float>(28 * 28));
  refused(with({"--output", "v", "--input", "floats.npy"}), "floats.npy");
  refused({"export", "run", "--format", "verilog", "--output", "v"}, "program.json");
  refused({"export", "run", "--format", "formats", "--lanes", "2"}, "--format verilog");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "v"));
}

TEST_F(ExportVerilog, OfFourBitsIsRecomputed) {
  expect_recomputed(Json::parse(R"([
      {"site": "weight", "quantizer": {"plugin": "lsq", "bits": 4}},
      {"site": "input", "quantizer": {"plugin": "affine", "bits": 8}},
      {"site": "activation", "quantizer": {"plugin": "lsq", "bits": 4, "signed": false}}])"));
}

TEST_F(ExportVerilog, LeavesATraceThatDiffTakes) {
  compile(Json::parse(R"([
      {"site": ["weight", "input", "activation"], "quantizer": {"plugin": "affine", "bits": 6}}])"));
  ASSERT_EQ(qloom({"export", "program", "--format", "verilog", "--output", "verilog"}).status, 0);
  const std::vector<std::string> diff = {"diff", "program", "verilog"};
  refused(diff, "c1.in/output.txt: no such file, expected what a simulation with ARGS=\"+trace\"");
  EXPECT_EQ(simulate("+trace"), 0);
  const Outcome equal = qloom(diff);
  EXPECT_EQ(equal.status, 0) << equal.out << equal.err;
  EXPECT_NE(equal.out.find("c2.sum"), std::string::npos) << equal.out;

  const std::filesystem::path weights = "verilog/layers/c2/weights.hex";
  std::string text = data::read_text(folder_ / weights);
  char& digit = text.at(text.find('\n') + 1);  // of the first weight
  digit = digit == '0' ? '1' : '0';
  write(weights, text);
  EXPECT_NE(simulate("+trace"), 0);
  const Outcome differing = qloom(diff);
  EXPECT_EQ(differing.status, 1);
  EXPECT_NE(differing.out.find("c2.in     0 of "), std::string::npos) << differing.out;
  EXPECT_NE(differing.out.find("differ   <- first difference\n  sample 0, row"), std::string::npos)
      << differing.out;
  EXPECT_NE(differing.out.find("made by \"c2\" (conv)"), std::string::npos) << differing.out;

  EXPECT_EQ(simulate("+trace +layer=p2"), 0);
  refused(diff, "0 values of \"");
}

TEST_F(ExportVerilog, OfTernaryWeightsIsRecomputed) {
  expect_recomputed(Json::parse(R"([
      {"site": "weight", "quantizer": {"plugin": "twn"}},
      {"site": ["input", "activation"], "quantizer": {"plugin": "affine", "bits": 4}}])"));
}

}  // namespace
}  // namespace qloom::test
