// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/json/edit.hpp"

#include <gtest/gtest.h>

namespace qloom::json {
namespace {

TEST(Edited, ChangesKeysAndValuesAndLeavesEveryOtherByte) {
  const std::string text =
      "{\r\n\t\"a\" : [ { \"x\":1 ,\"y\\\"}\" : {\"x\": [true]} } ],\n    \"x\": \"x\\\\\" }\n\n";
  EXPECT_EQ(edited(text, {}), text);
  EXPECT_EQ(edited(text, {{"/a/0", "x", "new", {}}, {"", "x", "z", {}}}),
            "{\r\n\t\"a\" : [ { \"new\":1 ,\"y\\\"}\" : {\"x\": [true]} } ],\n    \"z\": \"x\\\\\" "
            "}\n\n");
  EXPECT_EQ(edited(text, {{"/a/0/y\"}", "x", "w", Json("clipped")}}),
            "{\r\n\t\"a\" : [ { \"x\":1 ,\"y\\\"}\" : {\"w\": \"clipped\"} } ],\n    \"x\": "
            "\"x\\\\\" }\n\n");
}

TEST(Edited, FindsKeysThatPointersWriteOtherwise) {
  EXPECT_EQ(edited(R"({"a/b": {"c~d": 1e3}})", {{"/a~1b", "c~d", "e", {}}}),
            R"({"a/b": {"e": 1e3}})");
  EXPECT_EQ(edited("\xEF\xBB\xBF{\"\\u0061\":-0.5}", {{"", "a", "b", Json(2)}}),
            "\xEF\xBB\xBF{\"b\":2}");
}

TEST(Edited, WhatIsNotThereIsNotChanged) {
  for (const char* text : {"1", "[]", "{}", "[[1],{}]", R"({"a": []})", "\"a\""}) {
    EXPECT_EQ(edited(text, {{"/a", "x", "y", {}}, {"", "x", "y", Json(1)}}), text);
  }
}

}  // namespace
}  // namespace qloom::json
