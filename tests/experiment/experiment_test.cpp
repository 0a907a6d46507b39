// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The built program on Fashion-MNIST: same report for any number of threads and after a kill.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

/// Every site quantized, stochastic rounding, learned parameters, a swap after one epoch, averaging.
Json pipeline() {
  const Json sr = {{"plugin", "stochastic"}};
  return {
      {"name", "test"},
      {"seed", 5},
      {"data", {{"dataset", "fashion-mnist"}, {"batch_size", 64}, {"train_limit", 1280},
                {"test_limit", 320}}},
      {"model", {{"file", std::string(QLOOM_SOURCE_DIR) + "/examples/models/lenet5.json"}}},
      {"norm", {{"plugin", "range_bn"}}},
      {"rules",
       {{{"site", "weight"}, {"quantizer", {{"plugin", "lsq"}, {"bits", 4}}}},
        {{"site", {"input", "activation"}},
         {"quantizer", {{"plugin", "affine"}, {"bits", 8}, {"symmetric", false}}},
         {"range", {{"plugin", "moving_average_min_max"}, {"momentum", 0.1}}}},
        {{"site", {"error", "gradient"}}, {"quantizer", {{"plugin", "affine"}, {"bits", 8}}},
         {"rounding", sr}},
        {{"site", "update"},
         {"quantizer", {{"plugin", "fixed_point"}, {"bits", 16}, {"fraction_bits", 13}}},
         {"rounding", sr}},
        {{"site", "momentum"}, {"quantizer", {{"plugin", "minifloat"}, {"exponent_bits", 6},
                                              {"mantissa_bits", 9}}}, {"rounding", sr}},
        {{"site", "norm"}, {"quantizer", {{"plugin", "affine"}, {"bits", 16}}}},
        {{"site", "activation"}, {"from", {{"epoch", 1}}},
         {"quantizer", {{"plugin", "pact"}, {"bits", 4}}}}}},
      {"procedures", {{{"plugin", "swalp"}, {"start_epoch", 1}, {"cycle_steps", 4}}}},
      {"stages",
       {{{"train", {{"epochs", 3}, {"optimizer", {{"learning_rate", 0.02}}}}}},
        {{"evaluate", Json::object()}}}}};
}

class Experiment : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("qloom_experiment_" + std::to_string(getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    std::ofstream(folder_ / "p.json") << pipeline().dump(2);
  }
  void TearDown() override { fs::remove_all(folder_); }

  pid_t start(const std::string& output, const std::vector<std::string>& more) {
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
  Json report(const std::string& output) {
    std::ifstream in(folder_ / output / "report.json");
    Json r = Json::parse(in);
    r.erase("timing");
    return r;
  }
  fs::path folder_;
};

TEST_F(Experiment, TheReportIsTheSameForOneAndTwoThreads) {
  ASSERT_EQ(run("one", {"--threads", "1"}), 0);
  ASSERT_EQ(run("two", {"--threads", "2"}), 0);
  EXPECT_EQ(report("one"), report("two"));
  EXPECT_GT(report("one")["final"]["accuracy"].get<double>(), 0.2);
  EXPECT_EQ(report("one")["series"]["epoch"], Json({1, 2, 3}));
}

TEST_F(Experiment, AKilledRunGoesOnToTheSameReport) {
  ASSERT_EQ(run("whole"), 0);
  // Killed again and again after growing times, at whatever step that is, until it gets through.
  int status = -1, kills = 0;
  for (useconds_t wait = 150'000; status != 0; wait += wait / 3, ++kills) {
    ASSERT_LT(kills, 40);
    const pid_t child = start("killed", {"--resume"});
    usleep(wait);
    kill(child, SIGKILL);
    status = finish(child);
    ASSERT_TRUE(status == 0 || status == -SIGKILL) << status;
  }
  EXPECT_GT(kills, 1);
  EXPECT_EQ(report("whole"), report("killed"));
}

TEST_F(Experiment, AMethodIsSwappedInTheMiddleOfARun) {
  ASSERT_EQ(run("whole"), 0);
  EXPECT_EQ(report("whole")["sites"]["activation/conv2"]["quantizer"], "pact");
  ASSERT_EQ(run("unswapped", {"--set", "/rules/6/from/epoch=9"}), 0);
  EXPECT_EQ(report("unswapped")["sites"]["activation/conv2"]["quantizer"], "affine");
  // The first epoch is the same in both, the later ones are not.
  const Json a = report("whole")["series"]["loss"], b = report("unswapped")["series"]["loss"];
  EXPECT_EQ(a[0], b[0]);
  EXPECT_NE(a[2], b[2]);
}

TEST_F(Experiment, ResumingWithAnotherConfigurationIsRefused) {
  ASSERT_EQ(run("whole", {"--set", "/stages/0/train/epochs=1"}), 0);
  EXPECT_EQ(finish(start("whole", {"--resume"})), 2);
}

TEST_F(Experiment, DivergingTrainingStopsWithStatusOneAndNamesStepAndTensor) {
  const pid_t child = start("diverged", {"--set", "/stages/0/train/optimizer/learning_rate=1e30",
                                         "--set", "/rules=[]", "--set", "/procedures=[]"});
  EXPECT_EQ(finish(child), 1);
  std::ifstream log(folder_ / "log");
  const std::string text(std::istreambuf_iterator<char>(log), {});
  EXPECT_NE(text.find("step "), std::string::npos) << text;
  EXPECT_NE(text.find("diverged"), std::string::npos) << text;
  EXPECT_FALSE(fs::exists(folder_ / "diverged" / "report.json"));
}

}  // namespace
