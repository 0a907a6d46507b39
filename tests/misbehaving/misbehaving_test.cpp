// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What a run says of a plugin that crashes, changes the floating-point state or refuses.
#include <csignal>

#include <sys/wait.h>

#include "tests/support/small_run.hpp"

namespace qloom::test {
namespace {

namespace fs = std::filesystem;

class MisbehavingPlugin : public SmallRun {
 protected:
  /// A run whose weights' quantizer does this from step 5 on, on one thread or two.
  Outcome run(const std::string& fault, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words{
        "run",
        "p.json",
        "--output",
        "out",
        "--set",
        R"(/rules/0={"site": "weight", "quantizer": {"plugin": "misbehaving", "step": 5, )"
        R"("fault": ")" +
            fault + "\"}}"};
    words.insert(words.end(), more.begin(), more.end());
    return qloom(words, {{"QLOOM_PLUGIN_PATH", QLOOM_BINARY_DIR "/tests/misbehaving_plugins"}});
  }
  void expect(const Outcome& o, const std::vector<std::string>& parts) const {
    for (const std::string& part : parts) {
      EXPECT_NE(o.err.find(part), std::string::npos) << part << "\n" << o.err;
    }
    EXPECT_FALSE(fs::exists(folder_ / "out/report.json"));
  }
  void expect_crash(const std::string& fault, int signal, const std::string& name,
                    const std::string& call) const {
    const Outcome o = run(fault);
    EXPECT_EQ(o.status, -signal) << fault << ": dies of the signal as without a report";
    expect(o, {"qloom: " + name + " in quantizer \"misbehaving\": " + call +
               ", weight/d, step 5, library " QLOOM_BINARY_DIR
               "/tests/misbehaving_plugins/quantizer.misbehaving/quantizer.misbehaving.so\n"});
  }
};

TEST_F(MisbehavingPlugin, ACrashNamesMethodSiteStepAndLibrary) {
  expect_crash("segv_in_prepare", SIGSEGV, "SIGSEGV", "prepare");
  expect_crash("segv_in_apply", SIGSEGV, "SIGSEGV", "apply");
  expect_crash("stack_overflow", SIGSEGV, "SIGSEGV", "prepare");
  expect_crash("abort", SIGABRT, "SIGABRT", "prepare");
#if defined(__x86_64__)
  expect_crash("division", SIGFPE, "SIGFPE", "prepare");
#endif
}

TEST_F(MisbehavingPlugin, AChangedFloatingPointStateStopsTheRunAndNamesTheMethod) {
  for (const char* threads : {"1", "2"}) {
    const auto expect_named = [&](const char* fault, const char* call, const char* change) {
      const Outcome o = run(fault, {"--threads", threads});
      EXPECT_EQ(o.status, 1) << fault << o.err;
      expect(o, {"qloom: step 5: quantizer \"misbehaving\": ", call,
                 " weight/d: the call changed the floating-point state: ", change});
      EXPECT_EQ(o.err.find("diverged"), std::string::npos) << o.err;
    };
    expect_named("rounding_in_prepare", "prepare", "rounding direction");
    expect_named("rounding_in_apply", "apply", "rounding direction");
    expect_named("flush_to_zero_in_loop", "prepare", "flush-to-zero on");
  }
}

TEST_F(MisbehavingPlugin, ACodeOutsideOfItsEncodingEndsTheRunAndSoDoesARefusalToEncode) {
  Outcome o = qloom({"run", "p.json", "--output", "out", "--set",
                     R"(/rules/0={"site": "weight", "quantizer": {"plugin": "stray_code"}})"},
                    {{"QLOOM_PLUGIN_PATH", QLOOM_BINARY_DIR "/tests/misbehaving_plugins"}});
  EXPECT_EQ(o.status, 1) << o.err;
  expect(o, {"weight/d: quantizer \"stray_code\" gave a code that its encoding does not have"});
  o = qloom(
      {"run", "p.json", "--output", "out", "--set",
       R"(/rules/0={"site": "weight", "quantizer": {"plugin": "stray_code", "refuses": true}})"},
      {{"QLOOM_PLUGIN_PATH", QLOOM_BINARY_DIR "/tests/misbehaving_plugins"}});
  EXPECT_EQ(o.status, 1) << o.err;
  expect(o, {"quantizer \"stray_code\": encode weight/d: "});
}

TEST_F(MisbehavingPlugin, AnEncodingOfOtherGroupsEndsTheRunBeforeAnybodyReadsIt) {
  for (const char* groups : {"0", "1000000"}) {
    const Outcome o = qloom(
        {"run", "p.json", "--output", "out", "--set",
         std::string(
             R"(/rules/0={"site": "weight", "quantizer": {"plugin": "stray_code", "groups": )") +
             groups + "}}"},
        {{"QLOOM_PLUGIN_PATH", QLOOM_BINARY_DIR "/tests/misbehaving_plugins"}});
    EXPECT_EQ(o.status, 1) << o.err;
    expect(o, {std::string("weight/d: quantizer \"stray_code\": encoding: groups is ") + groups +
               ", expected 1, that of the tensor, or 8 of its first axis"});
  }
}

TEST_F(MisbehavingPlugin, ARefusalIsNoDivergenceAndItsTextIsEscaped) {
  const Outcome o = run("refuse");
  EXPECT_EQ(o.status, 1) << o.err;
  expect(o, {"qloom: step 5: quantizer \"misbehaving\": prepare weight/d: "
             "not \\x1b[31mtoday\\nqloom: done\n"});
  EXPECT_EQ(o.err.find("diverged"), std::string::npos) << o.err;
  EXPECT_EQ(o.err.find('\x1b'), std::string::npos);
}

TEST_F(MisbehavingPlugin, AMethodKnowsItsSiteAndMayRefuseIt) {
  const Outcome o = run("refuse_site");
  EXPECT_EQ(o.status, 2) << o.err;
  expect(o, {"quantizer \"misbehaving\": not at weight of d, role 1, 8 channels, fan-in "});
}

TEST_F(MisbehavingPlugin, AnExitInTheMiddleOfARunNamesTheCall) {
  const Outcome o = run("exit_0");
  EXPECT_EQ(o.status, 1) << o.err;
  expect(o, {"qloom: exit() was called before the work was done, in quantizer \"misbehaving\": "
             "prepare, weight/d, step 5, library "});
}

TEST_F(MisbehavingPlugin, WithoutAFaultTheRunIsAsAnyOther) {
  const Outcome o = run("nothing");
  EXPECT_EQ(o.status, 0) << o.err;
}

}  // namespace
}  // namespace qloom::test
