// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Who writes to the standard streams: results come from the commands, and what is told beside the
// work goes through host/data/streams.
#include <set>

#include <gtest/gtest.h>

#include "tests/tree/sources.hpp"

namespace qloom::test {
namespace {

/// Writes to a standard stream by itself?
bool writes(const std::string& text) {
  static const std::regex call(
      R"(\b(printf|fprintf|vprintf|vfprintf|puts|fputs|putchar|fputc|fwrite|perror)\s*\(|)"
      R"(\b(cout|cerr|clog)\b|\bfmt::print\b|\bwrite\(STD(OUT|ERR)_FILENO)");
  return std::regex_search(code_of(text), call);
}

/// Prints a result by the function for it?
bool prints(const std::string& text) {
  return std::regex_search(code_of(text), std::regex(R"(\bdata::print(_text)?\b)"));
}

TEST(Streams, TheSearchFindsWhoWrites) {
  for (const char* text :
       {"std::printf(\"x\");", "fprintf (stderr, a);", "std::cerr << x;", "fmt::print(\"x\");",
        "f(!write(STDERR_FILENO, a, n));", "std::fwrite(a, 1, n, stdout);"}) {
    EXPECT_TRUE(writes(text)) << text;
  }
  for (const char* text : {"std::snprintf(a, n, b);", "// printf(x)", "g(\"std::cerr\");",
                           "::write(fd, a, n);", "isatty(fileno(stderr));", "outputs(a);"}) {
    EXPECT_FALSE(writes(text)) << text;
  }
  EXPECT_TRUE(prints("qloom::data::print(\"x\");"));
  EXPECT_TRUE(prints("options.sinks = {data::print_text, f};"));
  EXPECT_FALSE(prints("data::say(\"x\"); // data::print"));
}

TEST(Streams, ResultsComeFromCommandsAndAllElseGoesThroughOnePlace) {
  // The one place; a crash may only use what is safe in a signal handler.
  const std::set<std::string> writers = {"host/data/streams.cpp", "host/registry/calls/crash.cpp"};
  std::set<std::string> found;
  for (const fs::path& file : sources("host")) {
    const std::string name = file.generic_string(), text = text_of(file);
    if (writes(text)) found.insert(name);
    const bool is_command = name.starts_with("host/cli/") || name == "host/check/main.cpp" ||
                            name == "host/check/command.cpp";
    EXPECT_FALSE(prints(text) && !is_command) << name << " prints a result; that is for commands";
  }
  EXPECT_EQ(found, writers) << "what is told beside the work goes through data::say()";
}

}  // namespace
}  // namespace qloom::test
