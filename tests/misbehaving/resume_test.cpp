// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A run that is stopped or killed at some step, inside an epoch or at its end, goes on to the same
// report and the same checkpoint, bit by bit. The signal comes from inside the step: no clock.
#include <algorithm>
#include <csignal>

#include "tests/support/small_run.hpp"

namespace qloom::test {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

constexpr int kStepsOfEpoch = 16, kSteps = 32;

class Resume : public SmallRun {
 protected:
  void SetUp() override {
    SmallRun::SetUp();
    write("p.json", pipeline("sgd").dump());
  }
  /// Learned steps, running ranges, stochastic rounding of errors, gradients, updates and momentum,
  /// swaps at a step inside an epoch and at an epoch, an averaging procedure, overflows.
  [[nodiscard]] static Json pipeline(const std::string& optimizer) {
    const Json stochastic{{"plugin", "stochastic"}};
    const auto rule = [](const Json& site, const Json& quantizer, const Json& more) {
      Json r{{"site", site}, {"quantizer", quantizer}};
      r.update(more);
      return r;
    };
    const Json affine{{"plugin", "affine"}, {"bits", 8}};
    Json rules{rule("bias", {{"plugin", "misbehaving"}}, Json::object()),
               rule("weight", {{"plugin", "lsq"}, {"bits", 4}}, Json::object()),
               rule("activation", affine, {{"range", {{"plugin", "moving_average_min_max"}}}}),
               rule({"error", "gradient"}, affine, {{"rounding", stochastic}}),
               rule("update", {{"plugin", "fixed_point"}, {"bits", 16}, {"fraction_bits", 13}},
                    {{"rounding", stochastic}}),
               rule("activation", {{"plugin", "pact"}, {"bits", 4}}, {{"from", {{"step", 21}}}}),
               rule("weight", affine, {{"from", {{"epoch", 1}}}, {"rounding", stochastic}})};
    return {{"name", "resumed"},
            {"seed", 7},
            {"data",
             {{"dataset", "numpy"},
              {"train_file", "train.npz"},
              {"test_file", "test.npz"},
              {"batch_size", 16}}},
            {"model",
             {{"inline",
               {{"layers",
                 {{{"name", "d"}, {"type", "dense"}, {"units", 8}},
                  {{"name", "n"}, {"type", "norm"}},
                  {{"name", "r"}, {"type", "relu"}},
                  {{"name", "e"}, {"type", "dense"}, {"units", "classes"}}}}}}}},
            {"rules", rules},
            {"procedures", {{{"plugin", "swalp"}, {"start_epoch", 0}, {"cycle_steps", 3}}}},
            {"stages",
             {{{"train",
                {{"epochs", 2},
                 {"optimizer", {{"type", optimizer}, {"learning_rate", 0.02}}},
                 {"schedule", {{"type", "cosine"}}}}}},
              {{"evaluate", Json::object()}}}}};
  }

