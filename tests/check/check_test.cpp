// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A checker that cannot find a fault is worth nothing: each plugin of
// tests/abi/hostile/unsound*.cpp breaks one promise, and the check that makes the promise must say
// so.
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
#include "host/data/arrays/array_file.hpp"
#include "host/tensor/error.hpp"

namespace qloom::check {
namespace {

namespace fs = std::filesystem;

/// Faults by the name of the file: tests.cmake lays the copies. Groups are kinds but for codebook,
/// and library, whose faults are compiled and linked in.
fs::path unsound(const std::string& group, const std::string& name) {
  const bool is_kind = group != "codebook" && group != "library";
  return fs::path(QLOOM_UNSOUND_PLUGINS) / (group == "library" ? name : group) /
         ((is_kind ? group : "quantizer") + "." + name);
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
  std::string group, name, check, part;  ///< part: what one of the check's findings says
};
std::ostream& operator<<(std::ostream& out, const Fault& f) {
  return out << f.group << "." << f.name;
}

class UnsoundPlugin : public testing::TestWithParam<Fault> {};

TEST_P(UnsoundPlugin, IsFoundByTheCheckThatMakesThePromise) {
  const Fault& fault = GetParam();
  const Report report = run_all(unsound(fault.group, fault.name), {"creation", fault.check});
  EXPECT_FALSE(report.is_sound());
  const std::string found = findings_of(report, fault.check);
  EXPECT_NE(found.find(fault.part), std::string::npos) << table(report);
}

/// Which check finds which fault.
const Fault kFaults[] = {
    {"library", "exports_more", "exports", "exports another_export"},
    {"library", "thread_destructor", "unmapping", "thread_local object with a destructor"},
    {"library", "unique_symbol", "unmapping", "unique symbol"},
    {"library", "links_zlib", "imports", "is linked with libz.so"},
    {"quantizer", "crashes", "answers", "its process was ended by signal 6"},
    {"quantizer", "exits", "answers", "its process was ended by exit status 0"},
    {"quantizer", "writes_after", "bounds", "its process was ended by"},
    {"quantizer", "writes_before", "bounds", "its process was ended by"},
    {"quantizer", "changes_input", "bounds", "changed its input x"},
    {"quantizer", "rounding_direction", "floating_point", "apply() left"},
    {"quantizer", "flushes_to_zero", "floating_point", "flush-to-zero on"},
    {"quantizer", "allocates", "allocations", "apply() asked for memory 1 times"},
    {"quantizer", "keeps_a_count", "repetition", "a second instance"},
    {"quantizer", "depends_on_blocks", "blocks", "in blocks of 4096"},
    {"quantizer", "depends_on_threads", "threads", "threads: "},
    {"quantizer", "depends_on_isa", "instruction_sets", "gives other bits than scalar"},
    {"quantizer", "depends_on_lowering", "lowered", "not lowered"},
    {"quantizer", "spreads_nan", "non_finite", "where other elements are finite"},
    {"quantizer", "gives_nan", "answers", "expected a finite value"},
    {"quantizer", "encodes_otherwise", "codes", "decode(encode(x))"},
    {"quantizer", "wide_codes", "codes", "is outside"},
    {"quantizer", "forgets_state", "state", "after a load"},
    {"quantizer", "trusts_state", "wrong_state", "its process was ended by signal 6"},
    {"quantizer", "moves_learned", "learned", "has moved in memory"},
    {"quantizer", "wrong_gradient", "gradient", "central differences"},
    {"quantizer", "prints_output", "process", "wrote to standard output: step done"},
    {"quantizer", "prints_errors", "process", "wrote to standard error: warning: a step"},
    {"quantizer", "closes_output", "process", "closed file 1 (standard output)"},
    {"quantizer", "closes_all", "process", "its process was ended by exit status 0"},
    {"quantizer", "opens_files", "process", "open"},
    {"quantizer", "starts_thread", "process", "started a thread of its own"},
    {"quantizer", "catches_signals", "process", "changed what happens at signal 15"},
    {"quantizer", "sets_locale", "process", "changed the environment"},
    {"quantizer", "changes_folder", "process", "changed the working folder"},
    {"quantizer", "forks", "process", "started a process of its own"},
    {"quantizer", "saves_first_scale", "state", "after a load"},
    {"quantizer", "saves_one_group", "state", "after a load"},
    {"quantizer", "keeps_what_it_has", "state", "loaded into an instance that was used"},
    {"quantizer", "changed_by_saving", "state", "saved twice"},
    {"quantizer", "leaks_in_prepare", "leaks", "a step 16 times keeps 16 more blocks"},
    {"quantizer", "leaks_in_destroy", "leaks", "destroying an instance 16 times keeps"},
    {"quantizer", "learns_in_evaluation", "modes", "evaluation changed"},
    {"quantizer", "ignores_step", "random", "the same random values for another step"},
    {"quantizer", "encodes_by_group_0", "codes", "decode(encode(x))"},
    {"quantizer", "tells_group_0", "codes", "encoding(), not decode()"},
    {"quantizer", "claims_one_bit", "codes", "its width holds 2"},
    {"quantizer", "widths_beyond_bits", "codes", "has a width of 64 bits"},
    {"quantizer", "tells_many_groups", "codes", "groups is 1000000, expected"},
    {"quantizer", "tells_no_grid", "codes", "scale is NULL"},
    {"quantizer", "tells_99_bits", "codes", "bits is 99, expected 0 to 32"},
    {"quantizer", "tells_scale_of_nan", "codes", "scale: group 0 is nan"},
    {"quantizer", "adds_to_y", "bounds", "the whole tensor gave"},
    {"quantizer", "keeps_pointer", "bounds", "its process was ended by signal 11"},
    {"quantizer", "sums_by_tensor", "bounds", "its process was ended by signal 11"},
    {"quantizer", "assigns_sums", "blocks", "must add up all of a block"},
    {"quantizer", "wrong_in_channels", "gradient", "\"channel\""},
    {"quantizer", "rounds_late", "floating_point", "prepare() left"},
    {"quantizer", "rounds_in_parallel", "floating_point",
     "a parallel loop: the call changed the floating-point state"},
    {"quantizer", "rounds_on_workers", "floating_point", "apply() left"},
    {"quantizer", "counts_calls", "pure", "wrote to memory of the instance"},
    {"quantizer", "races_in_instance", "pure", "wrote to memory of the instance"},
    {"quantizer", "races_in_library", "races", "threads at once"},
    {"codebook", "passes_through", "gradient", "the surrogate \"scaled\" gives"},
    {"codebook", "sign_of_low", "gradient", "gradient of low"},
    {"codebook", "tells_other_values", "codes", "encoding(), not decode()"},
    {"codebook", "tells_other_bases", "codes", "encoding(), not decode()"},
    {"codebook", "forgets_low", "state", "after a load"},
    {"rounding", "starts_thread", "process", "started a thread of its own"},
    {"rounding", "counts_calls", "pure", "wrote to memory of the instance"},
    {"rounding", "rounds_late", "floating_point", "round() left"},
    {"rounding", "clears_first", "values", "in place"},
    {"rounding", "races_in_library", "races", "threads at once"},
    {"rounding", "lowers_wrongly", "lowered", "says it is rule"},
    {"rounding", "ignores_seed", "random", "another seed"},
    {"rounding", "ignores_stream", "random", "another stream"},
    {"rounding", "ignores_step", "random", "another step"},
    {"rounding", "counts_from_zero", "blocks", "in pieces of"},
    {"rounding", "draws_anyway", "blocks", "says that it draws nothing"},
    {"rounding", "casts_to_int", "values", "became"},
    {"range", "prints_output", "process", "wrote to standard output"},
    {"range", "leaks_in_begin", "leaks", "a step 16 times keeps 16 more blocks"},
    {"range", "looks_at_group_0", "groups", "did not follow its values"},
    {"range", "looks_at_all_groups", "groups", "with other values in the other groups"},
    {"range", "keeps_pointer", "bounds", "its process was ended by signal 11"},
    {"range", "other_extremes", "extremes", "not observe()"},
    {"range", "rounds_late", "floating_point", "end() left"},
    {"range", "widens_when_asked", "again", "changed the state"},
    {"range", "saves_one_group", "state", "after a load"},
    {"range", "forgets_the_end", "state", "after a load"},
    {"norm", "prints_errors", "process", "wrote to standard error"},
    {"norm", "leaks_in_prepare", "leaks", "more blocks of memory"},
    {"norm", "keeps_pointer", "bounds", "its process was ended by signal 11"},
    {"norm", "learns_when_frozen", "modes", "changed what is saved"},
    {"norm", "ignores_momentum", "modes", "moved the running statistics"},
    {"norm", "rounds_on_workers", "floating_point", "apply() left"},
    {"norm", "rounds_late", "floating_point", "apply() left"},
    {"norm", "races_in_library", "races", "threads at once"},
    {"norm", "races_in_instance", "pure", "wrote to memory of the instance"},
    {"norm", "assigns_sums", "sums", "it must add to what is there"},
    {"norm", "saves_last_mean", "state", "saved, loaded and saved again"},
    {"norm", "needs_gamma", "defaults", "its process was ended by signal 11"},
    {"accumulator", "opens_files", "process", "open"},
    {"accumulator", "counts_calls", "pure", "wrote to memory of the instance"},
    {"accumulator", "rounds_late", "floating_point", "accumulate() left"},
    {"accumulator", "adds_to_c", "sums", "element 0 is"},
    {"accumulator", "assigns_overflows", "sums", "-5 overflows, expected 0"},
    {"accumulator", "changes_operand", "bounds", "changed its input a"},
    {"accumulator", "races_in_library", "races", "threads at once"},
    {"accumulator", "races_in_instance", "pure", "wrote to memory of the instance"},
    {"accumulator", "ignores_stream", "random", "another stream"},
    {"accumulator", "ignores_pitch", "bounds", "without space between the rows"},
    {"accumulator", "ignores_place", "random", "all elements the same random value"},
    {"accumulator", "claims_exactness", "sums", "the exact sum"},
    {"requantizer", "prints_output", "process", "wrote to standard output"},
    {"requantizer", "far_codes", "steps", "expected -6.5 within 1.5"},
    {"requantizer", "keeps_a_count", "steps", "the second answer of one instance is another one"},
    {"requantizer", "wide_codes", "steps", "expected -128 to 127"},
    {"requantizer", "frees_constants", "steps", "its process was ended by signal 11"},
    {"requantizer", "null_constants", "steps", "its constants are NULL"},
    {"requantizer", "too_many_steps", "steps", "1000 steps, expected at most 64"},
    {"requantizer", "leaves_64_bits", "steps", "(multiply) of channel 0"},
    {"procedure", "prints_output", "process", "wrote to standard output"},
    {"procedure", "starts_thread", "process", "started a thread of its own"},
    {"procedure", "forks", "process", "started a process of its own"},
    {"procedure", "leaks", "leaks", "more blocks of memory"},
    {"procedure", "rounds_late", "floating_point", "on() left"},
    {"procedure", "writes_outside", "answers", "its process was ended by signal 11"},
    {"procedure", "keeps_a_count", "repetition", "a second instance"},
    {"procedure", "gives_nan", "answers", "expected a finite value"},
    {"procedure", "forgets_state", "state", "after a load"},
};
INSTANTIATE_TEST_SUITE_P(EachFault, UnsoundPlugin, testing::ValuesIn(kFaults),
                         [](const auto& test) { return test.param.group + "_" + test.param.name; });

/// The limit counts processor time: the message says which end it came to.
TEST(UnsoundPlugin, ThatNeverEndsIsEndedByItsTimeLimit) {
  Settings settings;
  settings.only = {"answers"};
  settings.seconds = 1;
  const auto found = [&](const fs::path& plugin) {
    const Report report = run(plugin, settings);
    return findings_of(report, "answers") + "\n" + table(report);
  };
  EXPECT_NE(found(unsound("quantizer", "never_ends"))
                .find("its process was ended by its time limit: 1 s of processor time"),
            std::string::npos);
  EXPECT_NE(found(unsound("quantizer", "sleeps"))
                .find("its process was ended by its time limit: it slept for 1 s"),
            std::string::npos);
}

TEST(SoundPlugin, PassesEveryCheckAtTheStrictestLevel) {
  const Report report = run_all(unsound("quantizer", "sound"));
  EXPECT_TRUE(report.is_sound()) << table(report);
  for (const Result& r : report.results) EXPECT_FALSE(r.was_skipped) << r.check->name;
}

/// The copies without a fault: of every kind, so that no check finds what is not there.
TEST(SoundPlugin, OfEveryKindPassesEveryCheck) {
  for (const char* group : {"quantizer", "codebook", "rounding", "range", "norm", "accumulator",
                            "requantizer", "procedure"}) {
    const Report report = run_all(unsound(group, "sound"));
    EXPECT_TRUE(report.is_sound()) << table(report);
  }
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
                                          "recipe", "requantizer", "rounding"}));
}

