// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The built program run as a child process on a small part of Fashion-MNIST.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace qloom::test {

using Json = nlohmann::json;
namespace fs = std::filesystem;

/// Every site quantized, stochastic rounding, learned parameters, a swap after one epoch,
/// averaging.
inline Json pipeline() {
  const Json sr = {{"plugin", "stochastic"}};
  return {{"name", "test"},
          {"seed", 5},
          {"data",
           {{"dataset", "fashion-mnist"},
            {"batch_size", 64},
            {"train_limit", 1280},
            {"test_limit", 320}}},
          {"model", {{"file", std::string(QLOOM_SOURCE_DIR) + "/examples/models/lenet5.json"}}},
          {"norm", {{"plugin", "range_bn"}}},
          {"rules",
           {{{"site", "weight"}, {"quantizer", {{"plugin", "lsq"}, {"bits", 4}}}},
            {{"site", {"input", "activation"}},
             {"quantizer", {{"plugin", "affine"}, {"bits", 8}, {"symmetric", false}}},
             {"range", {{"plugin", "moving_average_min_max"}, {"momentum", 0.1}}}},
            {{"site", {"error", "gradient"}},
             {"quantizer", {{"plugin", "affine"}, {"bits", 8}}},
             {"rounding", sr}},
            {{"site", "update"},
             {"quantizer", {{"plugin", "fixed_point"}, {"bits", 16}, {"fraction_bits", 13}}},
             {"rounding", sr}},
            {{"site", "momentum"},
             {"quantizer", {{"plugin", "minifloat"}, {"exponent_bits", 6}, {"mantissa_bits", 9}}},
             {"rounding", sr}},
            {{"site", "norm"}, {"quantizer", {{"plugin", "affine"}, {"bits", 16}}}},
            {{"site", "activation"},
             {"from", {{"epoch", 1}}},
             {"quantizer", {{"plugin", "pact"}, {"bits", 4}}}}}},
          {"procedures", {{{"plugin", "swalp"}, {"start_epoch", 1}, {"cycle_steps", 4}}}},
          {"stages",
           {{{"train", {{"epochs", 3}, {"optimizer", {{"learning_rate", 0.02}}}}}},
            {{"evaluate", Json::object()}}}}};
}

/// Short stages.
inline const Json kTrain{{"train", {{"epochs", 1}}}}, kEvaluate{{"evaluate", Json::object()}},
    kCalibrate{{"calibrate", {{"batches", 1}}}};

class Experiment : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("qloom_experiment_" + std::to_string(getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    write(pipeline());
  }
  void write(const Json& text) { std::ofstream(folder_ / "p.json") << text.dump(2); }
  std::string log() {
    std::ifstream in(folder_ / "log");
    return std::string(std::istreambuf_iterator<char>(in), {});
  }
  void TearDown() override { fs::remove_all(folder_); }

  /// With a share of processor time (in microseconds), SIGPROF ends the run when it is used up.
  pid_t start(const std::string& output, const std::vector<std::string>& more,
              suseconds_t share = 0) {
    std::vector<std::string> args{std::string(QLOOM_BINARY_DIR) + "/qloom", "run",
                                  (folder_ / "p.json").string(), "--output",
                                  (folder_ / output).string()};
    args.insert(args.end(), more.begin(), more.end());
    const pid_t child = fork();
    if (child == 0) {
      const int log = open((folder_ / "log").c_str(), O_CREAT | O_APPEND | O_WRONLY, 0644);
      dup2(log, 1);
      dup2(log, 2);
      std::vector<char*> raw;
      for (auto& a : args) raw.push_back(a.data());
      raw.push_back(nullptr);
      const itimerval end{{0, 0}, {share / 1'000'000, share % 1'000'000}};
      setitimer(ITIMER_PROF, &end, nullptr);  // stays across exec
      execv(raw[0], raw.data());
      _exit(127);
    }
    return child;
  }
  int finish(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  int run(const std::string& output, const std::vector<std::string>& more = {}) {
    const int status = finish(start(output, more));
    if (status != 0) {
      std::ifstream log(folder_ / "log");
      ADD_FAILURE() << std::string(std::istreambuf_iterator<char>(log), {});
    }
    return status;
  }
  /// Begins a run and ends it once a checkpoint is there.
  void stop_early(const std::string& output) {
    const pid_t child = start(output, {"--checkpoint-every", "1"});
    while (!fs::exists(folder_ / output / "checkpoint.npz")) usleep(1000);
    kill(child, SIGTERM);
    const int status = finish(child);
    ASSERT_TRUE(status == 143 || status == 0) << log();
  }
  /// Killed again and again after growing shares of processor time, at whatever step that is, until
  /// it gets through. The program knows nothing of the signal, which ends it on the spot.
  void expect_kills_change_nothing() {
    ASSERT_EQ(run("whole"), 0);
    int status = -1, kills = 0;
    for (suseconds_t share = 150'000; status != 0; share += share / 3, ++kills) {
      ASSERT_LT(kills, 40);
      status = finish(start("killed", {"--resume"}, share));
      ASSERT_TRUE(status == 0 || status == -SIGPROF) << status;
    }
    EXPECT_GT(kills, 1);
    EXPECT_EQ(report("whole"), report("killed"));
  }
  Json report(const std::string& output) {
    std::ifstream in(folder_ / output / "report.json");
    Json r = Json::parse(in);
    r.erase("timing");
    return r;
  }
  fs::path folder_;
};

/// With the procedure event_log of tests/run.
class WithEventLog : public Experiment {
 protected:
  void SetUp() override {
    Experiment::SetUp();
    setenv("QLOOM_PLUGIN_PATH", QLOOM_BINARY_DIR "/tests/run_plugins:" QLOOM_BINARY_DIR "/plugins",
           1);
  }
  void TearDown() override {
    setenv("QLOOM_PLUGIN_PATH", QLOOM_BINARY_DIR "/plugins", 1);
    Experiment::TearDown();
  }
};

}  // namespace qloom::test
