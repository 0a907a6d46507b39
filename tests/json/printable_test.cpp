// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/json/printable.hpp"

#include <gtest/gtest.h>

namespace qloom::json {
namespace {

TEST(Printable, EscapesControlCharactersOfEveryKind) {
  EXPECT_EQ(printable("\x1b[2Jgone\r\n\tx\x7f"), "\\x1b[2Jgone\\r\\n\\tx\\x7f");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "\\x9b31m")
      << "C1: CSI in one character";
  EXPECT_EQ(printable("\xe2\x80\xae"
                      "txt.exe"),
            "\\u202etxt.exe")
      << "right-to-left override";
}

TEST(Printable, LeavesTextAsItIs) {
  const std::string text = "alpha = \xce\xb1, 2\xe2\x81\xbb\xc2\xb3, \xf0\x9f\x99\x82 \"quoted\\\"";
  EXPECT_EQ(printable(text), text);
}

TEST(Printable, EscapesBytesThatAreNoUtf8) {
  EXPECT_EQ(printable("\xff\xc3("), "\\xff\\xc3(");
  EXPECT_EQ(printable("\xc0\x80"), "\\xc0\\x80") << "an overlong form of NUL";
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "half of a surrogate pair";
  EXPECT_EQ(printable("\xe2\x82"), "\\xe2\\x82") << "cut off";
}

TEST(PrintableJson, ReadsBackAsTheSameValue) {
  const nlohmann::json value{{"a\x1b", {"\xc2\x9b", "\x7f", "line\n", "\xe2\x80\xae"}}};
  const std::string text = printable_json(value, 2);
  EXPECT_EQ(nlohmann::json::parse(text), value);
  for (const char c : text) EXPECT_TRUE(c == '\n' || (c >= 0x20 && c < 0x7F)) << int{c};
}

TEST(PrintableJson, TakesBytesThatAreNoUtf8) {
  EXPECT_EQ(nlohmann::json::parse(printable_json("\xff", -1)), "\xef\xbf\xbd");
}

}  // namespace
}  // namespace qloom::json
