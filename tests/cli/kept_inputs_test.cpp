// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// No command writes over a file that it reads, however the two names are written: status 2, the
// input and its place in the message, every byte of the folder as before.
#include <functional>

#include "tests/support/integer_program.hpp"
#include "tests/support/small_run.hpp"
#include "tests/support/small_training.hpp"

namespace qloom::test {
namespace {

namespace fs = std::filesystem;

/// Every file below, by name, with its bytes.
std::map<std::string, std::string> bytes_below(const fs::path& folder) {
  std::map<std::string, std::string> all;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) all[entry.path().string()] = data::read_text(entry.path());
  }
  return all;
}

void expect_kept(const fs::path& folder, const std::function<Outcome()>& command,
                 const std::string& message) {
  const auto before = bytes_below(folder);
  const Outcome o = command();
  EXPECT_EQ(o.status, 2) << o.out << o.err;
  EXPECT_NE(o.err.find(message), std::string::npos) << message << "\n" << o.err;
  EXPECT_EQ(bytes_below(folder), before);
}

class KeptInputs : public SmallRun {
 protected:
  void expect_lost(const std::vector<std::string>& arguments, const std::string& message) const {
    expect_kept(
        folder_, [&] { return qloom(arguments); }, message);
  }
  void expect_done(const std::vector<std::string>& arguments) const {
    const Outcome o = qloom(arguments);
    EXPECT_EQ(o.status, 0) << o.err;
  }
  void derive(const std::string& name, const Json& patch) const {
    Json p = Json::parse(text("p.json"));
    p.merge_patch(patch);
    fs::create_directories((folder_ / name).parent_path());
    write(name, p.dump());
  }
};

TEST_F(KeptInputs, WeightsOfTheRunItself) {
  expect_done({"run", "p.json", "--output", "out"});
  const std::vector<std::string> again{"run", "p.json", "--output",
                                       "out", "--set",  "/model/weights=out/checkpoint.npz"};
  expect_lost(again,
              "p.json: /model/weights: \"out/checkpoint.npz\" would be lost: this command writes "
              "out/checkpoint.npz, which is the same file; expected another output");
  std::vector<std::string> resumed = again;
  resumed.emplace_back("--resume");
  expect_lost(resumed, "p.json: /model/weights");
  fs::create_symlink("out", folder_ / "link");
  fs::create_hard_link(folder_ / "out/checkpoint.npz", folder_ / "hard.npz");
  fs::create_symlink("hard.npz", folder_ / "soft.npz");
  for (const char* name : {"link/checkpoint.npz", "hard.npz", "soft.npz"}) {
    expect_lost(
        {"run", "p.json", "--output", "out", "--set", std::string("/model/weights=") + name},
        std::string("\"") + name + "\" would be lost");
  }
  expect_done({"run", "p.json", "--output", "out", "--resume"});
  expect_done({"run", "p.json", "--output", "other", "--set", "/model/weights=out/checkpoint.npz"});
}

TEST_F(KeptInputs, ThePipelineItsModelItsDataAndItsFormats) {
  expect_done({"run", "p.json", "--output", "trained"});
  expect_done({"export", "trained", "--format", "formats"});
  fs::create_directory(folder_ / "out");
  const auto move = [this](const char* from, const char* to) {
    fs::rename(folder_ / from, folder_ / to);
  };
  const std::vector<std::string> run{"run", "q.json", "--output", "out"};
  const Json model = Json::parse(text("p.json"))["model"]["inline"];
  write("out/report.json", model.dump());
  derive("q.json", {{"model", {{"inline", nullptr}, {"file", "out/report.json"}}}});
  expect_lost(run, "q.json: /model/file: \"out/report.json\" would be lost");
  move("out/report.json", "model.json");
  for (const char* key : {"train_file", "test_file"}) {
    fs::copy(folder_ / "test.npz", folder_ / "out/checkpoint.npz");
    derive("q.json", {{"data", {{key, "out/checkpoint.npz"}}}});
    expect_lost(run, std::string("q.json: /data/") + key + ": \"out/checkpoint.npz\"");
    move("out/checkpoint.npz", "out/.qloom-claim");
    derive("q.json", {{"data", {{key, "out/.qloom-claim"}}}});
    expect_lost(run, std::string("q.json: /data/") + key + ": \"out/.qloom-claim\"");
    fs::remove(folder_ / "out/.qloom-claim");
  }
  fs::copy(folder_ / "trained/formats.json", folder_ / "out/report.html");
  derive("q.json", {{"formats", "out/report.html"}});
  expect_lost(run, "q.json: /formats: \"out/report.html\"");
  fs::remove_all(folder_ / "out");
  derive("out/report.json",
         {{"data", {{"train_file", "../train.npz"}, {"test_file", "../test.npz"}}}});
  expect_lost({"run", "out/report.json", "--output", "out"},
              "pipeline: \"out/report.json\" would be lost");
}

