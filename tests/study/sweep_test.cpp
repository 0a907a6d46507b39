// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// qloom sweep: every combination once, also after a kill; failures stay in their row; wrong files.
#include <algorithm>
#include <array>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>

#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/small_run.hpp"

namespace qloom::test {
namespace {

namespace fs = std::filesystem;

class Sweep : public SmallRun {
 protected:
  void SetUp() override {
    SmallRun::SetUp();
    write("s.json", R"({"name": "two by two", "base": "p.json", "seeds": [1, 2],
        "grid": {"/rules/0/quantizer/bits": [4, 8],
                 "/rules/0/rounding/plugin": ["nearest_even", "stochastic"]}})");
  }
  Outcome sweep(const std::string& file = "s.json", const std::string& jobs = "2") const {
    return qloom({"sweep", file, "--output", "out", "--jobs", jobs});
  }
  /// When each run's report was written, by folder.
  [[nodiscard]] std::map<std::string, fs::file_time_type> report_times() const {
    std::map<std::string, fs::file_time_type> times;
    if (!fs::exists(folder_ / "out/runs")) return times;
    for (const auto& entry : fs::directory_iterator(folder_ / "out/runs")) {
      const fs::path report = entry.path() / "report.json";
      if (fs::exists(report)) times[entry.path().filename()] = fs::last_write_time(report);
    }
    return times;
  }
  /// results.json without what differs between two machines.
  [[nodiscard]] Json results() const {
    Json results = json("out/results.json");
    for (Json& row : results["rows"]) row.erase("seconds_per_epoch");
    return results;
  }
  void expect_refusal(const std::string& sweep_text, const std::string& part) {
    write("wrong.json", sweep_text);
    const Outcome o = sweep("wrong.json");
    EXPECT_EQ(o.status, 2) << o.err;
    EXPECT_NE(o.err.find("wrong.json"), std::string::npos) << o.err;
    EXPECT_NE(o.err.find(part), std::string::npos) << part << "\n" << o.err;
    EXPECT_FALSE(fs::exists(folder_ / "out")) << part;
  }
};

TEST_F(Sweep, RunsEveryCombinationWithEverySeed) {
  const Outcome o = sweep();
  ASSERT_EQ(o.status, 0) << o.err;
  const Json all = results();
  ASSERT_EQ(all["rows"].size(), 4U);
  EXPECT_EQ(all["columns"], Json({"bits", "rounding"}));
  EXPECT_EQ(all["rows"][1]["label"], "bits=4, rounding=stochastic");
  for (const Json& row : all["rows"]) {
    double sum = 0;
    for (const Json& run : row["runs"]) {
      const Json report = json("out/" + run["folder"].get<std::string>() + "/report.json");
      EXPECT_EQ(report["seed"], run["seed"]);
      const Json& rule = report["configuration"]["pipeline"]["rules"][0];
      EXPECT_EQ(rule["quantizer"]["bits"], row["settings"]["/rules/0/quantizer/bits"]);
      EXPECT_EQ(rule["rounding"]["plugin"], row["settings"]["/rules/0/rounding/plugin"]);
      sum += report["final"]["accuracy"].get<double>();
      EXPECT_EQ(row["weight_bits"], report["totals"]["weight_bits"]);
    }
    EXPECT_EQ(row["seeds"], Json({1, 2}));
    EXPECT_DOUBLE_EQ(row["accuracy_mean"].get<double>(), sum / 2);
    const double a = row["accuracies"][0], b = row["accuracies"][1];
    EXPECT_NEAR(row["accuracy_deviation"].get<double>(), std::abs(a - b) / std::sqrt(2.0), 1e-12);
  }
  EXPECT_NE(o.out.find("| bits=8, rounding=stochastic"), std::string::npos) << o.out;
  EXPECT_NE(o.err.find("two by two: 8/8 ["), std::string::npos) << o.err;
  const std::string csv = text("out/results.csv");
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 5) << csv;
  EXPECT_EQ(csv.find("/rules/0/quantizer/bits,/rules/0/rounding/plugin,seeds,accuracy_mean,"), 0U);
  EXPECT_TRUE(fs::exists(folder_ / "out/report.html"));
}

TEST_F(Sweep, GivesWhatRunWithSetGives) {
  ASSERT_EQ(sweep().status, 0);
  ASSERT_EQ(qloom({"run", "p.json", "--output", "one", "--seed", "2", "--set",
                   "/rules/0/quantizer/bits=4", "--set", "/rules/0/rounding/plugin=stochastic"})
                .status,
            0);
  const Json run = results()["rows"][1]["runs"][1];
  Json a = json("one/report.json");
  Json b = json("out/" + run["folder"].get<std::string>() + "/report.json");
  a.erase("timing");
  b.erase("timing");
  EXPECT_EQ(a, b);
}

