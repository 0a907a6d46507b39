// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Names that parameters had before.
#include "host/registry/aliases.hpp"

#include <gtest/gtest.h>

#include <fstream>

namespace qloom::registry {
namespace {

namespace fs = std::filesystem;

class Aliases : public testing::Test {
 protected:
  Aliases()
      : root_(fs::path(testing::TempDir()) /
              (std::string("qloom_aliases_") +
               testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::remove_all(root_);
    fs::create_directories(root_ / "range.a");
  }
  ~Aliases() override { fs::remove_all(root_); }

  [[nodiscard]] Registry registry(const std::string& aliases) const {
    std::ofstream(root_ / "range.a" / "plugin.json")
        << R"({"id": "a", "kind": "range", "version": "1.0.0", "summary": "s", "aliases": )" +
               aliases + R"(, "parameters": {"type": "object", "additionalProperties": false,
               "properties": {"rate_factor": {"$ref": "qloom:parameters#/rate_factor"},
                 "ste": {"$ref": "qloom:parameters#/ste", "enum": ["clipped", "identity"]}, "list": {"type": "array",
                   "items": {"type": "integer"}}}}})";
    return Registry({root_});
  }
  [[nodiscard]] Registry usual() const {
    return registry(R"({"lr/mult": "rate_factor", "lr_mult": "rate_factor", "numbers": "list",
        "clip": {"name": "ste", "values": [{"from": true, "to": "clipped"},
                                           {"from": false, "to": "identity"}]}})");
  }
  static std::string refusal(const Registry& registry, const std::string& params) {
    try {
      return "accepted: " +
             registry.resolve_parameters(registry.methods().front(), Json::parse(params), "p: /r")
                 .dump();
    } catch (const InputError& e) {
      return e.what();
    }
  }
  void expect_unsound(const std::string& aliases, const std::string& what) const {
    try {
      static_cast<void>(registry(aliases));
      ADD_FAILURE() << aliases << " was accepted";
    } catch (const InputError& e) {
      EXPECT_EQ(std::string(e.what()),
                (root_ / "range.a" / "plugin.json").string() + ": /aliases/" + what);
    }
  }

  fs::path root_;
};

TEST_F(Aliases, OldNamesAndValuesBecomePresentOnes) {
  const Registry all = usual();
  const Method& method = all.methods().front();
  const Json written = Json::parse(R"({"lr/mult": 0.5, "clip": false, "list": [1]})");
  const CurrentNames now = current_names(method, written, "p: /r");
  EXPECT_EQ(now.params, Json::parse(R"({"rate_factor": 0.5, "ste": "identity", "list": [1]})"));
  ASSERT_EQ(now.old_names.size(), 2U);
  EXPECT_EQ(now.written("ste"), "clip");
  EXPECT_EQ(now.written("rate_factor"), "lr/mult");
  EXPECT_EQ(now.written("list"), "list");
  EXPECT_EQ(all.resolve_parameters(method, written, ""), now.params);
  EXPECT_TRUE(current_names(method, now.params, "").old_names.empty());
}

TEST_F(Aliases, ARefusalNamesThePlaceThatWasWritten) {
  const Registry all = usual();
  const std::pair<const char*, const char*> faults[] = {
      {R"({"lr_mult": 1, "rate_factor": 1})",
       "p: /r/lr_mult: \"lr_mult\" is the old name of \"rate_factor\", which is there too as "
       "\"rate_factor\"; expected one of them"},
      {R"({"lr_mult": 1, "lr/mult": 1})",
       "p: /r/lr_mult: \"lr_mult\" is the old name of \"rate_factor\", which is there too as "
       "\"lr/mult\"; expected one of them"},
      {R"({"lr_mult": -1})", "p: /r/lr_mult: -1 is below the minimum 0; expected"},
      {R"({"lr/mult": "x"})", "p: /r/lr~1mult: \"x\" is not a number"},
      {R"({"numbers": [1, "x"]})", "p: /r/numbers/1: \"x\" is not an integer"},
      {R"({"clip": "clipped"})", "p: /r/clip: \"clipped\" is not one of true, false"}};
  for (const auto& [params, part] : faults) {
    EXPECT_EQ(refusal(all, params).rfind(part, 0), 0U) << refusal(all, params);
  }
}

TEST_F(Aliases, ThatLeadNowhereAreRefusedWithTheManifest) {
  expect_unsound(R"({"old": "rate_factr"})",
                 "old: \"rate_factr\" is no parameter of \"a\", did you mean \"rate_factor\"?");
  expect_unsound(R"({"ste": "rate_factor"})",
                 "ste: is a parameter itself; expected a name that is no longer one");
  expect_unsound(R"({"o": {"name": "ste", "values": [{"from": 1, "to": "clip"}]}})",
                 "o/values/0/to: \"clip\" is not one of \"clipped\", \"identity\", did you mean "
                 "\"clipped\"?");
  expect_unsound(R"({"o": {"nam": "ste"}})", "o/nam: unknown key \"nam\", did you mean \"name\"?");
}

TEST_F(Aliases, AMethodsObjectOfAnEarlierVersionIsRenewed) {
  const Registry all = usual();
  EXPECT_EQ(renewed(all, "range", Json::parse(R"({"plugin": "a", "lr_mult": 2})")),
            Json::parse(R"({"plugin": "a", "rate_factor": 2, "ste": "clipped"})"));
  for (const char* kept : {R"({"plugin": "b", "lr_mult": 2})", R"({"plugin": "a", "other": 2})",
                           R"({"plugin": 1})", R"([1])", "null", R"({"lr_mult": 2})"}) {
    EXPECT_EQ(renewed(all, "range", Json::parse(kept)), Json::parse(kept));
  }
}

}  // namespace
}  // namespace qloom::registry
