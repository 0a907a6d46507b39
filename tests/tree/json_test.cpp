// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// JSON is read in host/json and nowhere else, so that every file is read equally strictly.
#include <gtest/gtest.h>

#include "tests/tree/sources.hpp"

namespace qloom::test {
namespace {

/// What of the libraries' own reading and checking a text uses.
std::vector<std::string> own_reading(const std::string& text) {
  static const std::regex use(
      R"(\b(?:Json|nlohmann::json|basic_json\s*<[^;]*>)::(?:parse|accept|sax_parse|from_\w+)\s*\()"
      R"(|#\s*include\s*[<"](?:nlohmann|valijson)/[^>"]*)");
  std::vector<std::string> found;
  for (std::sregex_iterator i(text.begin(), text.end(), use), end; i != end; ++i) {
    found.push_back(i->str());
  }
  return found;
}

TEST(JsonHouse, TheSearchKnowsReadingWhenItSeesIt) {
  EXPECT_EQ(own_reading("const auto a = Json::parse(text);").size(), 1U);
  EXPECT_EQ(own_reading("json::Json::parse(a.begin(), a.end(), nullptr, false)").size(), 1U);
  EXPECT_EQ(own_reading("nlohmann::json::from_cbor(bytes)").size(), 1U);
  EXPECT_EQ(own_reading("#include <nlohmann/json.hpp>").size(), 1U);
  EXPECT_TRUE(
      own_reading("json::parse(text, name); Json::object(); app.parse(argc, argv)").empty());
}

TEST(JsonHouse, NobodyElseInTheHostReadsJson) {
  std::size_t files = 0;
  for (const fs::path& file : sources("host")) {
    if (file.string().starts_with("host/json/")) continue;
    ++files;
    for (const std::string& use : own_reading(text_of(file))) ADD_FAILURE() << file << ": " << use;
  }
  EXPECT_GT(files, 150U);
}

}  // namespace
}  // namespace qloom::test
