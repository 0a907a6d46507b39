// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <elf.h>
#include <gtest/gtest.h>
#include <link.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "host/registry/registry.hpp"
#include "host/tensor/error.hpp"

namespace qloom::registry {
namespace {

namespace fs = std::filesystem;

/// A folder of manifests without libraries: nothing is loaded before a method is created.
class Manifests : public testing::Test {
 protected:
  Manifests()
      : root_(fs::path(testing::TempDir()) /
              (std::string("qloom_manifests_") +
               testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  ~Manifests() override { fs::remove_all(root_); }

  void write(const std::string& folder, const std::string& text) const {
    fs::create_directories(root_ / folder);
    std::ofstream(root_ / folder / "plugin.json") << text;
  }
  static std::string manifest(const std::string& kind, const std::string& id,
                              const std::string& more = "") {
    return R"({"id": ")" + id + R"(", "kind": ")" + kind +
           R"(", "version": "1.0.0", "summary": "For a test.")" + more + "}";
  }
  [[nodiscard]] std::string refusal() const {
    try {
      const Registry registry({root_});
      return "accepted";
    } catch (const InputError& e) {
      return e.what();
    }
  }
  void expect_refusal(const std::string& file, const std::string& part) const {
    const std::string text = refusal();
    EXPECT_EQ(text.rfind((root_ / file).string(), 0), 0U) << text;
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }

  fs::path root_;
};

TEST_F(Manifests, AreListedByKindThenId) {
  write("rounding.b", manifest("rounding", "b"));
  write("range.z", manifest("range", "z"));
  write("rounding.many",
        R"({"methods": [)" + manifest("rounding", "c") + ", " + manifest("rounding", "a") + "]}");
  const Registry registry({root_});
  std::string ids;
  for (const Method& m : registry.methods()) ids += m.kind + "." + m.id + " ";
  EXPECT_EQ(ids, "range.z rounding.a rounding.b rounding.c ");
  const Method* a = registry.find("rounding", "a");
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a->library_file, root_ / "rounding.many" / "rounding.many.so");
  EXPECT_EQ(a->manifest, Json::parse(manifest("rounding", "a")));
  EXPECT_EQ(a->summary, "For a test.");
  EXPECT_EQ(registry.find("range", "a"), nullptr);
}

TEST_F(Manifests, AMarkOfAMethodInsideStandsAtAParameter) {
  const auto with = [this](const std::string& properties) {
    write("range.a",
          manifest("range", "a",
                   R"(, "parameters": {"type": "object", "properties": {)" + properties + "}}"));
  };
  with(R"("q": {"type": "object", "x-qloom-kind": "quantizer"}, "n": {"type": "integer"})");
  EXPECT_EQ(Registry({root_}).find("range", "a")->inner,
            (std::map<std::string, std::string>{{"q", "quantizer"}}));
  with(R"("p": {"type": "object",
                "properties": {"q": {"type": "object", "x-qloom-kind": "quantizer"}}})");
  expect_refusal("range.a/plugin.json",
                 "/parameters/properties/p/properties/q/x-qloom-kind: stands inside a parameter");
  with(R"("q": {"type": "object", "x-qloom-kind": "procedure"})");
  expect_refusal("range.a/plugin.json", "/parameters/properties/q/x-qloom-kind: ");
}

