// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <gtest/gtest.h>

#include <string>

#include "host/json/validate.hpp"
#include "host/tensor/error.hpp"

namespace qloom::json {
namespace {

const Json kQuantizer = Json::parse(R"({
  "$schema": "http://json-schema.org/draft-07/schema#", "$id": "qloom:test/1",
  "type": "object", "additionalProperties": false, "required": ["bits"],
  "properties": {
    "bits": {"type": "integer", "minimum": 1, "maximum": 16},
    "momentum": {"type": "number", "exclusiveMinimum": 0, "maximum": 1, "default": 0.1},
    "granularity": {"oneOf": [{"enum": ["tensor", "channel"]},
                              {"type": "object", "additionalProperties": false,
                               "required": ["group"],
                               "properties": {"group": {"type": "integer", "minimum": 1}}}],
                    "default": "tensor"},
    "symmetric": {"type": "boolean", "default": true},
    "name": {"type": "string", "pattern": "^[a-z]+$"},
    "levels": {"type": "array", "minItems": 2, "items": {"type": "number"}}
  }})");

/// The message of a refusal, "accepted" when there is none.
std::string refusal(const Json& schema, const std::string& value,
                    const std::string& where = "a.json: /rules/2/quantizer") {
  try {
    static_cast<void>(validate(schema, Json::parse(value), where));
    return "accepted";
  } catch (const InputError& e) {
    return e.what();
  }
}

TEST(Validate, ValueAboveTheMaximumIsNamedWithItsPlaceAndBounds) {
  EXPECT_EQ(refusal(kQuantizer, R"({"bits": 17})"),
            "a.json: /rules/2/quantizer/bits: 17 is above the maximum 16; expected an integer from "
            "1 to 16");
  EXPECT_EQ(refusal(kQuantizer, R"({"bits": 0})"),
            "a.json: /rules/2/quantizer/bits: 0 is below the minimum 1; expected an integer from "
            "1 to 16");
  EXPECT_EQ(refusal(kQuantizer, R"({"bits": 1})"), "accepted");
  EXPECT_EQ(refusal(kQuantizer, R"({"bits": 16})"), "accepted");
}

/// The checker of schemas holds integers in 63 bits and a sign.
TEST(Validate, IntegersOfMoreThan63BitsAreNamedWithTheTrueBound) {
  const Json seed = Json::parse(R"({"type": "integer", "minimum": 0})");
  const Json number =
      Json::parse(R"({"type": "array", "items": {"type": "number", "minimum": 0}})");
  EXPECT_EQ(refusal(seed, "9223372036854775807", "s: "), "accepted");
  for (const char* value : {"9223372036854775808", "18446744073709551615"}) {
    EXPECT_EQ(refusal(seed, value, "s: "),
              "s: " + std::string(value) +
                  " is above the maximum 9223372036854775807; expected an integer of at least 0");
    EXPECT_EQ(refusal(number, "[" + std::string(value) + "]", "s: "), "accepted");
  }
  EXPECT_EQ(refusal(kQuantizer, R"({"bits": 9223372036854775808})"),
            "a.json: /rules/2/quantizer/bits: 9223372036854775808 is above the maximum 16; "
            "expected an integer from 1 to 16");
}

TEST(Validate, ExclusiveBoundsAreOutside) {
  EXPECT_EQ(refusal(kQuantizer, R"({"bits": 8, "momentum": 0})"),
            "a.json: /rules/2/quantizer/momentum: 0 is not above 0; expected a number of at most 1 "
            "above 0");
  EXPECT_EQ(refusal(kQuantizer, R"({"bits": 8, "momentum": 1.0})"), "accepted");
}

TEST(Validate, WrongTypeSaysWhatWasExpected) {
  EXPECT_EQ(refusal(kQuantizer, R"({"bits": "8"})"),
            "a.json: /rules/2/quantizer/bits: \"8\" is not an integer from 1 to 16");
  EXPECT_EQ(refusal(kQuantizer, R"({"bits": 7.5})"),
            "a.json: /rules/2/quantizer/bits: 7.5 is not an integer from 1 to 16");
  EXPECT_EQ(refusal(kQuantizer, R"({"bits": 8, "symmetric": 1})"),
            "a.json: /rules/2/quantizer/symmetric: 1 is not true or false");
  EXPECT_EQ(refusal(kQuantizer, "[]"),
            "a.json: /rules/2/quantizer: [] is not an object with \"bits\"");
}

TEST(Validate, UnknownKeyNamesTheNearestOne) {
  EXPECT_EQ(refusal(kQuantizer, R"({"bist": 8})"),
            "a.json: /rules/2/quantizer/bist: unknown key \"bist\", did you mean \"bits\"?");
  const std::string far = refusal(kQuantizer, R"({"bits": 8, "zzzzzz": 1})");
  EXPECT_NE(far.find("unknown key \"zzzzzz\"; known keys: \"bits\""), std::string::npos) << far;
}

TEST(Validate, MissingKeySaysWhatBelongsThere) {
  EXPECT_EQ(refusal(kQuantizer, "{}"),
            "a.json: /rules/2/quantizer: missing key \"bits\"; expected an integer from 1 to 16");
  EXPECT_EQ(refusal(kQuantizer, "{}", "a.json: "),
            "a.json: missing key \"bits\"; expected an integer from 1 to 16");
}

TEST(Validate, AMissingKeyThatStandsThereMisspeltIsRecognised) {
  const Json open = Json::parse(R"({"type": "object", "required": ["plugin"],
                                    "properties": {"plugin": {"type": "string"}}})");
  EXPECT_EQ(refusal(open, R"({"plugn": "affine", "bits": 4})", "x"),
            "x: missing key \"plugin\"; expected a string, did you mean it by \"plugn\"?");
  EXPECT_EQ(refusal(open, R"({"bits": 4})", "x"), "x: missing key \"plugin\"; expected a string");
}

