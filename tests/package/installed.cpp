// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/package/installed.hpp"

#include <cstdlib>

#include <sys/wait.h>
#include <unistd.h>

#include "host/data/arrays/array_file.hpp"

namespace qloom::test {
namespace fs = std::filesystem;
namespace {

/// Goes with the program.
struct Folder {
  Folder() : path(fs::temp_directory_path() / ("qloom-package-" + std::to_string(::getpid()))) {
    fs::create_directories(path);
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  const fs::path path;
};

}  // namespace

std::string quoted(const std::string& text) { return "'" + text + "'"; }

const fs::path& Installed::folder() {
  static const Folder folder;
  return folder.path;
}

void Installed::SetUpTestSuite() {
  if (fs::exists(prefix())) return;
  const Outcome installed = run(quoted(CMAKE_PROGRAM) + " --install " + quoted(QLOOM_BINARY_DIR) +
                                " --prefix " + quoted(prefix()));
  ASSERT_EQ(installed.status, 0) << installed.text;
}

Outcome Installed::run(const std::string& command) {
  const fs::path log = folder() / "log.txt";
  const std::string line =
      "cd " + quoted(folder()) + " && ( " + command + " ) >" + quoted(log) + " 2>&1";
  const int status = std::system(line.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, data::read_text(log)};
}

std::string Installed::configure_options() {
  return " -G " + quoted(BUILD_GENERATOR) + " -DCMAKE_PREFIX_PATH=" + quoted(prefix()) +
         " -DCMAKE_CXX_COMPILER=" + quoted(BUILD_CXX) + " -DCMAKE_C_COMPILER=" + quoted(BUILD_C) +
         " ";
}

void Installed::build(const std::string& name, const fs::path& source) {
  const std::string tree = quoted(folder() / name);
  const Outcome configured = run(quoted(CMAKE_PROGRAM) + configure_options() + "-S " +
                                 quoted(source) + " -B " + tree + " -DCMAKE_BUILD_TYPE=Release");
  ASSERT_EQ(configured.status, 0) << configured.text;
  const Outcome built = run(quoted(CMAKE_PROGRAM) + " --build " + tree + " --parallel");
  ASSERT_EQ(built.status, 0) << built.text;
}

Outcome Installed::qloom(const std::string& name, const std::string& arguments) {
  return run("QLOOM_PLUGIN_PATH=" + quoted(folder() / name / "plugins") + " " +
             quoted(prefix() / "bin" / "qloom") + " " + arguments);
}

}  // namespace qloom::test
