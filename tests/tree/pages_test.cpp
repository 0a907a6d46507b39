// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What the pages name is there: files and folders of the tree in backticks.
#include <gtest/gtest.h>

#include "tests/tree/sources.hpp"

namespace qloom::test {
namespace {

/// `host/run/` and the like on a page; not patterns such as `host/layers/<type>.cpp`.
std::vector<std::string> paths_on(const std::string& page) {
  static const std::regex path(
      R"(`((host|sdk|plugins|schemas|examples|tests|docs)/[A-Za-z0-9_./-]+)`)");
  std::vector<std::string> found;
  for (std::sregex_iterator it(page.begin(), page.end(), path), end; it != end; ++it) {
    found.push_back((*it)[1]);
  }
  return found;
}

/// A file, a folder, or the name of files without their endings.
bool is_there(const std::string& path) {
  if (fs::exists(kRoot / path)) return true;
  const fs::path folder = (kRoot / path).parent_path();
  const std::string name = fs::path(path).filename().string() + ".";
  if (!fs::is_directory(folder)) return false;
  const fs::directory_iterator entries(folder);
  return std::any_of(begin(entries), end(entries), [&](const fs::directory_entry& entry) {
    return entry.path().filename().string().starts_with(name);
  });
}

TEST(Pages, ThePathsOnAPageAreFound) {
  EXPECT_EQ(paths_on("see `host/run/`, `host/<floor>/`, `tests/run.sh` and host/cli"),
            (std::vector<std::string>{"host/run/", "tests/run.sh"}));
  EXPECT_TRUE(is_there("host/run/"));
  EXPECT_TRUE(is_there("host/kernels/kernels"));
  EXPECT_FALSE(is_there("host/no_such_floor/"));
  EXPECT_FALSE(is_there("host/kernels/no_such_file"));
}

TEST(Pages, NameNoFileThatIsNotThere) {
  std::vector<fs::path> pages{kRoot / "README.md"};
  for (const char* folder : {"docs", "host", "sdk", "plugins", "schemas", "examples", "tests"}) {
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
      if (entry.path().extension() == ".md") pages.push_back(entry.path());
    }
  }
  for (const fs::path& page : pages) {
    for (const std::string& path : paths_on(text_of(fs::relative(page, kRoot)))) {
      EXPECT_TRUE(is_there(path)) << fs::relative(page, kRoot).string() << " names " << path;
    }
  }
}

}  // namespace
}  // namespace qloom::test