TEST(Validate, AlternativesAreToldUnlessOneIsMeant) {
  EXPECT_EQ(refusal(kQuantizer, R"({"bits": 8, "granularity": 3})"),
            "a.json: /rules/2/quantizer/granularity: 3 is not one of \"tensor\", \"channel\" or "
            "an object with \"group\"");
  EXPECT_EQ(refusal(kQuantizer, R"({"bits": 8, "granularity": {"group": 0}})"),
            "a.json: /rules/2/quantizer/granularity/group: 0 is below the minimum 1; expected an "
            "integer of at least 1");
  EXPECT_EQ(refusal(kQuantizer, R"({"bits": 8, "granularity": {"group": 64}})"), "accepted");
}

TEST(Validate, EnumNamesTheNearestWord) {
  const Json schema = Json::parse(R"({"enum": ["tensor", "channel"]})");
  EXPECT_EQ(refusal(schema, R"("chanel")", "x"),
            "x: \"chanel\" is not one of \"tensor\", \"channel\", did you mean \"channel\"?");
}

TEST(Validate, StringsAndArraysAreChecked) {
  EXPECT_EQ(refusal(kQuantizer, R"({"bits": 8, "name": "A1"})"),
            "a.json: /rules/2/quantizer/name: \"A1\" is not a string that matches ^[a-z]+$");
  EXPECT_EQ(refusal(kQuantizer, R"({"bits": 8, "levels": [1]})"),
            "a.json: /rules/2/quantizer/levels: [1] has 1 items; expected at least 2");
  EXPECT_EQ(refusal(kQuantizer, R"({"bits": 8, "levels": [1, "b"]})"),
            "a.json: /rules/2/quantizer/levels/1: \"b\" is not a number");
}

TEST(Validate, KeyWithSlashAndTildeIsEscapedInThePointer) {
  EXPECT_EQ(refusal(Json::parse(R"({"additionalProperties": {"type": "null"}})"), R"({"a/b~c": 1})",
                    "f: "),
            "f: /a~1b~0c: 1 is not null");
}

TEST(Validate, ReferencesConditionsAndCombinationsAreFollowed) {
  const Json schema = Json::parse(R"({
    "definitions": {"rate": {"type": "number", "minimum": 0}},
    "allOf": [{"properties": {"a": {"$ref": "#/definitions/rate"}}}],
    "if": {"properties": {"type": {"const": "step"}}, "required": ["type"]},
    "then": {"required": ["factor"]},
    "not": {"required": ["forbidden"]},
    "dependencies": {"b": ["a"]}})");
  EXPECT_EQ(refusal(schema, R"({"a": -1})", "f: "),
            "f: /a: -1 is below the minimum 0; expected a number of at least 0");
  EXPECT_EQ(refusal(schema, R"({"type": "step"})", "f: "), "f: missing key \"factor\"");
  EXPECT_EQ(refusal(schema, R"({"b": 1})", "f: "), "f: key \"b\" needs the key \"a\" beside it");
  EXPECT_EQ(refusal(schema, R"({"type": "cosine", "a": 1, "b": 2})", "f: "), "accepted");
  EXPECT_NE(refusal(schema, R"({"forbidden": 1})", "f: "), "accepted");
}

TEST(Validate, DefaultsAreFilledInAtEveryDepth) {
  const Json schema = Json::parse(R"({
    "type": "object", "definitions": {"opt": {"type": "object", "properties": {
      "momentum": {"type": "number", "default": 0.9}}}},
    "properties": {
      "optimizer": {"$ref": "#/definitions/opt", "default": {}},
      "stages": {"type": "array", "items": {"$ref": "#/definitions/opt"}},
      "bits": {"type": "integer", "default": 8}}})");
  EXPECT_EQ(validate(schema, Json::parse(R"({"stages": [{}, {"momentum": 0}]})"), "f: "),
            Json::parse(R"({"bits": 8, "optimizer": {"momentum": 0.9},
                            "stages": [{"momentum": 0.9}, {"momentum": 0}]})"));
}

TEST(Validate, DefaultsOfABranchComeOnlyWhenItAloneFits) {
  const Json schema = Json::parse(R"({"anyOf": [
    {"required": ["a"], "properties": {"x": {"default": 1}}},
    {"required": ["b"], "properties": {"x": {"default": 2}}}]})");
  EXPECT_EQ(validate(schema, Json::parse(R"({"b": 0})"), "f: "),
            Json::parse(R"({"b": 0, "x": 2})"));
  EXPECT_EQ(validate(schema, Json::parse(R"({"a": 0, "b": 0})"), "f: "),
            Json::parse(R"({"a": 0, "b": 0})"));
}

TEST(Validate, GivenValuesAreKept) {
  const Json value = Json::parse(R"({"bits": 3, "momentum": 0.5, "granularity": "channel",
                                     "symmetric": false})");
  EXPECT_EQ(validate(kQuantizer, value, "f: "), value);
}

TEST(Validate, AnEndlessTextIsNotSearchedForAPattern) {
  const std::string text(1'000'000, 'a');  // <regex> would call itself for each character
  const Json value{{"bits", 8}, {"name", text}};
  EXPECT_NE(refusal(kQuantizer, value.dump()).find("has 1000000 characters; a text with a pattern"),
            std::string::npos);
}

}  // namespace
}  // namespace qloom::json
