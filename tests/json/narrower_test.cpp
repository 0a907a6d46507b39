// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <gtest/gtest.h>

#include "host/json/schema.hpp"

namespace qloom::json {
namespace {

bool narrower(const char* narrow, const char* wide) {
  return is_narrower(Json::parse(narrow), Json::parse(wide));
}

TEST(Narrower, BoundsMayOnlyMoveInwards) {
  const char* wide = R"({"type": "number", "minimum": 0, "exclusiveMaximum": 8})";
  for (const char* narrow :
       {wide, R"({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 8})",
        R"({"type": "integer", "minimum": 1, "maximum": 7.5})"}) {
    EXPECT_TRUE(narrower(narrow, wide)) << narrow;
  }
  for (const char* narrow :
       {R"({"type": "number", "minimum": 0})", R"({"type": "number", "minimum": 0, "maximum": 8})",
        R"({"type": "number", "minimum": -1, "maximum": 4})", R"({"minimum": 0, "maximum": 4})",
        R"({"type": "string", "minimum": 0, "maximum": 4})"}) {
    EXPECT_FALSE(narrower(narrow, wide)) << narrow;
  }
  EXPECT_FALSE(narrower(R"({"type": "number", "minimum": 0})",
                        R"({"type": "number", "exclusiveMinimum": 0})"));
}

TEST(Narrower, ValuesOfAListAreAskedOneByOne) {
  const char* wide = R"({"oneOf": [{"enum": ["auto", true]}, {"type": "integer", "minimum": 1}]})";
  EXPECT_TRUE(narrower(R"({"enum": [true, 3]})", wide));
  EXPECT_FALSE(narrower(R"({"enum": [true, 0]})", wide));
  EXPECT_FALSE(narrower(R"({"enum": [false]})", wide));
  EXPECT_FALSE(narrower(R"({"type": "boolean"})", wide));
}

TEST(Narrower, EachBranchNeedsAPlace) {
  const char* wide = R"({"oneOf": [{"enum": ["auto"]}, {"type": "number", "minimum": 0}]})";
  EXPECT_TRUE(narrower(wide, wide));
  EXPECT_TRUE(narrower(R"({"type": "integer", "minimum": 2})", wide));
  EXPECT_TRUE(narrower(R"({"oneOf": [{"type": "integer", "minimum": 2}]})", wide));
  EXPECT_FALSE(narrower(R"({"oneOf": [{"enum": ["auto"]}, {"type": "number"}]})", wide));
  EXPECT_FALSE(narrower(R"({"oneOf": [{"type": "string"}]})", wide));
}

TEST(Narrower, OtherWordsMustBeTheSame) {
  const char* wide = R"({"type": "object", "required": ["group"], "description": "a"})";
  EXPECT_TRUE(narrower(R"({"type": "object", "required": ["group"], "default": 1})", wide));
  EXPECT_FALSE(narrower(R"({"type": "object", "required": []})", wide));
  EXPECT_FALSE(narrower(R"({"type": "object", "required": ["group"], "minProperties": 1})", wide));
}

}  // namespace
}  // namespace qloom::json
