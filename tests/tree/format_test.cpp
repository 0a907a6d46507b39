// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Every file of C and C++ is as clang-format of Debian 12 lays it out with the root's
// .clang-format.
#include <gtest/gtest.h>

#include "tests/tree/sources.hpp"

namespace qloom::test {
namespace {

const std::string kProgram = QLOOM_CLANG_FORMAT;

TEST(Format, EveryFileIsAsClangFormatLaysItOut) {
  const std::string version = tell(kProgram + " --version").text;
  if (version.find("version 14.") == std::string::npos) {  // other versions lay out otherwise
    ASSERT_EQ(tell("cat /etc/os-release").text.find("bookworm"), std::string::npos)
        << "\"" << kProgram << "\": install the package clang-format (version 14, of Debian 12)";
    GTEST_SKIP() << "clang-format 14 is asked, here is " << version;
  }
  std::string files;
  for (const char* folder : kFolders) {
    for (const fs::path& file : sources(folder)) files += " '" + file.string() + "'";
  }
  const Told told = tell(kProgram + " --dry-run --Werror" + files);
  EXPECT_EQ(told.status, 0) << told.text.substr(0, 4000) << "\nclang-format -i FILE mends it";
}

TEST(Format, AnotherLayoutIsSeen) {
  const Told told = tell("echo 'int  f( );' | " + kProgram + " --dry-run --Werror --style=file");
  EXPECT_NE(told.status, 0) << told.text;
}

}  // namespace
}  // namespace qloom::test