TEST_F(KeptInputs, OfTheRunsThatAreStartedFrom) {
  fs::create_directories(folder_ / "out/start_from/start_from");
  fs::create_directories(folder_ / "shared/first/seed_1");
  derive("second.json", {{"start_from", "first.json"}});
  derive("third.json", {{"start_from", "second.json"}});
  for (const char* place : {"out", "out/start_from", "out/start_from/start_from"}) {
    const std::string file = std::string(place) + "/checkpoint.npz";
    fs::copy(folder_ / "train.npz", folder_ / file);
    derive("first.json", {{"data", {{"train_file", file}}}});
    expect_lost({"run", "third.json", "--output", "out"},
                "first.json: /data/train_file: \"" + file + "\" would be lost");
    fs::remove(folder_ / file);
  }
  fs::copy(folder_ / "train.npz", folder_ / "shared/first/seed_1/checkpoint.npz");
  derive("first.json", {{"data", {{"train_file", "shared/first/seed_1/checkpoint.npz"}}}});
  expect_lost({"run", "third.json", "--output", "out", "--shared", "shared"},
              "first.json: /data/train_file: \"shared/first/seed_1/checkpoint.npz\"");
}

TEST_F(KeptInputs, OfComparisons) {
  const Json data{{"train_file", "../train.npz"}, {"test_file", "../test.npz"}};
  for (const char* name : {"compare.json", "compare.csv", "report.html"}) {
    derive(std::string("out/") + name, {{"data", data}});
    expect_lost({"compare", "p.json", std::string("out/") + name, "--output", "out"},
                std::string("pipeline: \"out/") + name + "\" would be lost");
    fs::remove(folder_ / "out" / name);
  }
  fs::create_directories(folder_ / "out/p/seed_2");
  for (const char* name : {"checkpoint.npz", "log.txt"}) {
    const std::string file = std::string("out/p/seed_2/") + name;
    fs::copy(folder_ / "train.npz", folder_ / file);
    expect_lost({"compare", "p.json", "--seeds", "1,2", "--output", "out", "--set",
                 "/data/train_file=" + file},
                "p.json: /data/train_file: \"" + file + "\" would be lost");
    fs::remove(folder_ / file);
  }
}

TEST_F(KeptInputs, OfSweeps) {
  const Json data{{"train_file", "../train.npz"}, {"test_file", "../test.npz"}};
  derive("out/results.json", {{"data", data}});
  write("s.json", R"({"base": "out/results.json", "list": [{"/data/batch_size": 8}]})");
  expect_lost({"sweep", "s.json", "--output", "out"},
              "s.json: /base: \"out/results.json\" would be lost");
  fs::remove(folder_ / "out/results.json");
  write("out/report.html", R"({"base": "../p.json", "list": [{"/data/batch_size": 8}]})");
  expect_lost({"sweep", "out/report.html", "--output", "out"},
              "sweep: \"out/report.html\" would be lost");
  fs::remove(folder_ / "out/report.html");
  derive("first.json", Json::object());
  fs::create_directories(folder_ / "out/start_from/first/seed_4");
  fs::copy(folder_ / "train.npz", folder_ / "out/start_from/first/seed_4/log.txt");
  write("s.json", R"({"base": "p.json", "seeds": [1, 4], "list": [{"/start_from": "first.json",
      "/data/train_file": "out/start_from/first/seed_4/log.txt"}]})");
  expect_lost({"sweep", "s.json", "--output", "out"},
              "p.json: /data/train_file: \"out/start_from/first/seed_4/log.txt\"");
}

