// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/pipeline/overrides.hpp"

#include "tests/pipeline/workspace.hpp"

namespace qloom::test {
namespace {

Json changed(const std::string& document, const std::string& assignment) {
  Json json = Json::parse(document);
  pipeline::apply_override(json, assignment);
  return json;
}

TEST(Override, ReplacesAValue) {
  EXPECT_EQ(changed(R"({"seed": 1})", "/seed=7"), Json::parse(R"({"seed": 7})"));
}

TEST(Override, TakesAValueThatIsNotJsonAsAString) {
  EXPECT_EQ(changed(R"({"name": "a"})", "/name=two words")["name"], "two words");
  EXPECT_EQ(changed(R"({"name": "a"})", "/name=\"7\"")["name"], "7");
  EXPECT_EQ(changed(R"({"name": "a"})", "/name=")["name"], "");
}

TEST(Override, KeepsAnEqualsSignInTheValue) {
  EXPECT_EQ(changed("{}", "/name=a=b")["name"], "a=b");
}

TEST(Override, TakesObjectsArraysAndNull) {
  EXPECT_EQ(changed("{}", R"(/norm={"plugin": "range_bn"})")["norm"]["plugin"], "range_bn");
  EXPECT_EQ(changed("{}", "/a=[1, 2]")["a"], Json::parse("[1, 2]"));
  EXPECT_TRUE(changed(R"({"a": 1})", "/a=null")["a"].is_null());
}

TEST(Override, MakesObjectsOnTheWay) {
  EXPECT_EQ(changed("{}", "/data/train_limit=10"), Json::parse(R"({"data": {"train_limit": 10}})"));
}

TEST(Override, ReachesIntoArrays) {
  EXPECT_EQ(changed(R"({"rules": [{"a": 1}, {"a": 2}]})", "/rules/1/a=3"),
            Json::parse(R"({"rules": [{"a": 1}, {"a": 3}]})"));
}

TEST(Override, AppendsWithADash) {
  EXPECT_EQ(changed(R"({"rules": [1]})", "/rules/-=2"), Json::parse(R"({"rules": [1, 2]})"));
  EXPECT_EQ(changed(R"({"rules": [1]})", "/rules/-/site=bias"),
            Json::parse(R"({"rules": [1, {"site": "bias"}]})"));
}

TEST(Override, ReadsEscapedSlashAndTilde) {
  EXPECT_EQ(changed("{}", "/a~1b~0c=1"), Json::parse(R"({"a/b~c": 1})"));
}

TEST(Override, RefusesWhatIsNoAssignment) {
  for (const char* text : {"", "/seed", "seed=1", "=1"}) {
    EXPECT_EQ(input_error([&] { return changed("{}", text); }),
              "--set \"" + std::string(text) + "\": expected /json/pointer=value");
  }
}

TEST(Override, RefusesAnElementThatAnArrayDoesNotHave) {
  EXPECT_EQ(input_error([] { return changed(R"({"rules": [1, 2]})", "/rules/2=0"); }),
            "--set \"/rules/2=0\": \"2\" is no element of /rules, which has 2 items; "
            "expected 0 to 1 or \"-\"");
  EXPECT_EQ(input_error([] { return changed(R"({"rules": []})", "/rules/x=0"); }),
            "--set \"/rules/x=0\": \"x\" is no element of /rules, which has 0 items; "
            "expected \"-\"");
}

TEST(Override, RefusesToGoIntoAScalar) {
  EXPECT_EQ(input_error([] { return changed(R"({"seed": 1})", "/seed/x=0"); }),
            "--set \"/seed/x=0\": /seed is 1, not an object or array");
}

TEST(Override, RefusesABadEscape) {
  EXPECT_EQ(input_error([] { return changed("{}", "/a~2=0"); }),
            "--set \"/a~2=0\": \"~\" must be followed by 0 or 1 in a JSON pointer");
}

TEST(Override, AmbiguousValuesAndBytesThatAreNoUtf8AreRefused) {
  Json json = Json::object();
  for (const char* wrong : {R"(/a={"b": 1, "b": 2})", "/a=caf\xe9", "/caf\xe9=1"}) {
    EXPECT_THROW(pipeline::apply_override(json, wrong), InputError) << wrong;
  }
}

}  // namespace
}  // namespace qloom::test