  Outcome run(const std::string& output, const Words& more = {},
              const std::string& signal = "") const {
    Words words{"run", "p.json", "--output", output};
    words.insert(words.end(), more.begin(), more.end());
    if (std::find(words.begin(), words.end(), "--threads") == words.end()) {
      words.insert(words.end(), {"--threads", "1"});
    }
    return qloom(words, {{"QLOOM_PLUGIN_PATH", QLOOM_BINARY_DIR "/tests/misbehaving_plugins"},
                         {"MISBEHAVING_SIGNAL", signal}});
  }
  void run_whole() const {
    const Outcome o = run("whole");
    ASSERT_EQ(o.status, 0) << o.err;
  }
  [[nodiscard]] Json report(const std::string& output) const {
    Json r = json(output + "/report.json");
    r.erase("timing");
    return r;
  }
  void expect_same(const std::string& output) const {
    EXPECT_EQ(report("whole"), report(output)) << output;
    const data::Arrays a = data::read_npz(folder_ / "whole/checkpoint.npz");
    const data::Arrays b = data::read_npz(folder_ / output / "checkpoint.npz");
    ASSERT_EQ(a.size(), b.size()) << output;
    for (const auto& [key, array] : a) {
      EXPECT_TRUE(b.contains(key) && b.at(key).shape == array.shape &&
                  b.at(key).values == array.values)
          << output << ": " << key;
    }
  }
  [[nodiscard]] Json meta(const std::string& output) const {
    const data::Arrays all = data::read_npz(folder_ / output / "checkpoint.npz");
    const auto& text = std::get<std::vector<std::uint8_t>>(all.at("@meta").values);
    return Json::parse(text.begin(), text.end());
  }
  /// Stopped in the middle of step `step`, then resumed.
  void stop_and_resume(int signal, int step) const {
    const std::string output = std::to_string(signal) + "_" + std::to_string(step);
    const std::string what = std::to_string(signal) + " " + std::to_string(step);
    const Outcome stopped = run(output, {}, what);
    ASSERT_EQ(stopped.status, 128 + signal) << stopped.err;
    EXPECT_FALSE(fs::exists(folder_ / output / "report.json"));
    EXPECT_EQ(meta(output)["cursor"]["steps"], step + 1) << "the step is finished";
    const Outcome resumed = run(output, {"--resume"});
    ASSERT_EQ(resumed.status, 0) << resumed.err;
    expect_same(output);
  }
};

TEST_F(Resume, AfterASignalAtAnyStepTheBitsAreThoseOfAWholeRun) {
  run_whole();
  for (const int step : {0, 6, 14, 15, 16, 19, 20, 21, 30, 31}) stop_and_resume(SIGTERM, step);
  for (const int step : {2, 20}) stop_and_resume(SIGINT, step);
}

TEST_F(Resume, AfterAKillTheRunGoesOnFromTheLastCheckpointInsideTheEpoch) {
  run_whole();
  for (const int step : {4, 9, 17, 22, 31}) {
    const std::string output = "killed_" + std::to_string(step);
    const Outcome killed = run(output, {"--checkpoint-every", "3"}, "9 " + std::to_string(step));
    ASSERT_EQ(killed.status, -SIGKILL) << killed.err;
    const int last = std::max(step / 3 * 3, step / kStepsOfEpoch * kStepsOfEpoch);
    EXPECT_EQ(meta(output)["cursor"]["steps"], last);
    const Outcome resumed = run(output, {"--resume", "--checkpoint-every", "5steps"});
    ASSERT_EQ(resumed.status, 0) << resumed.err;
    expect_same(output);
  }
}

TEST_F(Resume, WithAdamAndAcrossThreads) {
  write("p.json", pipeline("adam").dump());
  run_whole();
  const Outcome stopped = run("adam", {"--threads", "2"}, "15 8");
  ASSERT_EQ(stopped.status, 143) << stopped.err;
  const Outcome resumed = run("adam", {"--resume"});
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  expect_same("adam");
}

TEST_F(Resume, WithDropout) {
  Json p = pipeline("sgd");
  Json& layers = p["model"]["inline"]["layers"];
  layers.insert(layers.begin() + 3, Json{{"name", "o"}, {"type", "dropout"}, {"rate", 0.4}});
  write("p.json", p.dump());
  run_whole();
  for (const int step : {0, 6, 15, 20}) stop_and_resume(SIGTERM, step);
  p["model"]["inline"]["layers"][3]["rate"] = 0.0;
  write("p.json", p.dump());
  ASSERT_EQ(run("without").status, 0);
  EXPECT_NE(report("without")["series"]["loss"], report("whole")["series"]["loss"]);
}

TEST_F(Resume, WithWagesRecipe) {
  Json p = pipeline("sgd");
  p["procedures"] = {{{"plugin", "wage_training"}}};
  const Json gradient{{"plugin", "wage"}, {"part", "gradient"}, {"bits", 8}};
  p["rules"] = {p["rules"][0], {{"site", "gradient"}, {"quantizer", gradient}}};
  Json& train = p["stages"][0]["train"];
  train["optimizer"] = {{"type", "sgd"}, {"learning_rate", 1}, {"momentum", 0}};
  train.erase("schedule");
  write("p.json", p.dump());
  run_whole();
  for (const int step : {3, 18}) stop_and_resume(SIGTERM, step);
}

TEST_F(Resume, WithAnOptimizerThatBeginsAnewWithItsStage) {
  Json p = pipeline("adam");
  Json second = p["stages"][0];
  for (Json* stage : {&p["stages"][0], &second}) (*stage)["train"]["epochs"] = 1;
  second["train"]["optimizer"]["reset"] = true;
  p["stages"] = {p["stages"][0], second, p["stages"][1]};
  write("p.json", p.dump());
  run_whole();
  EXPECT_EQ(meta("whole")["cursor"]["optimizer_start"], kStepsOfEpoch);
  for (const int step : {3, 15, 16, 20}) stop_and_resume(SIGTERM, step);
  p["stages"][1]["train"]["optimizer"].erase("reset");
  write("p.json", p.dump());
  ASSERT_EQ(run("kept").status, 0);
  EXPECT_NE(report("kept")["series"]["loss"], report("whole")["series"]["loss"]);
}

TEST_F(Resume, WithTheSwitchesOfABinarySchedule) {
  Json p = pipeline("adam");
  p["rules"] = {p["rules"][0]};
  p["procedures"] = Json::array();
  p["recipe"] = {{"plugin", "bnn_schedule"},
                 {"activations_epoch", 1},
                 {"mask_epoch", 1},
                 {"clip_epoch", 1},
                 {"latent_rate", "glorot"}};
  write("p.json", p.dump());
  run_whole();
  for (const int step : {3, 15, 16, 20}) stop_and_resume(SIGTERM, step);
}

TEST_F(Resume, ASecondSignalEndsAtOnce) {
  // The first comes in step 3; the plugin of the second run sends both before the step ends.
  const Outcome o = run("twice", {"--checkpoint-every", "2"}, "-15 3");
  EXPECT_EQ(o.status, -SIGTERM) << o.err;
  EXPECT_EQ(meta("twice")["cursor"]["steps"], 2) << "no checkpoint after the second";
}

TEST_F(Resume, ACheckpointOfBeforeIsRead) {
  run_whole();
  ASSERT_EQ(run("old", {}, "15 15").status, 143);  // at the end of an epoch
  data::Arrays all = data::read_npz(folder_ / "old/checkpoint.npz");
  Json text = meta("old");
  for (const char* key : {"epoch_sums", "learning_rate", "last_pass"}) text.erase(key);
  text["cursor"].erase("step_of_epoch");
  const std::string dump = text.dump();
  all["@meta"] = {{static_cast<std::int64_t>(dump.size())},
                  std::vector<std::uint8_t>(dump.begin(), dump.end())};
  data::write_npz(folder_ / "old/checkpoint.npz", all);
  const Outcome resumed = run("old", {"--resume"});
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  expect_same("old");
}

TEST_F(Resume, AnIntervalIsStepsOrSeconds) {
  for (const char* wrong : {"0", "-3", "3.5", "2min", "steps", "s", "3 s", "9999999999999999999"}) {
    const Outcome o = run("out", {"--checkpoint-every", wrong});
    EXPECT_EQ(o.status, 2) << wrong;
    EXPECT_NE(o.err.find(std::string(wrong) + " is no interval"), std::string::npos) << o.err;
  }
  EXPECT_EQ(run("seconds", {"--checkpoint-every", "1s"}).status, 0);
}

}  // namespace
}  // namespace qloom::test
