// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// qloom installed into a fresh prefix, and plugin projects built against it alone.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace qloom::test {

struct Outcome {
  int status;
  std::string text;  ///< both outputs
};

std::string quoted(const std::string& text);

/// The build tree is installed once for all tests of the program; folder() goes at its end.
class Installed : public testing::Test {
 protected:
  static void SetUpTestSuite();

  static const std::filesystem::path& folder();
  /// Has a space in its name.
  static std::filesystem::path prefix() { return folder() / "prefix with a space"; }

  /// Runs a shell command in folder().
  static Outcome run(const std::string& command);
  /// What every configuration of a project gets: package, compilers, generator.
  static std::string configure_options();
  /// Configures and builds one plugin project in folder()/<name>.
  static void build(const std::string& name, const std::filesystem::path& source);
  /// The installed program with the plugins of folder()/<name>/plugins.
  static Outcome qloom(const std::string& name, const std::string& arguments);
};

}  // namespace qloom::test
