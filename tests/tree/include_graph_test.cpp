// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Who includes whom: the floors of host/README.md hold, and no file includes itself on a way round.
#include <iostream>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "tests/tree/sources.hpp"

namespace qloom::test {
namespace {

/// Floors from the top down: first column of the table in host/README.md.
std::vector<std::string> floors() {
  std::ifstream page(kRoot / "host" / "README.md");
  const std::regex row(R"(^\| `([a-z_]+)/` \|.*)");
  std::vector<std::string> names;
  for (std::string line; std::getline(page, line);) {
    std::smatch found;
    if (std::regex_match(line, found, row)) names.push_back(found[1]);
  }
  return names;
}

/// Files of C and C++ below a folder; tests beside methods left out.
std::vector<fs::path> product(const std::string& folder) {
  std::vector<fs::path> files = sources(folder);
  std::erase_if(files, [](const fs::path& file) {
    return file.filename().string().find("_test.") != std::string::npos;
  });
  return files;
}

/// "network" of "host/network/model.hpp"; "" of what lies elsewhere.
std::string floor_of(const std::string& path) {
  if (!path.starts_with("host/")) return "";
  const std::string rest = path.substr(5);
  const std::size_t slash = rest.find('/');
  return slash == std::string::npos ? "" : rest.substr(0, slash);
}

TEST(IncludeGraph, EachFloorIncludesOnlyThoseBelowIt) {
  const std::vector<std::string> order = floors();
  ASSERT_GE(order.size(), 9U) << "host/README.md has no table of floors";
  const auto height = [&order](const std::string& floor) {
    return std::find(order.begin(), order.end(), floor) - order.begin();
  };
  std::map<std::string, std::set<std::string>> arrows;
  for (const fs::path& file : product("host")) {
    const std::string from = floor_of(file);
    EXPECT_NE(std::find(order.begin(), order.end(), from), order.end())
        << file << " lies on no floor of host/README.md";
    for (const std::string& name : includes(file)) {
      EXPECT_TRUE(fs::exists(kRoot / name)) << file << " includes \"" << name << "\"";
      const std::string to = floor_of(name);
      EXPECT_FALSE(to.empty()) << file << " includes \"" << name << "\", which is not the host's";
      if (to.empty() || to == from) continue;
      arrows[from].insert(to);
      EXPECT_LT(height(from), height(to)) << file << " includes \"" << name << "\", a higher floor";
    }
  }
  for (const std::string& floor : order) {
    std::cout << floor << " ->";
    for (const std::string& below : arrows[floor]) std::cout << ' ' << below;
    std::cout << '\n';
  }
}

TEST(IncludeGraph, PluginsAndSdkKnowNothingOfTheHost) {
  for (const char* folder : {"sdk", "plugins"}) {
    for (const fs::path& file : product(folder)) {
      EXPECT_FALSE(
          std::regex_search(text_of(file), std::regex(R"(#\s*include\s*["<](host|tests)/)")))
          << file;
    }
  }
}

TEST(IncludeGraph, NoFileIncludesItselfOnAWayRound) {
  std::map<std::string, std::vector<std::string>> graph;
  for (const fs::path& file : product("host")) graph[file] = includes(file);
  enum class Mark { kOpen, kDone };
  std::map<std::string, Mark> marks;
  const auto visit = [&](const auto& self, const std::string& file) -> void {
    marks[file] = Mark::kOpen;
    for (const std::string& next : graph[file]) {
      const auto mark = marks.find(next);
      if (mark == marks.end()) {
        self(self, next);
      } else {
        EXPECT_NE(mark->second, Mark::kOpen)
            << file << " includes " << next << ", which leads back";
      }
    }
    marks[file] = Mark::kDone;
  };
  for (const fs::path& file : product("host")) {
    if (!marks.contains(file)) visit(visit, file);
  }
}

}  // namespace
}  // namespace qloom::test
