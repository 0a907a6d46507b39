// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Help, versions, plugins, validate: exit statuses and messages.
#include <algorithm>
#include <fstream>
#include <iterator>

#include "tests/support/program.hpp"

namespace qloom::test {
namespace {

class Command : public Program {
 protected:
  void expect_refusal(const std::vector<std::string>& arguments,
                      const std::vector<std::string>& parts) const {
    const std::vector<std::string> before = files();
    const Outcome o = qloom(arguments);
    EXPECT_EQ(o.status, 2) << o.err;
    EXPECT_EQ(o.out, "");
    for (const auto& part : parts)
      EXPECT_NE(o.err.find(part), std::string::npos) << part << "\n" << o.err;
    EXPECT_EQ(files(), before);
  }
};

TEST_F(Command, HelpIsThereForEveryCommand) {
  const std::vector<std::vector<std::string>> commands{{},
                                                       {"run"},
                                                       {"compare"},
                                                       {"validate"},
                                                       {"plugins"},
                                                       {"plugins", "list"},
                                                       {"plugins", "show"},
                                                       {"apply"}};
  for (auto arguments : commands) {
    arguments.emplace_back("--help");
    const Outcome o = qloom(arguments);
    EXPECT_EQ(o.status, 0);
    EXPECT_NE(o.out.find("Usage: qloom"), std::string::npos) << o.out;
    EXPECT_EQ(o.err, "");
  }
  EXPECT_NE(qloom({"--help"}).out.find("Exit status: 0 done"), std::string::npos);
}

TEST_F(Command, VersionIsPrinted) {
  const Outcome o = qloom({"--version"});
  EXPECT_EQ(o.status, 0);
  EXPECT_EQ(o.out.find("qloom 0."), 0U) << o.out;
}

TEST_F(Command, ThatDoesNotExistIsRefused) {
  expect_refusal({}, {"qloom --help"});
  expect_refusal({"rnu"}, {"unknown command \"rnu\", did you mean \"run\"?; see qloom --help"});
  expect_refusal({"plugins", "lost"},
                 {"unknown command \"lost\", did you mean \"list\"?; see qloom plugins --help"});
  expect_refusal({"run", "a.json", "--sed", "1"},
                 {"unknown option \"--sed\", did you mean \"--se"});
  expect_refusal({"plugins"}, {"qloom plugins --help"});
  expect_refusal({"validate"}, {"qloom validate --help"});
  expect_refusal({"run", "a.json", "--threads", "0"}, {"--threads", "qloom run --help"});
  expect_refusal({"compare", "a.json", "--seeds", "1,x"}, {"--seeds"});
  expect_refusal({"compare", "a.json", "--seeds", "1,-2"}, {"--seeds"});
  expect_refusal({"run", "a.json", "--seed", "-2"}, {"--seed"});
  expect_refusal({"run", "a.json", "--seed", "18446744073709551616"},
                 {"--seed", "18446744073709551616 is not a whole number from 0 to"});
}

TEST_F(Command, PluginsListNamesEveryMethodOnALine) {
  const Outcome o = qloom({"plugins", "list"});
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(o.out.find("kind "), 0U);
  const Outcome as_json = qloom({"plugins", "list", "--json"});
  const Json rows = Json::parse(as_json.out);
  ASSERT_TRUE(rows.is_array());
  EXPECT_EQ(static_cast<std::size_t>(std::count(o.out.begin(), o.out.end(), '\n')),
            rows.size() + 1);
  const auto has = [&rows](const char* kind, const char* id) {
    return std::any_of(rows.begin(), rows.end(),
                       [&](const Json& row) { return row["kind"] == kind && row["id"] == id; });
  };
  EXPECT_TRUE(has("rounding", "nearest_even"));
  EXPECT_TRUE(has("quantizer", "affine"));
  EXPECT_TRUE(has("norm", "batch_norm"));
}

TEST_F(Command, ThePageOfMethodsHoldsThemAsThePluginsTellThem) {
  std::ifstream in(std::string(QLOOM_SOURCE_DIR) + "/docs/methods/README.md");
  const std::string page(std::istreambuf_iterator<char>(in), {});
  const std::string begin = "<!-- qloom plugins list --markdown -->\n", end = "<!-- end -->";
  const std::size_t first = page.find(begin);
  ASSERT_NE(first, std::string::npos);
  const std::size_t from = first + begin.size(), to = page.find(end, from);
  ASSERT_NE(to, std::string::npos);
  EXPECT_EQ(page.substr(from, to - from), qloom({"plugins", "list", "--markdown"}).out);
}

TEST_F(Command, PluginsShowTellsParametersWithDefaults) {
  const Outcome o = qloom({"plugins", "show", "affine"});
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_NE(o.out.find("quantizer \"affine\""), std::string::npos);
  EXPECT_NE(o.out.find("  bits = 8\n"), std::string::npos) << o.out;
  EXPECT_NE(o.out.find("formula:"), std::string::npos);
  const Json manifest = Json::parse(qloom({"plugins", "show", "quantizer/affine", "--json"}).out);
  EXPECT_EQ(manifest["id"], "affine");
  EXPECT_EQ(manifest["parameters"]["properties"]["bits"]["default"], 8);
}

TEST_F(Command, PluginsShowKnowsTheNearestId) {
  expect_refusal({"plugins", "show", "affin"}, {"\"affin\" is no method's id, did you mean "
                                                "\"affine\"?"});
}

TEST_F(Command, PluginFoldersThatDoNotExistAreRefused) {
  const Outcome o = qloom({"plugins", "list"}, {{"QLOOM_PLUGIN_PATH", "/no/such/folder"}});
  EXPECT_EQ(o.status, 2);
  EXPECT_NE(o.err.find("/no/such/folder"), std::string::npos) << o.err;
}

TEST_F(Command, APluginThatDoesNotLoadIsRefused) {
  std::filesystem::create_directories(folder_ / "mine/rounding.broken");
  write(
      "mine/rounding.broken/plugin.json",
      R"({"id": "acme.broken", "kind": "rounding", "version": "1.0.0", "summary": "no library"})");
  write("mine/rounding.broken/rounding.broken.so", "this is text");
  write_array("x.npy", {1.0F});
  const std::vector<std::string> before = files();
  const Outcome o = qloom({"apply", R"({"rounding": {"plugin": "acme.broken"}})", "--input",
                           "x.npy", "--output", "y.npy"},
                          {{"QLOOM_PLUGIN_PATH", (folder_ / "mine").string()}});
  EXPECT_EQ(o.status, 2) << o.err;
  EXPECT_NE(o.err.find("rounding.broken.so"), std::string::npos) << o.err;
  EXPECT_EQ(files(), before);
}

TEST_F(Command, ValidateSaysWhatIsWrongAndWhere) {
  write("m.json", R"({"layers": [{"name": "d", "type": "dense", "units": "classes"}]})");
  const std::string head = R"({"model": {"file": "m.json"}, "data": {"dataset": "idx",
      "train_images": "a", "train_labels": "b", "test_images": "c", "test_labels": "d"}, )";
  write("p.json", head + R"("stages": [{"evaluate": {"bathces": 3}}]})");
  expect_refusal({"validate", "p.json"},
                 {"p.json: /stages/0/evaluate/bathces: unknown key \"bathces\", did you mean "
                  "\"batches\"?"});
  write("p.json", head + R"("stages": [{"evaluate": {}}]})");
  expect_refusal({"validate", "p.json", "--set", "/seed=-1"}, {"p.json: /seed: -1 is below"});
  for (const char* place : {"/seed", "/rules/0/from/step", "/rules/0/from/epoch"}) {
    expect_refusal({"validate", "p.json", "--set",
                    R"(/rules=[{"site": "weight", "quantizer": null, "from": {"step": 1}}])",
                    "--set", place + std::string("=9223372036854775808")},
                   {place + std::string(": 9223372036854775808 is above the maximum "
                                        "9223372036854775807; expected an integer of at least 0")});
  }
  expect_refusal({"run", "p.json", "--seed", "9223372036854775808"},
                 {"is not a whole number from 0 to 9223372036854775807"});
  expect_refusal({"validate", "p.json", "--set", "seed"}, {"expected /json/pointer=value"});
  expect_refusal({"validate", "p.json"}, {"a"});  // the data's files are missing
  expect_refusal({"validate", "gone.json"}, {"gone.json"});
}

