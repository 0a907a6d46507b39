// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A checker that cannot find a fault is worth nothing: each plugin of tests/abi/hostile/unsound.cpp
// breaks one promise, and the check that makes the promise must say so.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "host/check/cases.hpp"
#include "host/check/check.hpp"
#include "host/data/array_file.hpp"
#include "host/tensor/error.hpp"

namespace qloom::check {
namespace {

namespace fs = std::filesystem;

fs::path unsound(const std::string& name) {
  return fs::path(QLOOM_UNSOUND_PLUGINS) / name / ("quantizer." + name);
}
fs::path hostile(const std::string& name) {
  return fs::path(QLOOM_ABI_PLUGINS) / name / ("range." + name);
}

Report run_all(const fs::path& plugin, std::vector<std::string> only = {}) {
  Settings settings;
  settings.level = Level::kStrict;
  settings.only = std::move(only);
  settings.jobs = 2;
  return run(plugin, settings);
}

/// What a check found, one a line.
std::string findings_of(const Report& report, const std::string& check) {
  std::string text;
  for (const Result& r : report.results) {
    if (check != r.check->name) continue;
    for (const Finding& f : r.findings) text += f.place + ": " + f.what + "\n";
  }
  return text;
}

struct Fault {
  std::string name, check, part;  ///< part: what one of the check's findings says
};
std::ostream& operator<<(std::ostream& out, const Fault& f) { return out << f.name; }

class UnsoundPlugin : public testing::TestWithParam<Fault> {};

TEST_P(UnsoundPlugin, IsFoundByTheCheckThatMakesThePromise) {
  const Fault& fault = GetParam();
  const Report report = run_all(unsound(fault.name), {"creation", fault.check});
  EXPECT_FALSE(report.is_sound());
  const std::string found = findings_of(report, fault.check);
  EXPECT_NE(found.find(fault.part), std::string::npos) << table(report);
}

const Fault kFaults[] = {
    {"exports_more", "exports", "exports another_export"},
    {"thread_destructor", "unmapping", "thread_local object with a destructor"},
    {"unique_symbol", "unmapping", "unique symbol"},
    {"links_zlib", "imports", "is linked with libz.so"},
    {"crashes", "answers", "its process was ended by signal 6"},
    {"exits", "answers", "its process was ended by exit status 0"},
    {"writes_after", "bounds", "its process was ended by"},
    {"writes_before", "bounds", "its process was ended by"},
    {"changes_input", "bounds", "changed its input x"},
    {"rounding_direction", "floating_point", "apply() left"},
    {"flushes_to_zero", "floating_point", "flush-to-zero on"},
    {"allocates", "allocations", "apply() asked for memory 1 times"},
    {"keeps_a_count", "repetition", "a second instance"},
    {"depends_on_blocks", "blocks", "in blocks of 4096"},
    {"depends_on_threads", "threads", "threads: "},
    {"depends_on_isa", "instruction_sets", "gives other bits than scalar"},
    {"depends_on_lowering", "lowered", "not lowered"},
    {"spreads_nan", "non_finite", "where other elements are finite"},
    {"gives_nan", "answers", "expected a finite value"},
    {"encodes_otherwise", "codes", "decode(encode(x))"},
    {"wide_codes", "codes", "is outside"},
    {"forgets_state", "state", "after a load"},
    {"trusts_state", "wrong_state", "its process was ended by signal 6"},
    {"moves_learned", "learned", "has moved in memory"},
    {"wrong_gradient", "gradient", "central differences"},
};
INSTANTIATE_TEST_SUITE_P(EachFault, UnsoundPlugin, testing::ValuesIn(kFaults),
                         [](const auto& test) { return test.param.name; });

TEST(UnsoundPlugin, ThatNeverEndsIsEndedByItsTimeLimit) {
  Settings settings;
  settings.only = {"answers"};
  settings.seconds = 1;
  const Report report = run(unsound("never_ends"), settings);
  EXPECT_NE(findings_of(report, "answers").find("its process was ended by its time limit"),
            std::string::npos)
      << table(report);
}

TEST(SoundPlugin, PassesEveryCheckAtTheStrictestLevel) {
  const Report report = run_all(unsound("nothing"));
  EXPECT_TRUE(report.is_sound()) << table(report);
  for (const Result& r : report.results) EXPECT_FALSE(r.was_skipped) << r.check->name;
}

TEST(LoadersRefusals, AreFindingsOfCreation) {
  for (const auto& [name, part] : {std::pair{"wrong_magic", "magic 0x12345678"},
                                   std::pair{"other_version", "has version 1.2.4"},
                                   std::pair{"truncated_table", "has struct_size"},
                                   std::pair{"create_rounding", "floating-point state"},
                                   std::pair{"create_fails", "no room for the table"}}) {
    const Report report = run_all(hostile(name));
    EXPECT_NE(findings_of(report, "creation").find(part), std::string::npos) << table(report);
    for (const Result& r : report.results) {
      EXPECT_TRUE(r.method.empty() || std::string(r.check->name) == "creation")
          << r.check->name << " was run on what cannot be created";
    }
  }
}

TEST(RangeThatAnswersTooEarly, IsAFinding) {
  EXPECT_NE(findings_of(run_all(hostile("sound"), {"order"}), "order").find("QLOOM_E_ORDER"),
            std::string::npos);
}

TEST(Tree, HasMethodsOfEveryKind) {
  const registry::Registry registry(registry::Registry::default_folders());
  std::set<std::string> kinds;
  for (const registry::Method& method : registry.methods()) kinds.insert(method.kind);
  EXPECT_EQ(kinds, (std::set<std::string>{"accumulator", "norm", "procedure", "quantizer", "range",
                                          "rounding"}));
}

TEST(Cases, ComeFromTheSchemaAlone) {
  const registry::Registry registry = registry::Registry::of_manifest(
      manifest_of(unsound("nothing")));
  const std::vector<Case> cases = cases_of(registry, registry.methods().at(0), 1);
  const auto has = [&](const char* text) {
    return std::any_of(cases.begin(), cases.end(),
                       [&](const Case& c) { return c.resolved == Json::parse(text); });
  };
  EXPECT_EQ(cases.front().params, Json::object());
  EXPECT_TRUE(has(R"({"bits": 2, "granularity": "tensor"})"));
  EXPECT_TRUE(has(R"({"bits": 8, "granularity": "tensor"})"));
  EXPECT_TRUE(has(R"({"bits": 4, "granularity": "channel"})"));
  EXPECT_EQ(cases.size(), cases_of(registry, registry.methods().at(0), 1).size());
}

TEST(WrongUse, NamesWhatIsWrong) {
  const auto refusal = [](const fs::path& plugin, const Settings& settings) -> std::string {
    try {
      static_cast<void>(run(plugin, settings));
      return "accepted";
    } catch (const InputError& e) {
      return e.what();
    }
  };
  EXPECT_NE(refusal("/nowhere/x.so", {}).find("no such file"), std::string::npos);
  EXPECT_NE(refusal("/", {}).find("there is no /plugin.json"), std::string::npos);
  Settings settings;
  settings.only = {"exprots"};
  EXPECT_NE(refusal(unsound("nothing"), settings).find("did you mean \"exports\"?"),
            std::string::npos);
}

TEST(Program, TellsSoundFindingsAndWrongUseApartByItsExitStatus) {
  const fs::path out = fs::temp_directory_path() / ("qloom-check-" + std::to_string(getpid()));
  const auto status = [&](const std::string& arguments) {
    const std::string line =
        "'" QLOOM_CHECK_PROGRAM "' " + arguments + " >'" + out.string() + "' 2>&1";
    const int code = std::system(line.c_str());
    return WIFEXITED(code) ? WEXITSTATUS(code) : -1;
  };
  const std::string sound = "'" + unsound("nothing").string() + "' --only creation,codes";
  EXPECT_EQ(status(sound), 0) << data::read_text(out);
  EXPECT_EQ(status("--in-process " + sound), 0) << data::read_text(out);
  EXPECT_EQ(status("--json " + sound), 0);
  const Json json = Json::parse(data::read_text(out));
  EXPECT_EQ(json.at(0).at("sound"), true);
  EXPECT_EQ(json.at(0).at("results").size(), 2U);
  EXPECT_EQ(status("'" + unsound("wide_codes").string() + "' --only codes"), 1);
  EXPECT_NE(data::read_text(out).find("FAILED"), std::string::npos);
  EXPECT_EQ(status("/nowhere/x.so"), 2);
  EXPECT_EQ(status(""), 2);
  EXPECT_EQ(status("--list"), 0);
  EXPECT_NE(data::read_text(out).find("wrong_state"), std::string::npos);
  fs::remove(out);
}

}  // namespace
}  // namespace qloom::check
