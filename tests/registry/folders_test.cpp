// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "host/registry/registry.hpp"
#include "host/tensor/error.hpp"

namespace qloom::registry {
namespace {

/// Sets an environment variable and puts the old value back.
class Environment {
 public:
  Environment(const char* name, const std::string& value) : name_(name) {
    if (const char* old = std::getenv(name)) before_ = old;
    setenv(name, value.c_str(), 1);
  }
  ~Environment() {
    if (before_.empty()) {
      unsetenv(name_);
    } else {
      setenv(name_, before_.c_str(), 1);
    }
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
  std::string before_;
};

TEST(SchemaFolder, EnvironmentNamesIt) {
  const Environment path("QLOOM_SCHEMA_PATH", "/some/where");
  EXPECT_EQ(schema_folder(), "/some/where");
}

TEST(SchemaFolder, SourceTreeServesTheBuildTree) {
  EXPECT_TRUE(std::filesystem::is_regular_file(schema_folder() / "plugin.schema.json"));
}

TEST(DefaultFolders, KeepTheOrderOfTheVariableWithoutRepeats) {
  const std::filesystem::path root = testing::TempDir() + "qloom_default_folders";
  std::filesystem::create_directories(root / "a");
  std::filesystem::create_directories(root / "b");
  const Environment path("QLOOM_PLUGIN_PATH", (root / "b").string() + "::" + (root / "a").string() +
                                                  ":" + (root / "a/../b").string());
  const auto folders = Registry::default_folders();
  ASSERT_GE(folders.size(), 2U);
  EXPECT_EQ(folders[0], root / "b");
  EXPECT_EQ(folders[1], root / "a");
  for (std::size_t i = 2; i < folders.size(); ++i) {
    EXPECT_FALSE(std::filesystem::equivalent(folders[i], root / "b"));
  }
  std::filesystem::remove_all(root);
}

TEST(DefaultFolders, MisspeltFolderIsRefused) {
  const Environment path("QLOOM_PLUGIN_PATH", "/no/such/folder");
  try {
    static_cast<void>(Registry::default_folders());
    FAIL() << "accepted";
  } catch (const InputError& e) {
    EXPECT_STREQ(e.what(), "QLOOM_PLUGIN_PATH: \"/no/such/folder\" is not a folder");
  }
}

}  // namespace
}  // namespace qloom::registry
