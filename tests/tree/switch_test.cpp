// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A switch over one of our own enums names every value: with a "default:" a new value would compile
// and be wrong. Switches over numbers and characters may have one.
#include <gtest/gtest.h>

#include "tests/tree/sources.hpp"

namespace qloom::test {
namespace {

/// Lines of a "default:" that stands in a switch one of whose cases is an enumerator of ours:
/// kName, or QLOOM_NAME of the interface to plugins.
std::vector<std::size_t> silent_defaults(const std::string& text) {
  struct Block {
    bool is_switch = false, has_enumerator = false;
    std::vector<std::size_t> defaults;
  };
  static const std::regex token(
      R"(\{|\}|\n|\bswitch\b|\bcase\s+(?:\w+::)*(?:(k[A-Z]\w*|QLOOM_\w+))?|\bdefault\s*:)");
  const std::string code = code_of(text);
  std::vector<Block> blocks(1);
  std::vector<std::size_t> found;
  std::size_t line = 1;
  bool opens_switch = false;
  for (std::sregex_iterator i(code.begin(), code.end(), token), end; i != end; ++i) {
    const std::string word = i->str();
    if (word == "{") {
      blocks.push_back({opens_switch, false, {}});
      opens_switch = false;
    } else if (word == "}") {
      if (blocks.size() == 1) continue;
      const Block& last = blocks.back();
      if (last.has_enumerator)
        found.insert(found.end(), last.defaults.begin(), last.defaults.end());
      blocks.pop_back();
    } else if (word == "switch") {
      opens_switch = true;
    } else if (word.starts_with("case")) {
      const auto in = std::find_if(blocks.rbegin(), blocks.rend(),
                                   [](const Block& block) { return block.is_switch; });
      if (in != blocks.rend() && (*i)[1].matched) in->has_enumerator = true;
    } else if (word.starts_with("default")) {
      const auto in = std::find_if(blocks.rbegin(), blocks.rend(),
                                   [](const Block& block) { return block.is_switch; });
      if (in != blocks.rend()) in->defaults.push_back(line);
    }
    line += static_cast<std::size_t>(std::count(word.begin(), word.end(), '\n'));
  }
  return found;
}

TEST(Switch, TheSearchFindsDefaultsOverOurEnumsAndNoOthers) {
  using Lines = std::vector<std::size_t>;
  EXPECT_EQ(silent_defaults("switch (t) {\n case Type::kA: f(); break;\n default: g();\n}"),
            Lines({3}));
  EXPECT_EQ(silent_defaults("switch (t) {\n default: g();\n case QLOOM_F32: { f(); }\n}"),
            Lines({2}));
  EXPECT_EQ(silent_defaults("switch (c) {\n case 'a': f(); break;\n default: g();\n}"), Lines());
  EXPECT_EQ(silent_defaults("switch (t) {\n case kA: f(); // default: all else\n}"), Lines());
  EXPECT_EQ(silent_defaults("switch (c) {\n case 1:\n  switch (t) {\n   case kB: break;\n  }\n"
                            " default: g();\n}"),
            Lines());
}

TEST(Switch, OverOurOwnEnumsNamesEveryValue) {
  std::size_t files = 0;
  for (const char* folder : kFolders) {
    for (const fs::path& file : sources(folder)) {
      if (file.filename() == "switch_test.cpp") continue;
      ++files;
      for (const std::size_t line : silent_defaults(text_of(file))) {
        ADD_FAILURE() << file.string() << ":" << line
                      << ": default: in a switch over an enum; name the values that are left";
      }
    }
  }
  EXPECT_GT(files, 300U);
}

}  // namespace
}  // namespace qloom::test
