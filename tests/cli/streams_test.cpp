// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What every command does when standard output does not take its result.
#include <csignal>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/small_run.hpp"

namespace qloom::test {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

enum class Sink { kFull, kClosed, kNoReader };

class Streams : public SmallRun, public testing::WithParamInterface<Sink> {
 protected:
  void SetUp() override {
    SmallRun::SetUp();
    write("s.json", R"({"base": "p.json", "list": [{"/stages/0/train/epochs": 1}]})");
  }

  /// The program with this standard output; what it said on standard error.
  Outcome run(const std::string& program, const Words& words, Sink sink,
              const char* errors = nullptr) const {
    const std::string path = std::string(QLOOM_BINARY_DIR) + "/" + program;
    const fs::path err = folder_.string() + ".err";
    std::vector<char*> argv{const_cast<char*>(path.c_str())};
    for (const auto& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    const pid_t child = fork();
    if (child == 0) {
      int ends[2];
      if (pipe(ends) != 0) _exit(127);
      close(ends[0]);
      const int out = sink == Sink::kFull ? open("/dev/full", O_WRONLY) : ends[1];
      if (dup2(out, STDOUT_FILENO) < 0) _exit(127);
      const int file =
          open(errors != nullptr ? errors : err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      if (dup2(file, STDERR_FILENO) < 0 || chdir(folder_.c_str()) != 0) _exit(127);
      for (int fd = STDERR_FILENO + 1; fd < 20; ++fd) close(fd);
      if (sink == Sink::kClosed) close(STDOUT_FILENO);
      std::signal(SIGPIPE, SIG_DFL);
      execv(path.c_str(), argv.data());
      _exit(127);
    }
    int state = 0;
    waitpid(child, &state, 0);
    Outcome outcome;
    outcome.status = WIFEXITED(state) ? WEXITSTATUS(state) : -WTERMSIG(state);
    if (errors == nullptr) outcome.err = data::read_text(err);
    fs::remove(err);
    return outcome;
  }
  [[nodiscard]] static const char* reason(Sink sink) {
    return sink == Sink::kFull     ? "No space left on device"
           : sink == Sink::kClosed ? "Bad file descriptor"
                                   : "Broken pipe";
  }
  void expect_lost(const std::string& program, const Words& words) const {
    const Outcome o = run(program, words, GetParam());
    EXPECT_EQ(o.status, 1) << words.front() << ": " << o.err;
    const std::string text = program + ": standard output: " + reason(GetParam()) + "\n";
    EXPECT_NE(o.err.find(text), std::string::npos) << words.front() << ": " << o.err;
  }
};

TEST_P(Streams, AResultThatIsLostIsStatusOne) {
  expect_lost("qloom", {"--help"});
  expect_lost("qloom", {"--version"});
  expect_lost("qloom", {"run", "--help"});
  expect_lost("qloom", {"plugins", "list"});
  expect_lost("qloom", {"plugins", "list", "--json"});
  expect_lost("qloom", {"plugins", "list", "--markdown"});
  expect_lost("qloom", {"plugins", "show", "lsq"});
  expect_lost("qloom", {"plugins", "show", "lsq", "--json"});
  expect_lost("qloom", {"plugins", "new", "range", "mine"});
  expect_lost("qloom", {"plugins", "check", "--list"});
  expect_lost("qloom", {"validate", "p.json"});
  expect_lost("qloom-check", {"--help"});
  expect_lost("qloom-check", {"--version"});
  expect_lost("qloom-check", {"--list"});
}

TEST_P(Streams, FilesOfARunAreThereThoughItsLineIsLost) {
  expect_lost("qloom", {"run", "p.json", "--output", "out"});
  EXPECT_TRUE(fs::exists(folder_ / "out/report.json"));
  EXPECT_TRUE(fs::exists(folder_ / "out/checkpoint.npz"));
  expect_lost("qloom", {"report", "out"});
  expect_lost("qloom", {"compare", "p.json", "--output", "compared"});
  EXPECT_TRUE(fs::exists(folder_ / "compared/compare.json"));
  expect_lost("qloom", {"sweep", "s.json", "--output", "swept"});
  EXPECT_TRUE(fs::exists(folder_ / "swept/results.json"));
}

TEST_P(Streams, ACommandThatPrintsNothingLosesNothing) {
  write_array("x.npy", {0.1F, 0.7F});
  const Outcome o = run("qloom",
                        {"apply", R"({"rounding": {"plugin": "nearest_even"}})", "--input", "x.npy",
                         "--output", "y.npy"},
                        GetParam());
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(array("y.npy"), (std::vector<float>{0, 1}));
}

TEST_P(Streams, WhatStandardErrorDoesNotTakeStopsNothing) {
  EXPECT_EQ(run("qloom", {"run", "q.json", "--output", "out"}, GetParam(), "/dev/full").status, 2);
  const Outcome o = run("qloom", {"run", "p.json", "--output", "out"}, GetParam(), "/dev/full");
  EXPECT_EQ(o.status, 1) << "of the lost result alone";
  EXPECT_TRUE(fs::exists(folder_ / "out/report.json"));
}

INSTANTIATE_TEST_SUITE_P(EachSink, Streams,
                         testing::Values(Sink::kFull, Sink::kClosed, Sink::kNoReader),
                         [](const auto& test) {
                           return test.param == Sink::kFull     ? "Full"
                                  : test.param == Sink::kClosed ? "Closed"
                                                                : "NoReader";
                         });

}  // namespace
}  // namespace qloom::test