TEST_F(Manifests, PresetsAreTheValuesOfAParameterAndSetOthers) {
  const auto with = [this](const std::string& presets, const std::string& names) {
    write("range.a", manifest("range", "a",
                              R"(, "presets": )" + presets +
                                  R"(, "parameters": {"type": "object", "properties": {
                                       "preset": {"type": "string", "enum": [)" +
                                  names + R"(]}, "n": {"type": "integer", "default": 1}}})"));
  };
  with(R"({"x": {"n": 5}, "y": {"n": 6}})", R"("y", "x")");
  const Registry registry({root_});
  const Method& a = *registry.find("range", "a");
  const auto resolved = [&](const char* text) {
    return registry.resolve_parameters(a, Json::parse(text), "here");
  };
  EXPECT_EQ(resolved("{}"), Json::parse(R"({"n": 1})"));
  EXPECT_EQ(resolved(R"({"preset": "y"})"), Json::parse(R"({"preset": "y", "n": 6})"));
  EXPECT_EQ(resolved(R"({"preset": "y", "n": 6})"), resolved(R"({"preset": "y"})"));
  EXPECT_THROW(resolved(R"({"preset": "y", "n": 5})"), InputError);
  EXPECT_THROW(resolved(R"({"preset": "z"})"), InputError);
  with(R"({"x": {"n": 5}})", R"("y", "x")");
  expect_refusal("range.a/plugin.json", "/presets: expected a parameter \"preset\" whose values");
  with(R"({"x": {"m": 5}})", R"("x")");
  expect_refusal("range.a/plugin.json", "/presets/x/m: \"m\" is no parameter that a preset");
  with(R"({"x": {"preset": "x"}})", R"("x")");
  expect_refusal("range.a/plugin.json", "/presets/x/preset: ");
  with(R"({"x": {"n": "many"}})", R"("x")");
  expect_refusal("range.a/plugin.json", "/presets/x/n: ");
}

TEST_F(Manifests, FoldersWithoutManifestAreSkipped) {
  fs::create_directories(root_ / "empty");
  std::ofstream(root_ / "file.txt") << "x";
  EXPECT_TRUE(Registry({root_}).methods().empty());
}

TEST_F(Manifests, MissingFolderIsRefused) {
  const fs::path absent = root_ / "absent";
  EXPECT_THROW(Registry({absent}), InputError);
}

TEST_F(Manifests, DuplicateIdNamesBothFiles) {
  write("range.a", manifest("range", "same"));
  write("range.b", manifest("range", "same"));
  expect_refusal("range.b/plugin.json",
                 "range \"same\" is also in " + (root_ / "range.a/plugin.json").string());
}

TEST_F(Manifests, SameIdInTwoKindsIsFine) {
  write("range.a", manifest("range", "same"));
  write("norm.a", manifest("norm", "same"));
  EXPECT_EQ(refusal(), "accepted");
}

TEST_F(Manifests, BrokenJsonIsRefusedWithTheFile) {
  write("range.a", "{\"id\": ");
  expect_refusal("range.a/plugin.json", "expected JSON");
}

TEST_F(Manifests, UnknownKindIsRefused) {
  write("range.a", manifest("ranger", "a"));
  expect_refusal("range.a/plugin.json", "/kind: \"ranger\" is not one of");
}

TEST_F(Manifests, UnknownKeyIsRefusedWithTheNearestOne) {
  write("range.a", manifest("range", "a", R"(, "refrence": {"title": "x"})"));
  expect_refusal("range.a/plugin.json", "unknown key \"refrence\", did you mean \"reference\"?");
}

TEST_F(Manifests, MissingVersionIsRefused) {
  write("range.a", R"({"id": "a", "kind": "range", "summary": "x"})");
  expect_refusal("range.a/plugin.json", "missing key \"version\"");
}

TEST_F(Manifests, IdWithTrailingGarbageIsRefused) {
  write("range.a", manifest("range", "a "));
  expect_refusal("range.a/plugin.json", "/id: \"a \" is not a string that matches");
}

TEST_F(Manifests, FaultInAListHasItsPlace) {
  write("range.a", R"({"methods": [)" + manifest("range", "a") + ", " +
                       manifest("range", "b", R"(, "deviations": "none")") + "]}");
  expect_refusal("range.a/plugin.json", "/methods/1/deviations: \"none\" is not an array");
}

TEST_F(Manifests, RequireNamesTheNearestIdOfTheKind) {
  write("range.min_max", manifest("range", "min_max"));
  write("rounding.minmax", manifest("rounding", "minmax"));
  const Registry registry({root_});
  EXPECT_EQ(&registry.require("range", "min_max", "w"), registry.find("range", "min_max"));
  const auto message = [&](const std::string& kind, const std::string& id) -> std::string {
    try {
      static_cast<void>(registry.require(kind, id, "a.json: /rules/0/range/plugin"));
      return "accepted";
    } catch (const InputError& e) {
      return e.what();
    }
  };
  EXPECT_EQ(message("range", "minmax"),
            "a.json: /rules/0/range/plugin: unknown range \"minmax\" (it is a rounding), "
            "did you mean \"min_max\"?");
  EXPECT_EQ(message("range", "percentile"),
            "a.json: /rules/0/range/plugin: unknown range \"percentile\"; known: \"min_max\"");
  EXPECT_EQ(message("norm", "batch_norm"),
            "a.json: /rules/0/range/plugin: unknown norm \"batch_norm\"; there is none");
}

TEST_F(Manifests, EmptyRegistrySaysThatNoPluginsWereFound) {
  const Registry registry({root_});
  try {
    static_cast<void>(registry.require("range", "min_max", "w"));
    FAIL() << "accepted";
  } catch (const InputError& e) {
    EXPECT_NE(std::string(e.what()).find("no plugins were found"), std::string::npos) << e.what();
  }
}

TEST_F(Manifests, ParametersAreResolvedBySchema) {
  write("range.a", manifest("range", "a", R"(, "parameters": {"type": "object",
      "additionalProperties": false, "properties": {"percent": {"type": "number", "minimum": 0,
      "maximum": 100, "default": 99.9}}})"));
  write("range.bare", manifest("range", "bare"));
  const Registry registry({root_});
  const Method& a = registry.require("range", "a", "w");
  EXPECT_EQ(registry.resolve_parameters(a, Json::object(), "w"), Json({{"percent", 99.9}}));
  try {
    static_cast<void>(registry.resolve_parameters(a, {{"percent", 101}}, "p.json: /rules/1/range"));
    FAIL() << "accepted";
  } catch (const InputError& e) {
    EXPECT_STREQ(e.what(),
                 "p.json: /rules/1/range/percent: 101 is above the maximum 100; expected "
                 "a number from 0 to 100");
  }
  const Method& bare = registry.require("range", "bare", "w");
  EXPECT_THROW(static_cast<void>(registry.resolve_parameters(bare, {{"x", 1}}, "w")), InputError);
}

TEST_F(Manifests, MissingLibraryIsNamedWhenCreated) {
  write("range.a", manifest("range", "a"));
  const Registry registry({root_});
  try {
    static_cast<void>(registry.create(registry.methods().at(0), Json::object()));
    FAIL() << "accepted";
  } catch (const InputError& e) {
    EXPECT_EQ(e.what(),
              (root_ / "range.a/range.a.so").string() + ": there is no such library file");
  }
}

TEST_F(Manifests, FilesThatAreNoLibrariesAreRefused) {
  write("range.text", manifest("range", "text"));
  std::ofstream(root_ / "range.text/range.text.so") << "not a library\n";
  write("range.cut", manifest("range", "cut"));
  fs::copy_file(fs::read_symlink("/proc/self/exe"), root_ / "range.cut/range.cut.so");
  fs::resize_file(root_ / "range.cut/range.cut.so", 1000);
  const Registry registry({root_});
  for (const Method& method : registry.methods()) {
    try {
      static_cast<void>(registry.create(method, Json::object()));
      ADD_FAILURE() << method.id << " was accepted";
    } catch (const InputError& e) {
      const std::string text = e.what();
      EXPECT_EQ(text.rfind(method.library_file.string() + ": cannot be loaded: ", 0), 0U) << text;
    }
  }
}

/// This program as a library that says it is for another machine.
void write_foreign(const fs::path& file, unsigned machine) {
  fs::copy_file(fs::read_symlink("/proc/self/exe"), file);
  std::fstream library(file, std::ios::binary | std::ios::in | std::ios::out);
  library.seekp(offsetof(ElfW(Ehdr), e_machine));
  const auto number = static_cast<ElfW(Half)>(machine);
  library.write(reinterpret_cast<const char*>(&number), sizeof number);
}

TEST_F(Manifests, LibrariesForOtherMachinesAreRefusedByTheirNames) {
  for (const std::string id : {"arm", "intel", "risc"}) write("range." + id, manifest("range", id));
  write_foreign(root_ / "range.arm/range.arm.so", EM_AARCH64);
  write_foreign(root_ / "range.intel/range.intel.so", EM_X86_64);
  write_foreign(root_ / "range.risc/range.risc.so", EM_RISCV);
  const Registry registry({root_});
  const auto refusal = [&](std::size_t i) -> std::string {
    try {
      static_cast<void>(registry.create(registry.methods().at(i), Json::object()));
      return "accepted";
    } catch (const InputError& e) {
      return e.what();
    }
  };
  const auto says = [](const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  };
  const std::string arm = refusal(0), intel = refusal(1), risc = refusal(2);
  // one of the two is this machine, and a program is no library there either
  EXPECT_NE(says(arm, "it was built for aarch64, this program for x86_64"),
            says(intel, "it was built for x86_64, this program for aarch64"))
      << arm << '\n'
      << intel;
  EXPECT_TRUE(says(risc, "it was built for machine 243 of elf.h, this program for ")) << risc;
}

TEST_F(Manifests, AKeyThatStandsTwiceIsRefused) {
  write("range.a", R"({"id": "a", "kind": "range", "version": "1.0.0", "summary": "x",
                       "parameters": {"type": "object", "type": "object"}})");
  expect_refusal("range.a/plugin.json", "/parameters: the key \"type\" stands twice");
}