/// Two links that lead to each other, and a name that is too long for any file.
TEST_F(Command, PathsThatNobodyCanFollowAreTheUsersInput) {
  const std::string rule = R"({"rounding": {"plugin": "nearest_even"}})";
  write("p.json", R"({"data": {"dataset": "fashion-mnist", "train_limit": 16, "test_limit": 16},
      "model": {"inline": {"layers": [{"name": "d", "type": "dense", "units": "classes"}]}},
      "stages": [{"evaluate": {}}]})");
  write("s.json", R"({"base": "p.json", "list": [{"/data/batch_size": 8}]})");
  write_array("x.npy", {1.0F});
  std::filesystem::create_symlink("b", folder_ / "a");
  std::filesystem::create_symlink("a", folder_ / "b");
  for (const std::string& path : {std::string("a"), std::string(300, 'x')}) {
    const char* const why =
        path == "a" ? "Too many levels of symbolic links" : "File name too long";
    for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
             {"run", "p.json", "--output", path},
             {"compare", "p.json", "--output", path},
             {"sweep", "s.json", "--output", path},
             {"report", path},
             {"compile", path, "--output", "out"},
             {"compile", "run", "--output", path},
             {"execute", path, "--output", "y.npy"},
             {"diff", path, "x.npy"},
             {"export", path, "--format", "formats"},
             {"export", path, "--format", "c", "--output", "out"},
             {"apply", rule, "--input", "x.npy", "--output", path},
             {"compare", path, path + "b"},
             {"plugins", "new", "norm", "mine", "--directory", path + "/new"}}) {
      expect_refusal(arguments, {path, why});
    }
    for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
             {"run", path}, {"validate", path}, {"sweep", path}, {"plugins", "check", path}}) {
      expect_refusal(arguments, {path});
    }
  }
}

}  // namespace
}  // namespace qloom::test
