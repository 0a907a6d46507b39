// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/data/arrays/array_reader.hpp"

#include <cmath>
#include <limits>

#include "tests/data/files.hpp"

namespace qloom::data {
namespace {

Arrays one(const std::string& name, Array array) { return {{name, std::move(array)}}; }

std::vector<float> weights(const Arrays& arrays, const Shape& shape, RoundedValues* rounded = {}) {
  ArrayReader reader(arrays, "w.npz");
  std::vector<float> values = reader.read_weights("w", shape);
  if (rounded != nullptr) *rounded = reader.rounded();
  return values;
}

TEST(ArrayReader, RoundsFloat64ToTheNearestFloat32AndCountsWhatChanged) {
  // 1 + 2^-24 is a tie and goes to the even 1; 1 + 3 * 2^-24 to the even 1 + 2^-22.
  const Arrays arrays = one(
      "w",
      {{4}, std::vector<double>{0.5, 0.1, 1 + std::ldexp(1.0, -24), 1 + 3 * std::ldexp(1.0, -24)}});
  RoundedValues rounded;
  EXPECT_EQ(weights(arrays, {4}, &rounded),
            (std::vector<float>{0.5F, 0.1F, 1.0F, 1.0F + std::ldexp(1.0F, -22)}));
  EXPECT_EQ(rounded.values, 4U);
  EXPECT_EQ(rounded.inexact, 3U);
  EXPECT_EQ(rounded.text(),
            "3 of 4 float64 values are no float32 numbers and were rounded to the nearest");
}

TEST(ArrayReader, SaysNothingAboutFloat64ThatFloat32Holds) {
  RoundedValues rounded;
  static_cast<void>(weights(one("w", {{2}, std::vector<double>{-0.0, 0x1p-149}}), {2}, &rounded));
  EXPECT_EQ(rounded.text(), "");
}

TEST(ArrayReader, TakesIntegersUpToTwoToThe24) {
  constexpr std::int32_t kLargest = 1 << 24;
  EXPECT_EQ(weights(one("w", {{2}, std::vector<std::int32_t>{-kLargest, kLargest}}), {2}),
            (std::vector<float>{-0x1p24F, 0x1p24F}));
  EXPECT_EQ(weights(one("w", {{1}, std::vector<std::uint8_t>{255}}), {1}),
            (std::vector<float>{255}));
  for (const std::int64_t wide : {kLargest + 1L, -kLargest - 1L, 1L << 62}) {
    const Arrays arrays = one("w", {{1, 2}, std::vector<std::int64_t>{0, wide}});
    expect_has(input_error([&] {
                 static_cast<void>(weights(arrays, {1, 2}));
               }),
               {"w.npz: array \"w\": element [0, 1] is " + std::to_string(wide), "2^24"});
  }
}

TEST(ArrayReader, RefusesWhatWouldBeInfiniteAndWhatIsNotFinite) {
  for (const double x : {1e39, -1e300, std::numeric_limits<double>::infinity(),
                         std::numeric_limits<double>::quiet_NaN()}) {
    const Arrays arrays = one("w", {{2}, std::vector<double>{0, x}});
    expect_has(input_error([&] { static_cast<void>(weights(arrays, {2})); }),
               {"w.npz: array \"w\": element [1] is ", "expected"});
  }
  // The largest double that rounds to a finite float32: just below the middle to 2^128.
  const double largest = std::nextafter(0x1.ffffffp127, 0);
  EXPECT_EQ(weights(one("w", {{1}, std::vector<double>{largest}}), {1})[0],
            std::numeric_limits<float>::max());
  const Arrays next = one("w", {{1}, std::vector<double>{0x1.ffffffp127}});
  expect_has(input_error([&] { static_cast<void>(weights(next, {1})); }), {"3.4028235e+38"});
}

TEST(ArrayReader, NamesFileArrayAndBothTypesAndShapes) {
  const Arrays arrays{{"a", {{2, 3}, std::vector<double>(6)}}, {"b", {{0}, std::vector<float>()}}};
  ArrayReader reader(arrays, "c.npz");
  EXPECT_EQ(input_error([&] {
              static_cast<void>(reader.read<float>("a", {3, 2}));
            }),
            "c.npz: array \"a\" is float64 (2, 3), expected float32 (3, 2)");
  EXPECT_EQ(input_error([&] {
              static_cast<void>(reader.read<float>("a", {2, 3}));
            }),
            "c.npz: array \"a\" is float64 (2, 3), expected float32 (2, 3)");
  EXPECT_EQ(input_error([&] { static_cast<void>(reader.read<float>("b", {6})); }),
            "c.npz: array \"b\" is float32 (0,), expected float32 (6,)");
  EXPECT_EQ(input_error([&] { static_cast<void>(reader.read_list<float>("a")); }),
            "c.npz: array \"a\" is float64 (2, 3), expected float32 with one axis");
  EXPECT_EQ(input_error([&] { static_cast<void>(reader.read_weights("a", {6})); }),
            "c.npz: array \"a\" is float64 (2, 3), expected float32 (6,)");
}

TEST(ArrayReader, NamesTheNearestArrayWhenOneIsMissing) {
  const Arrays arrays{{"parameter/dence1/weight", {{1}, std::vector<float>{1}}}};
  ArrayReader reader(arrays, "w.npz");
  EXPECT_EQ(
      input_error([&] { static_cast<void>(reader.read_weights("parameter/dense1/weight", {1})); }),
      "w.npz: array \"parameter/dense1/weight\" is missing, expected float32 (1,), "
      "did you mean \"parameter/dence1/weight\"?");
}

TEST(ArrayReader, KnowsWhatNobodyRead) {
  const std::vector<float> x{1};
  const Arrays arrays{{"a", {{1}, x}}, {"b/c", {{1}, x}}, {"b/d", {{1}, x}}, {"e", {{1}, x}}};
  ArrayReader reader(arrays, "w.npz");
  static_cast<void>(reader.read<float>("a", {1}));
  EXPECT_EQ(reader.unread(), (std::vector<std::string>{"b/c", "b/d", "e"}));
  EXPECT_EQ(reader.read_below("b/").size(), 2U);
  EXPECT_EQ(reader.unread(), (std::vector<std::string>{"e"}));
}

TEST(ArrayReader, TextIsReadAsStrictlyAsAFile) {
  const auto read = [](const std::string& text) -> std::string {
    const Arrays arrays = one("w", {{static_cast<std::int64_t>(text.size())},
                                    std::vector<std::uint8_t>(text.begin(), text.end())});
    ArrayReader reader(arrays, "w.npz");
    try {
      return reader.read_json("w").dump();
    } catch (const InputError& error) {
      return error.what();
    }
  };
  EXPECT_EQ(read(R"({"a": [1]})"), R"({"a":[1]})");
  EXPECT_EQ(read(R"({"a": 1, "a": 2})"), "w.npz: array \"w\": the key \"a\" stands twice");
  EXPECT_EQ(read("{").rfind("w.npz: array \"w\": parse error at line 1", 0), 0U) << read("{");
}

}  // namespace
}  // namespace qloom::data