TEST(Cases, ComeFromTheSchemaAlone) {
  const registry::Registry registry =
      registry::Registry::of_manifest(manifest_of(unsound("quantizer", "sound")));
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
  EXPECT_NE(refusal(unsound("quantizer", "sound"), settings).find("did you mean \"exports\"?"),
            std::string::npos);
}

/// Runs qloom-check: exit status and what it printed.
struct Ran {
  int status;
  std::string text;
};
Ran run_program(const std::string& arguments) {
  const fs::path out = fs::temp_directory_path() / ("qloom-check-" + std::to_string(getpid()));
  const std::string line =
      "'" QLOOM_CHECK_PROGRAM "' " + arguments + " >'" + out.string() + "' 2>&1";
  const int code = std::system(line.c_str());
  Ran ran{WIFEXITED(code) ? WEXITSTATUS(code) : -1, data::read_text(out)};
  fs::remove(out);
  return ran;
}

TEST(Program, TellsSoundFindingsAndWrongUseApartByItsExitStatus) {
  const std::string sound =
      "'" + unsound("quantizer", "sound").string() + "' --only creation,codes";
  const Ran plain = run_program(sound), in_process = run_program("--in-process " + sound);
  EXPECT_EQ(plain.status, 0) << plain.text;
  EXPECT_EQ(in_process.status, 0) << in_process.text;
  const Ran as_json = run_program("--json " + sound);
  EXPECT_EQ(as_json.status, 0);
  const Json json = Json::parse(as_json.text);
  EXPECT_EQ(json.at(0).at("sound"), true);
  EXPECT_EQ(json.at(0).at("results").size(), 2U);
  const Ran wide =
      run_program("'" + unsound("quantizer", "wide_codes").string() + "' --only codes");
  EXPECT_EQ(wide.status, 1);
  EXPECT_NE(wide.text.find("FAILED"), std::string::npos);
  EXPECT_EQ(run_program("/nowhere/x.so").status, 2);
  EXPECT_EQ(run_program("").status, 2);
  const Ran list = run_program("--list");
  EXPECT_EQ(list.status, 0);
  EXPECT_NE(list.text.find("wrong_state"), std::string::npos);
}

/// Sound and faulty copies are told apart by the values they give and by their refusals.
TEST(Digests, OfEqualResultsAreEqualAndOfOthersDiffer) {
  const auto digests = [](const char* name) {
    const Ran ran = run_program("--digests '" + unsound("quantizer", name).string() + "'");
    EXPECT_EQ(ran.status, 0) << ran.text;
    return ran.text;
  };
  const std::string sound = digests("sound");
  EXPECT_EQ(sound.find("quantizer unsound: {"), 0U) << sound.substr(0, 100);
  EXPECT_EQ(sound, digests("leaks_in_prepare"));
  EXPECT_NE(sound, digests("gives_nan"));
  EXPECT_NE(sound, digests("encodes_otherwise"));
}

}  // namespace
}  // namespace qloom::check