TEST_F(Manifests, SchemasWhoseCheckWouldNotEndAreRefused) {
  const auto refuse = [this](const Json& parameters, const std::string& part) {
    const Json text{{"id", "a"},
                    {"kind", "range"},
                    {"version", "1.0.0"},
                    {"summary", "For a test."},
                    {"parameters", parameters}};
    write("range.a", text.dump());
    expect_refusal("range.a/plugin.json", part);
  };
  refuse(Json::parse(R"({"type": "object", "definitions": {"a": {"properties": {
             "x": {"$ref": "#/definitions/a", "default": {}}}}}})"),
         "/parameters/definitions/a/properties/x/default: its defaults lead to ever more of them");
  Json doubled{{"type", "object"}, {"definitions", Json::object()}};
  for (int i = 0; i < 30; ++i) {  // each is checked twice as often as the one before
    const Json next{{"$ref", "#/definitions/d" + std::to_string(i + 1)}};
    doubled["definitions"]["d" + std::to_string(i)] = {{"allOf", {next, next}}};
  }
  doubled["definitions"]["d30"] = Json::object();
  refuse(doubled, "leads to more than 100000 schemas of the same values");
  const std::string deep = std::string(2000, '(') + std::string(2000, ')');
  refuse({{"type", "object"}, {"properties", {{"x", {{"pattern", deep}}}}}},
         "/parameters/properties/x/pattern: a pattern of 4000 bytes; expected at most 1000");
}