TEST_F(Sweep, MarksThePointsThatNoOtherBeats) {
  ASSERT_EQ(sweep().status, 0);
  const Json rows = results()["rows"];
  for (const Json& row : rows) {
    const bool is_beaten = std::any_of(rows.begin(), rows.end(), [&](const Json& other) {
      const double more = other["accuracy_mean"].get<double>() - row["accuracy_mean"].get<double>();
      const double fewer_w = row["weight_bits"].get<double>() - other["weight_bits"].get<double>();
      const double fewer_a =
          row["activation_bits"].get<double>() - other["activation_bits"].get<double>();
      return std::min({more, fewer_w, fewer_a}) >= 0 && std::max({more, fewer_w, fewer_a}) > 0;
    });
    EXPECT_EQ(row["pareto"], !is_beaten) << row["label"];
  }
}

TEST_F(Sweep, StartedAgainRunsOnlyWhatIsNew) {
  ASSERT_EQ(sweep().status, 0);
  const auto before = report_times();
  ASSERT_EQ(before.size(), 8U);
  const Json first = results();
  ASSERT_EQ(sweep().status, 0);
  EXPECT_EQ(report_times(), before);
  EXPECT_EQ(results(), first);
  std::string changed = text("s.json");
  changed.replace(changed.find("[4, 8]"), 6, "[8, 6]");
  write("s.json", changed);
  const Outcome o = sweep();
  ASSERT_EQ(o.status, 0) << o.err;
  EXPECT_NE(o.err.find("8 runs, 4 of them new"), std::string::npos) << o.err;
  const auto after = report_times();
  EXPECT_EQ(after.size(), 12U);
  for (const auto& [folder, time] : before) EXPECT_EQ(after.at(folder), time) << folder;
  EXPECT_EQ(results()["rows"][0]["accuracies"], first["rows"][2]["accuracies"]);
}

TEST_F(Sweep, GoesOnAfterAKill) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  const pid_t child = fork();
  if (child == 0) {
    if (chdir(folder_.c_str()) != 0) _exit(127);
    dup2(ends[1], 1);
    dup2(ends[1], 2);
    const std::string program = std::string(QLOOM_BINARY_DIR) + "/qloom";
    execl(program.c_str(), program.c_str(), "sweep", "s.json", "--output", "out", "--jobs", "1",
          nullptr);
    _exit(127);
  }
  close(ends[1]);
  // Its own words say when the second run is done.
  const std::unique_ptr<FILE, int (*)(FILE*)> said(fdopen(ends[0], "r"), fclose);
  std::array<char, 4096> line{};
  while (std::fgets(line.data(), line.size(), said.get()) != nullptr &&
         std::strstr(line.data(), ": 2/8 [") == nullptr) {
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  const auto kept = report_times();
  ASSERT_GE(kept.size(), 2U);
  ASSERT_FALSE(fs::exists(folder_ / "out/results.json"));
  ASSERT_EQ(sweep().status, 0);
  const auto after = report_times();
  EXPECT_EQ(after.size(), 8U);
  // The run that was under way may have ended between the look and the kill; none is repeated.
  for (const auto& [folder, time] : kept) EXPECT_EQ(after.at(folder), time) << folder;
  const Json resumed = results();
  fs::remove_all(folder_ / "out");
  ASSERT_EQ(sweep().status, 0);
  EXPECT_EQ(results(), resumed);
}

TEST_F(Sweep, AFailingRunDoesNotStopTheOthers) {
  write("s.json", R"({"base": "p.json", "list": [{"/rules/0/quantizer/bits": 8},
      {"/stages/0/train/optimizer/learning_rate": 1e30, "/rules": []},
      {"/rules/0/quantizer/bits": 99}, {"/rules/0/layers": "nowhere"},
      {"/rules/0/quantizer/bits": 5}]})");
  const Outcome o = sweep();
  EXPECT_EQ(o.status, 1) << o.err;
  EXPECT_NE(o.err.find("3 of 5 runs failed"), std::string::npos) << o.err;
  const Json rows = results()["rows"];
  EXPECT_TRUE(rows[0]["error"].is_null());
  EXPECT_TRUE(rows[0]["accuracy_mean"].is_number());
  EXPECT_NE(rows[1]["error"].get<std::string>().find("training diverged"), std::string::npos);
  EXPECT_NE(rows[2]["error"].get<std::string>().find("/rules/0/quantizer/bits"), std::string::npos);
  EXPECT_NE(rows[3]["error"].get<std::string>().find("nowhere"), std::string::npos) << rows[3];
  EXPECT_EQ(rows[1]["runs"][0]["status"], "failed");
  EXPECT_TRUE(rows[1]["accuracy_mean"].is_null());
  EXPECT_FALSE(rows[1]["pareto"].get<bool>());
  EXPECT_TRUE(rows[4]["accuracy_mean"].is_number());
  EXPECT_NE(text("out/results.csv").find("training diverged"), std::string::npos);
  EXPECT_NE(o.out.find("failed: "), std::string::npos) << o.out;
}

