// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The source tree as its tests read it.
#pragma once

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <regex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qloom::test {
namespace fs = std::filesystem;

inline const fs::path kRoot = QLOOM_SOURCE_DIR;

/// Folders of the root that hold C and C++.
inline constexpr std::array kFolders = {"host", "sdk", "plugins", "examples", "tests"};

inline bool is_header(const fs::path& file) {
  return file.extension() == ".hpp" || file.extension() == ".h";
}

/// Files of C and C++ below a folder, relative to the root, sorted.
inline std::vector<fs::path> sources(const std::string& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
    const std::string ending = entry.path().extension();
    if (is_header(entry.path()) || ending == ".cpp" || ending == ".c") {
      files.push_back(fs::relative(entry.path(), kRoot));
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

inline std::string text_of(const fs::path& file) {
  std::ifstream text(kRoot / file);
  return {std::istreambuf_iterator<char>(text), std::istreambuf_iterator<char>()};
}

/// Where a comment, string, character or line of the preprocessor ends that begins at i; i where
/// none does.
inline std::size_t end_of_other(const std::string& text, std::size_t i) {
  const auto after = [&](std::string_view what, std::size_t from) {
    const std::size_t found = text.find(what, from);
    return found == std::string::npos ? text.size() : found + what.size();
  };
  const auto line_end = [&](std::size_t from) {
    std::size_t end = std::min(text.find('\n', from), text.size());
    while (end < text.size() && text[end - 1] == '\\') {
      end = std::min(text.find('\n', end + 1), text.size());
    }
    return end;
  };
  const auto is_word = [&](std::size_t at) {
    return at < text.size() && (std::isalnum(static_cast<unsigned char>(text[at])) != 0);
  };
  if (text.compare(i, 2, "//") == 0) return line_end(i);
  if (text.compare(i, 2, "/*") == 0) return after("*/", i + 2);
  if (text.compare(i, 2, "R\"") == 0 && (i == 0 || !is_word(i - 1))) {
    const std::size_t open = text.find('(', i);
    return after(")" + text.substr(i + 2, open - i - 2) + "\"", open);
  }
  if (text[i] == '#') {
    const std::size_t before = text.find_last_not_of(" \t", i == 0 ? 0 : i - 1);
    const bool begins_line = i == 0 || before == std::string::npos || text[before] == '\n';
    return begins_line ? line_end(i) : i;
  }
  const char quote = text[i];
  if (quote != '"' && quote != '\'') return i;
  if (quote == '\'' && i > 0 && is_word(i - 1) && is_word(i + 1)) return i;  // 1'000
  std::size_t end = i + 1;
  while (end < text.size() && text[end] != quote) end += text[end] == '\\' ? 2 : 1;
  return std::min(end + 1, text.size());
}

/// The text with all that blanked, every line break in its place.
inline std::string code_of(const std::string& text) {
  std::string code = text;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t end = end_of_other(text, i);
    for (std::size_t j = i; j < end; ++j) {
      if (code[j] != '\n') code[j] = ' ';
    }
    i = std::max(end, i + 1);
  }
  return code;
}

/// What the file includes, as written: {"host/json/text.hpp", true} in quotes, {"vector", false}.
inline std::vector<std::pair<std::string, bool>> all_includes(const fs::path& file) {
  static const std::regex include(R"(^\s*#\s*include\s*(["<])([^">]+)[">].*)");
  std::ifstream text(kRoot / file);
  std::vector<std::pair<std::string, bool>> names;
  for (std::string line; std::getline(text, line);) {
    std::smatch found;
    if (line.find('#') != std::string::npos && std::regex_match(line, found, include)) {
      names.emplace_back(found[2], found[1] == "\"");
    }
  }
  return names;
}

/// What the file includes in quotes: from the root of the tree.
inline std::vector<std::string> includes(const fs::path& file) {
  std::vector<std::string> names;
  for (const auto& [name, is_quoted] : all_includes(file)) {
    if (is_quoted) names.push_back(name);
  }
  return names;
}

struct Told {
  int status;  ///< of the shell; 0 when all went well
  std::string text;
};

/// Runs a command in the root; both of its streams.
inline Told tell(const std::string& command) {
  const std::string all = "cd '" + kRoot.string() + "' && " + command + " 2>&1";
  FILE* pipe = popen(all.c_str(), "r");
  if (pipe == nullptr) return {-1, "no pipe"};
  Told told{0, {}};
  std::array<char, 4096> part{};
  while (std::fgets(part.data(), part.size(), pipe) != nullptr) told.text += part.data();
  told.status = pclose(pipe);
  return told;
}

}  // namespace qloom::test
