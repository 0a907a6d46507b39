// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Random numbers of a step program: the counter's, those of shift registers, and those that it has
// not.
#include "host/step_program/files.hpp"
#include "tests/support/program.hpp"
#include "tests/support/small_training.hpp"

namespace qloom::test {
namespace {

class StepWords : public Program {
 protected:
  void run_rounded_by(const char* rounding) {
    write("p.json", small_training_rounded_by(Json::parse(rounding)).dump());
    const Outcome o = qloom({"run", "p.json", "--output", "run"});
    ASSERT_EQ(o.status, 0) << o.err;
  }
};

void expect_words(const step_program::Program& program, int random_bits, bool has_lfsr) {
  for (const step_program::Op& op : program.ops) {
    if (op.kind != step_program::Kind::kStochastic) continue;
    EXPECT_EQ(op.random_bits, random_bits);
    EXPECT_EQ(op.lfsr.has_value(), has_lfsr);
  }
}

struct KnownWords {
  const char* rounding;
  int random_bits;
  bool has_lfsr;
};

/// All 21 steps, of which every seventh has a short batch, beside the simulation.
TEST_F(StepWords, OfCountersAndRegistersGiveTheWeightsOfTheSimulation) {
  const KnownWords all[] = {
      {R"({"plugin": "stochastic_lfsr"})", 16, true},
      {R"({"plugin": "stochastic_lfsr", "start": "fixed", "random_bits": 7, "state": 77})", 7,
       true},
      {R"({"plugin": "stochastic", "random_bits": 27})", 27, false}};
  for (const KnownWords& known : all) {
    run_rounded_by(known.rounding);
    const Outcome o = qloom({"compile", "run", "--step", "--output", "step"});
    ASSERT_EQ(o.status, 0) << o.err;
    const Outcome diff = qloom({"diff", "run", "step", "--steps", "21"});
    EXPECT_EQ(diff.out, "0 of 1272 weights differ behind each of 21 steps\n") << known.rounding;
    expect_words(step_program::read(folder_ / "step"), known.random_bits, known.has_lfsr);
    for (const char* folder : {"run", "step"}) std::filesystem::remove_all(folder_ / folder);
  }
}

TEST_F(StepWords, ThatAStepProgramHasNotAreRefused) {
  for (const char* rounding :
       {R"({"plugin": "nearest_even"})", R"({"plugin": "stochastic", "fraction": "nearest"})",
        R"({"plugin": "stochastic_equal"})"}) {
    run_rounded_by(rounding);
    const Outcome o = qloom({"compile", "run", "--step", "--output", "step"});
    EXPECT_EQ(o.status, 2) << o.out;
    EXPECT_NE(o.err.find("c2: gradient: \"wage\" gives no integers"), std::string::npos) << o.err;
    EXPECT_FALSE(std::filesystem::exists(folder_ / "step"));
    std::filesystem::remove_all(folder_ / "run");
  }
}

/// What is there and what is expected, where a command is given another thing.
TEST_F(StepWords, OfRefusalsSayWhatIsThere) {
  run_rounded_by(R"({"plugin": "stochastic"})");
  ASSERT_EQ(qloom({"compile", "run", "--step", "--output", "step"}).status, 0);
  const auto refused = [&](const std::vector<std::string>& command, const std::string& message) {
    const Outcome o = qloom(command);
    EXPECT_EQ(o.status, 2) << o.out;
    EXPECT_NE(o.err.find(message), std::string::npos) << o.err;
  };
  const std::string expected = ", expected the folder of an integer program (program.json)";
  refused({"export", "step", "--format", "verilog", "--output", "v"},
          "step: the folder of a step program (step.json)" + expected + "; qloom compile");
  refused({"export", "run", "--format", "c", "--output", "c"},
          "run: the folder of a run (report.json)" + expected +
              " or of a step program (step.json); qloom compile");
  refused({"execute", "nowhere", "--output", "w.npz"}, "nowhere: no such folder" + expected);
  refused({"execute", "p.json", "--output", "w.npz"}, "p.json: a file" + expected);
  refused({"compile", "run", "--step", "--samples", "256", "--output", "s"},
          "--samples: not together with --step");
  refused({"compile", "run", "--step", "--require-integer", "--output", "s"},
          "--require-integer: not together with --step");
  std::filesystem::remove(folder_ / "step" / "step.json");
  refused({"execute", "step", "--run", "run", "--output", "w.npz"},
          "step: step.json is missing beside step.npz" + expected);
  refused({"diff", "run", "step", "--steps", "2"}, "--steps: neither side is a step program");
  for (const char* made : {"v", "c", "w.npz", "s"}) {
    EXPECT_FALSE(std::filesystem::exists(folder_ / made)) << made;
  }
}

}  // namespace
}  // namespace qloom::test