TEST_F(Sweep, WhatRunsStartFromIsRunOncePerSeed) {
  std::string fine = text("p.json");
  fine.replace(fine.find("\"name\""), 0, R"("start_from": "p.json", )");
  write("fine.json", fine);
  write("s.json", R"({"base": "fine.json", "grid": {"/rules/0/quantizer/bits": [3, 4, 5]}})");
  ASSERT_EQ(sweep().status, 0);
  const auto start = folder_ / "out/start_from/p/seed_1/report.json";
  ASSERT_TRUE(fs::exists(start));
  const auto time = fs::last_write_time(start);
  for (const auto& [folder, written] : report_times()) {
    EXPECT_FALSE(fs::exists(folder_ / "out/runs" / folder / "start_from"));
    EXPECT_GE(written, time);
  }
  ASSERT_EQ(sweep().status, 0);
  EXPECT_EQ(fs::last_write_time(start), time);
}

TEST_F(Sweep, RefusesAWrongFileBeforeItRunsAnything) {
  Json hundred = Json::array();
  for (int i = 0; i < 100; ++i) hundred.push_back(i);
  expect_refusal(R"({"base": "gone.json", "grid": {"/batch": [1]}})", "/base: \"gone.json\"");
  const Json grid{{"/x", hundred}, {"/y", hundred}, {"/z", {1, 2}}};
  expect_refusal(Json{{"base", "p.json"}, {"grid", grid}}.dump(),
                 "/grid: more than 10000 combinations");
  expect_refusal(R"({"base": "p.json"})", "neither \"grid\" and \"list\"");
  expect_refusal(R"({"base": "p.json", "grid": {"/data/batch_size": []}})", "batch_size");
  expect_refusal(R"({"base": "p.json", "grid": {"/data/batch_size": []}})",
                 "wrong.json: /grid: \"/data/batch_size\": [] has 0 items");
  expect_refusal(R"({"base": "p.json", "list": [{"rules/0": 1}]})", "/list/0: \"rules/0\": ");
  expect_refusal(R"({"base": "p.json", "list": []})", "/list");
  expect_refusal(R"({"base": "p.json", "grid": {"/data/batch_size": [16, 32, 16]}})", "batch_size");
  expect_refusal(R"({"base": "p.json", "seeds": [1, 1], "list": [{}]})", "/seeds");
  expect_refusal(R"({"base": "p.json", "grid": {"/sead": [1, 2]}})", "did you mean \"seed\"?");
  expect_refusal(R"({"base": "p.json", "grid": {"/rules/3/quantizer/bits": [1, 2]}})",
                 "\"/rules/3/quantizer/bits\" leads nowhere");
  expect_refusal(R"({"base": "p.json", "grid": {"/rules/0/quantizer/bitz": [4]}})", "bits");
  expect_refusal(R"({"base": "p.json", "grid": {"/seed": [1, 2]}})", "expected \"seeds\"");
  expect_refusal(R"({"base": "p.json", "list": [{}, {"/data/batch_size": 16}]})",
                 "are the same pipeline; expected each once");
  for (const char* text : {"name", "description", "$schema", "rules/0/description"}) {
    const std::string file = std::string(R"({"base": "p.json", "grid": {"/)") + text +
                             R"(": ["a", "b"], "/rules/0/quantizer/bits": [3, 4]}})";
    expect_refusal(file, "are the same pipeline, but for a name or a description");
  }
  expect_refusal(R"({"base": "p.json", "grid": {"/rules/0/quantizer/bits": [77, 99]}})",
                 "not one combination is a valid pipeline");
  expect_refusal(R"({"base": "p.json", "grids": {}})", "did you mean \"grid\"?");
}

}  // namespace
}  // namespace qloom::test