TEST_F(KeptInputs, OfPagesAndFormats) {
  expect_done({"compare", "p.json", "--output", "out"});
  for (const char* file : {"out/compare.json", "out/compare.csv", "out/p/seed_1/report.json",
                           "out/p/seed_1/checkpoint.npz"}) {
    expect_lost({"report", "out", "--output", file}, std::string("\"") + file + "\" would be lost");
  }
  expect_done({"report", "out", "--output", "page.html"});
  const fs::path run = folder_ / "out/p/seed_1";
  fs::create_symlink("report.json", run / "formats.csv");
  expect_lost({"export", "out/p/seed_1", "--format", "formats"},
              "from: \"out/p/seed_1/report.json\" would be lost");
}

TEST_F(KeptInputs, OfOneArray) {
  write("rule.json", R"({"quantizer": {"plugin": "affine", "bits": 8}})");
  write("given.json", R"({"scale": 0.5, "zero_point": 3})");
  write_array("x.npy", {1.0F, 2.0F});
  write_array("g.npy", {1.0F, 1.0F});
  fs::create_symlink("x.npy", folder_ / "link.npy");
  const std::vector<std::string> base{"apply", "rule.json", "--input",
                                      "x.npy", "--given",   "given.json"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), base.begin(), base.end());
    return more;
  };
  expect_lost(with({"--output", "link.npy", "--calibrate", "x.npy"}),
              "--output: \"link.npy\" is what --calibrate names");
  expect_lost(with({"--output", "y.npy", "--encoding", "rule.json"}), "is what RULE names");
  expect_lost(with({"--output", "y.npy", "--encoding", "given.json"}), "is what --given names");
  expect_lost(with({"--output", "g.npy", "--expect", "g.npy"}), "is what --expect names");
  expect_lost(with({"--output", "y.npy", "--grad-output", "g.npy", "--grad-input", "g.npy"}),
              "is what --grad-output names");
  expect_lost(with({"--output", "g.npy", "--calibrate", "g.npy"}), "is what --calibrate names");
  expect_done(with({"--output", "y.npy"}));
}

using KeptByCompile = IntegerProgram;

TEST_F(KeptByCompile, WhatTheRunsPipelineNames) {
  run();
  fs::create_directory(folder_ / "program");
  for (const char* name : {"program.npz", "compile.json"}) {
    fs::create_hard_link(folder_ / "run/checkpoint.npz", folder_ / "program" / name);
    expect_kept(
        folder_, [&] { return compile(); }, "run: \"run/checkpoint.npz\" would be lost");
    fs::remove(folder_ / "program" / name);
  }
}

using KeptBySteps = Program;

TEST_F(KeptBySteps, WhatTheRunsPipelineNames) {
  write("p.json", small_training().dump());
  ASSERT_EQ(qloom({"run", "p.json", "--output", "run"}).status, 0);
  fs::create_directory(folder_ / "step");
  fs::create_symlink("../p.json", folder_ / "step/step.npz");
  const auto compile = [&] { return qloom({"compile", "run", "--step", "--output", "step"}); };
  expect_kept(folder_, compile, "p.json\" would be lost");
  fs::remove(folder_ / "step/step.npz");
  ASSERT_EQ(compile().status, 0);
  const std::vector<std::string> execute{"execute", "step", "--run", "run", "--steps", "1"};
  const std::vector<std::vector<std::string>> outputs{{"--output", "w.npz", "--batches", "p.json"},
                                                      {"--output", "run/checkpoint.npz"},
                                                      {"--output", "step/step.npz"}};
  for (std::vector<std::string> more : outputs) {
    more.insert(more.begin(), execute.begin(), execute.end());
    expect_kept(
        folder_, [&] { return qloom(more); }, "and would be replaced; expected another file");
  }
}

}  // namespace
}  // namespace qloom::test
