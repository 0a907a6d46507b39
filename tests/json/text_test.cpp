// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/json/text.hpp"

#include <string>

#include <gtest/gtest.h>

#include "host/tensor/error.hpp"

namespace qloom::json {
namespace {

std::string refusal(const std::string& text) {
  try {
    return "accepted: " + parse(text, "a.json").dump();
  } catch (const InputError& error) {
    return error.what();
  }
}

TEST(Parse, AKeyThatStandsTwiceIsRefusedWithItsPlace) {
  EXPECT_EQ(refusal(R"({"a": 1, "a": 1})"), "a.json: the key \"a\" stands twice");
  EXPECT_EQ(refusal(R"({"rules": [{}, {"x/y": {"b": 1, "c": 2, "b": 3}}]})"),
            "a.json: /rules/1/x~1y: the key \"b\" stands twice");
  EXPECT_EQ(refusal(R"([{"a": 1}, {"a": 2}])"), R"(accepted: [{"a":1},{"a":2}])");
}

TEST(Parse, WhatIsNotJsonIsRefusedWithLineAndColumn) {
  for (const char* text : {"", "{", "{} {}", "[1,]", "// c\n1", "{\"a\": 1 /* c */}", "NaN",
                           "[-Infinity]", "[1e999]", "\"\xff\"", "'a'", "01", "{a: 1}"}) {
    const std::string message = refusal(text);
    EXPECT_EQ(message.rfind("a.json: ", 0), 0U) << text << " " << message;
    EXPECT_NE(message.find("; expected JSON"), std::string::npos) << text << " " << message;
    EXPECT_EQ(message.find("json.exception"), std::string::npos) << message;
  }
  EXPECT_NE(refusal("{\n  \"a\": x}").find("line 2, column 8"), std::string::npos);
}

TEST(Parse, NoMessageHoldsAControlCharacter) {
  const std::string message = refusal("{\"a\x1b[2J\": 1}");
  EXPECT_EQ(message.find('\x1b'), std::string::npos) << message;
  EXPECT_EQ(refusal("{\"a\\u001b\": 1, \"a\\u001b\": 2}").find('\x1b'), std::string::npos);
}

TEST(Parse, AHundredLevelsAreReadAndOneMoreIsNot) {
  const auto nested = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
  EXPECT_EQ(refusal(nested(100)), "accepted: " + nested(100));
  EXPECT_NE(refusal(nested(101)).find("more than 100 levels"), std::string::npos);
}

TEST(Parse, MoreThanTheMostBytesAreRefusedUnread) {
  const std::string text(kMostBytes + 1, ' ');
  EXPECT_EQ(refusal(text), "a.json: 268435457 bytes; JSON of at most 268435456 bytes is read");
}

TEST(ParseOrText, TextThatIsNoJsonIsAString) {
  EXPECT_EQ(parse_or_text("8", "x"), Json(8));
  EXPECT_EQ(parse_or_text("[1, {\"a\": null}]", "x"), Json({1, {{"a", nullptr}}}));
  EXPECT_EQ(parse_or_text("channel", "x"), Json("channel"));
  EXPECT_EQ(parse_or_text("NaN", "x"), Json("NaN"));
  EXPECT_EQ(parse_or_text("", "x"), Json(""));
}

TEST(ParseOrText, AmbiguousJsonAndBytesThatAreNoUtf8AreRefused) {
  const auto refused = [](const std::string& text) -> std::string {
    try {
      return "accepted: " + parse_or_text(text, "--set").dump();
    } catch (const InputError& error) {
      return error.what();
    }
  };
  EXPECT_EQ(refused(R"({"a": 1, "a": 2})"), "--set: the key \"a\" stands twice");
  EXPECT_EQ(refused("caf\xe9"), "--set: \"caf\\xe9\" is not UTF-8");
}

TEST(RequireKnownFormat, NewerOnesAreRefusedWithBothNumbers) {
  const auto refused = [](const Json& document) -> std::string {
    try {
      require_known_format(document, 2, "a.json: ");
      return "accepted";
    } catch (const InputError& error) {
      return error.what();
    }
  };
  EXPECT_EQ(refused({{"format", 3}}), "a.json: /format: 3 is newer than 2, the newest known");
  EXPECT_EQ(refused({{"format", 2}}), "accepted");
  EXPECT_EQ(refused({{"format", "3"}}), "accepted") << "the schema says what is wrong with it";
  EXPECT_EQ(refused(Json::array()), "accepted");
}

}  // namespace
}  // namespace qloom::json