TEST_F(Manifests, ParametersThatAreNoSchemaAreRefusedWithTheirPlace) {
  const std::vector<std::pair<std::string, std::string>> faults{
      {R"("properties": {"bits": 3})", ": /parameters/properties/bits: 3 is not an object"},
      {R"("properties": {"bits": {"type": "int"}})",
       ": /parameters/properties/bits/type: \"int\" is not one of"},
      {R"("properties": {"bits": {"minimun": 1}})",
       ": /parameters/properties/bits/minimun: unknown key \"minimun\", did you mean \"minimum\"?"},
      {R"("properties": {"bits": {"enum": []}})", ": /parameters/properties/bits/enum: "},
      {R"("required": "bits")", ": /parameters/required: \"bits\" is not an array"},
      {R"("properties": {"a": {"pattern": "["}})",
       ": /parameters/properties/a/pattern: \"[\" is no regular expression"},
      {R"("properties": {"a": {"$ref": "#/definitions/b"}})",
       ": /parameters/properties/a/$ref: \"#/definitions/b\" is not the pointer of a place"},
      {R"("properties": {"a": {"$ref": "#/properties/a"}})",
       ": /parameters/properties/a/$ref: leads back to itself"},
      {R"("properties": {"a": {"allOf": [{"$ref": "#/properties/a"}]}})", "leads back to itself"},
      {R"("properties": {"a": {"type": "integer", "maximum": 4, "default": 5}})",
       ": /parameters/properties/a/default: 5 is above the maximum 4"}};
  for (const auto& [text, part] : faults) {
    write("range.a", manifest("range", "a", R"(, "parameters": {"type": "object", )" + text + "}"));
    expect_refusal("range.a/plugin.json", part);
  }
}

TEST_F(Manifests, ASchemaThatContainsItselfInItsPartsIsFine) {
  write("range.a", manifest("range", "a", R"(, "parameters": {"type": "object",
        "properties": {"list": {"type": "array", "items": {"$ref": "#/properties/list"}}}})"));
  const Registry registry({root_});
  const Method& method = registry.methods().front();
  EXPECT_NO_THROW(static_cast<void>(
      registry.resolve_parameters(method, Json::parse(R"({"list": [[], [[]]]})"), "")));
  EXPECT_THROW(
      static_cast<void>(registry.resolve_parameters(method, Json::parse(R"({"list": [[1]]})"), "")),
      InputError);
}

/// The document with each value in turn replaced by one of every type, or gone.
std::vector<Json> with_other_values(const Json& document) {
  std::vector<Json> all;
  const Json flat = document.flatten();
  for (const auto& [pointer, leaf] : flat.items()) {
    for (Json::json_pointer at(pointer); !at.empty(); at.pop_back()) {
      for (const char* other :
           {"null", "true", "-3", "1e300", "\"[\"", "[]", "[1]", "{}", R"({"$ref": "#"})"}) {
        all.push_back(document);
        all.back()[at] = Json::parse(other);
      }
    }
  }
  return all;
}

TEST_F(Manifests, DamagedOnesAreTakenOrRefusedButNeverAnInternalError) {
  const fs::path tree(QLOOM_SOURCE_DIR);
  std::size_t refused = 0;
  for (const char* name : {"ranges/percentile", "ranges/aciq"}) {
    std::ifstream in(tree / "plugins" / name / "plugin.json");
    for (const Json& changed : with_other_values(Json::parse(in))) {
      write("some", changed.dump());
      try {
        const Registry registry({root_});
        for (const Method& method : registry.methods()) {
          static_cast<void>(registry.resolve_parameters(method, Json::object(), "rule"));
        }
      } catch (const InputError&) {
        ++refused;
      } catch (const std::exception& error) {
        ADD_FAILURE() << error.what() << "\n" << changed.dump(2);
      }
    }
  }
  EXPECT_GT(refused, 100U);
}

TEST_F(Manifests, AnyCutOfATextIsRefused) {
  std::ifstream in(fs::path(QLOOM_SOURCE_DIR) / "plugins/ranges/percentile/plugin.json");
  std::string text(std::istreambuf_iterator<char>(in), {});
  while (text.back() == '\n') text.pop_back();
  for (std::size_t n = 0; n < text.size(); n += 7) {
    write("some", text.substr(0, n));
    expect_refusal("some/plugin.json", "expected JSON");
  }
}

}  // namespace
}  // namespace qloom::registry
