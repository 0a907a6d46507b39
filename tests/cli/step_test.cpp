// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// From a run to the step program of its training, which gives the run's weights bit by bit.
#include <cmath>

#include "host/data/arrays/array_file.hpp"
#include "host/step_program/files.hpp"
#include "tests/support/program.hpp"
#include "tests/support/small_training.hpp"

namespace qloom::test {
namespace {

class StepCommands : public Program {
 protected:
  void run_of(const Json& pipeline) {
    write("p.json", pipeline.dump());
    const Outcome o = qloom({"run", "p.json", "--output", "run"});
    ASSERT_EQ(o.status, 0) << o.err;
  }
  void compiled(const Json& pipeline) {
    run_of(pipeline);
    const Outcome o = qloom({"compile", "run", "--step", "--output", "step"});
    ASSERT_EQ(o.status, 0) << o.err;
    EXPECT_NE(
        o.out.find("equal to the simulation in every weight behind each of the first 3 steps"),
        std::string::npos)
        << o.out;
  }
  void refused(const std::vector<std::string>& command, const std::string& message) const {
    const Outcome o = qloom(command);
    EXPECT_EQ(o.status, 2) << o.out;
    EXPECT_NE(o.err.find(message), std::string::npos) << o.err;
  }
};

/// Twenty steps beside the simulation, and all steps by the executor alone against the checkpoint
/// that the run itself wrote.
TEST_F(StepCommands, StepsGiveTheWeightsOfTheSimulation) {
  compiled(small_training());
  const Outcome diff = qloom({"diff", "run", "step", "--steps", "20"});
  ASSERT_EQ(diff.status, 0) << diff.err << diff.out;
  EXPECT_EQ(diff.out, "0 of 1272 weights differ behind each of 20 steps\n");
  const Outcome o =
      qloom({"execute", "step", "--run", "run", "--output", "w.npz", "--batches", "batches"});
  ASSERT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(std::filesystem::file_size(folder_ / "batches"), 21U * 5 + 600 * (28 * 28 + 1));
  ASSERT_EQ(qloom({"export", "step", "--format", "c", "--output", "c"}).status, 0);
  EXPECT_TRUE(std::filesystem::exists(folder_ / "c" / "model.c"));
  EXPECT_EQ(o.out, "21 steps\n");
  const auto checkpoint = data::read_npz(folder_ / "run" / "checkpoint.npz");
  const auto weights = data::read_npz(folder_ / "w.npz");
  const step_program::Program program = step_program::read(folder_ / "step");
  ASSERT_EQ(program.parameters.size(), 3U);
  for (const step_program::Parameter& parameter : program.parameters) {
    const step_program::Tensor& tensor = program.tensor(parameter.tensor);
    const std::string layer = tensor.name.substr(0, tensor.name.find('.'));
    const auto& real =
        std::get<std::vector<float>>(checkpoint.at("parameter/" + layer + "/weight").values);
    const auto& whole = std::get<std::vector<std::int64_t>>(weights.at(tensor.name).values);
    ASSERT_EQ(real.size(), whole.size());
    std::size_t moved = 0;
    for (std::size_t i = 0; i < real.size(); ++i) {
      ASSERT_EQ(double{real[i]}, std::ldexp(static_cast<double>(whole[i]), *tensor.exponent));
      moved += whole[i] != parameter.initial[i] ? 1 : 0;
    }
    EXPECT_GT(moved, real.size() / 2) << tensor.name;  // it has learned
  }
}

TEST_F(StepCommands, RefuseWhatDoesNotBelongTogether) {
  compiled(small_training());
  refused({"execute", "step", "--output", "w.npz"}, "--run is required");
  refused({"execute", "step", "--run", "run", "--steps", "22", "--output", "w.npz"},
          "--steps: 22, expected 1 to 21");
  refused({"diff", "run", "step", "--input", "x.npy"}, "--input: expected none");
  refused({"execute", "step", "--run", "run", "--steps", "0", "--output", "w.npz"},
          "0 is not a whole number from 1 to");
  refused({"execute", "step", "--run", "run", "--output", "w.npy"},
          "--output: \"w.npy\", expected a name that ends in .npz");
  refused({"compile", "run", "--step", "--output", "run"},
          "run is the folder of a run (report.json)");
  refused({"compile", "run", "--output", "step"},
          "step is the folder of a step program (step.json)");
  refused({"export", "step", "--format", "c", "--output", "step"},
          "step is the folder of a step program");
  step_program::Program program = step_program::read(folder_ / "step");
  for (step_program::Op& op : program.ops) {
    if (op.kind == step_program::Kind::kStochastic) op.stream ^= 1;
  }
  step_program::write(program, folder_ / "step");  // other random words: other weights
  const Outcome o = qloom({"diff", "step", "run", "--steps", "2"});
  EXPECT_EQ(o.status, 1);
  EXPECT_NE(o.out.find("step 0: "), std::string::npos) << o.out;
  EXPECT_NE(o.out.find(": simulation "), std::string::npos) << o.out;
  Json other = small_training();
  other["seed"] = 2;
  run_of(other);
  refused({"diff", "run", "step", "--steps", "1"}, "is of another run");
}

TEST_F(StepCommands, RefuseAllThatHasNoIntegerFormAtOnce) {
  Json pipeline = small_training();
  pipeline["rules"][2]["quantizer"] = {{"plugin", "affine"}, {"bits", 8}};
  pipeline["rules"][3]["quantizer"] = {{"plugin", "affine"}, {"bits", 8}};
  pipeline["stages"][0]["train"]["optimizer"]["momentum"] = 0.5;
  pipeline["model"]["inline"]["layers"][0]["bias"] = true;
  run_of(pipeline);
  const Outcome o = qloom({"compile", "run", "--step", "--output", "step"});
  EXPECT_EQ(o.status, 2);
  for (const char* reason :
       {"momentum 0", "c1: has a bias", "d: gradient: \"affine\" gives no integers",
        "c2: gradient: \"affine\"",
        "d: error: \"affine\" is no shift by a fixed number of places"}) {
    EXPECT_NE(o.err.find(reason), std::string::npos) << reason << "\n" << o.err;
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "step"));
}

TEST_F(StepCommands, RefuseALossWithoutAnIntegerGradientAndANormWithStatistics) {
  Json pipeline = small_training();
  pipeline["stages"][0]["train"]["loss"] = "softmax_cross_entropy";
  pipeline["procedures"] = Json::array();
  pipeline["norm"] = {{"plugin", "range_bn"}};
  run_of(pipeline);
  const Outcome o = qloom({"compile", "run", "--step", "--output", "step"});
  EXPECT_EQ(o.status, 2);
  for (const char* reason : {"norm \"range_bn\" is no multiplication by a power of two",
                             "its stored weights have no bounds", "n1: has a gamma",
                             "the gradient of the loss \"softmax_cross_entropy\""}) {
    EXPECT_NE(o.err.find(reason), std::string::npos) << reason << "\n" << o.err;
  }
}

}  // namespace
}  // namespace qloom::test
