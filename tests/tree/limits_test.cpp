// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// How much lies in one place: source files in a folder, lines in a function, public functions in a
// class. What is larger says why in the comment directly above it: "More than forty lines: ...",
// "More than twelve functions: ...".
#include <map>

#include <gtest/gtest.h>

#include "tests/tree/outline.hpp"

namespace qloom::test {
namespace {

constexpr std::size_t kMostFiles = 25, kMostLines = 40, kMostFunctions = 12;

struct Limit {
  std::size_t most;
  const char* reason;  ///< how the comment begins that excuses what is larger
};
constexpr Limit kLines{kMostLines, "More than forty lines: "};
constexpr Limit kFunctions{kMostFunctions, "More than twelve functions: "};

/// "12: void f(): 41" for each part that is larger and does not say why.
std::vector<std::string> too_large(const std::string& text, const std::vector<Part>& parts,
                                   const Limit& limit) {
  std::vector<std::string> found;
  for (const Part& part : parts) {
    if (part.size <= limit.most || comment_holds(text, part.line, limit.reason)) continue;
    found.push_back(std::to_string(part.line) + ": " + part.head + ": " +
                    std::to_string(part.size));
  }
  return found;
}

std::vector<std::string> long_functions(const std::string& text) {
  return too_large(text, Outline(text).functions(), kLines);
}
std::vector<std::string> wide_classes(const std::string& text) {
  return too_large(text, Outline(text).classes(), kFunctions);
}

std::string repeated(const std::string& text, std::size_t count) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += text;
  return all;
}

/// A function with this many lines, none of which a reader of braces should stumble over.
std::string function_of(std::size_t lines) {
  const std::string few =
      "  if (a < b) {  // {\n    g('{', \"{\", R\"(\"{)\", 1'000);\n  }\n  /* { */ const T t{1};\n";
  std::string body = repeated(few, lines / 4);
  body += repeated("  ;\n", lines % 4);
  return "T f(const U<int>& a, V v = {}) {\n" + body + "}\n";
}

TEST(Limits, TheSearchFindsLongFunctions) {
  using Found = std::vector<std::string>;
  EXPECT_EQ(long_functions(function_of(40)), Found());
  EXPECT_EQ(long_functions(function_of(41)).size(), 1U);
  EXPECT_EQ(long_functions("namespace a {\n" + function_of(43) + "}\n"),
            Found({"2: T f(const U<int>& a, V v = ) : 43"}));
  const std::string body = repeated("  ;\n", 41) + "}\n";
  for (const char* head :
       {"A::A(int x) : x_(x), y_{x} {", "bool operator==(const A& a, const A& b) {",
        "auto A::f() const noexcept -> std::map<int, int> {", "TEST_F(A, Holds) {",
        "T A::f() try {", "struct B f() {", "template <class T, int n = 3>\nvoid f(T) {"}) {
    EXPECT_EQ(long_functions(std::string("using T = int;\n") + head + "\n" + body).size(), 1U)
        << head;
  }
  EXPECT_EQ(long_functions("class A {\n public:\n  int f() {\n" + body + "};\n").size(), 1U);
}

TEST(Limits, TheSearchLeavesOutWhatIsNoFunction) {
  const std::string body = repeated("  {1},\n", 50) + "};\n";
  for (const char* head : {"const std::vector<A> kAll = {", "constexpr A kAll[] = {", "struct A {",
                           "enum class A {", "namespace a {", "extern \"C\" {", "A kAll{f(1), {"}) {
    EXPECT_TRUE(long_functions(std::string(head) + "\n" + body).empty()) << head;
  }
}

TEST(Limits, AReasonDirectlyAboveExcuses) {
  const std::string reason = "/// What it does. More than forty lines: a table of\n/// words.\n";
  EXPECT_TRUE(long_functions(reason + function_of(41)).empty());
  EXPECT_TRUE(long_functions(reason + "template <class T>\n" + function_of(41)).empty());
  EXPECT_FALSE(long_functions(reason + "\n" + function_of(41)).empty()) << "not above it";
  EXPECT_FALSE(long_functions("/// Long.\n" + function_of(41)).empty()) << "no reason";
  EXPECT_FALSE(long_functions(reason + "int f();\n" + function_of(41)).empty()) << "another's";
}

TEST(Limits, TheSearchCountsPublicFunctions) {
  const auto class_of = [](std::size_t functions) {
    return "class A final : public B<int()> {\n"
           " public:\n"
           "  A() = default;\n"
           "  explicit A(int x) : x_(x) {}\n"
           "  ~A();\n"
           "  A(const A&) = delete;\n"
           "  A& operator=(const A&) = delete;\n"
           "  friend void g(A&);\n"
           "  using F = std::function<void(int)>;\n"
           "  std::function<void(int)> tell = [](int) {};\n"
           "  void (*call)(int);\n"
           "  int values[3] = {1, 2, 3};\n"
           "  struct C { int a(); int b() { return 1; } };\n" +
           repeated("  [[nodiscard]] bool f(int n) const { return n > (1); }\n", functions / 2) +
           repeated("  const T<U>& f(T<U> n = {});\n", functions - functions / 2) +
           " protected:\n  void p();\n private:\n  void q();\n  int x_;\n};\n";
  };
  EXPECT_TRUE(wide_classes(class_of(12)).empty());
  ASSERT_EQ(wide_classes(class_of(13)).size(), 1U);
  EXPECT_NE(wide_classes(class_of(13))[0].find("class A"), std::string::npos);
  EXPECT_EQ(wide_classes(class_of(15))[0].substr(0, 2), "1:");
  EXPECT_TRUE(wide_classes("/// More than twelve functions: it must.\n" + class_of(13)).empty());
  EXPECT_EQ(
      wide_classes("struct A {\n" + repeated("  bool operator<(A) const;\n", 13) + "};\n").size(),
      1U);
  EXPECT_TRUE(wide_classes("class A {\n" + repeated("  void f();\n", 13) + "};\n").empty())
      << "private";
}

/// Calls check(file, text) for each source file of the tree; returns how many.
template <class Check>
std::size_t for_each_source(const Check& check) {
  std::size_t files = 0;
  for (const char* folder : kFolders) {
    for (const fs::path& file : sources(folder)) {
      check(file, text_of(file));
      ++files;
    }
  }
  return files;
}

TEST(Limits, AFolderHasAtMostTwentyFiveSourceFiles) {
  std::map<fs::path, std::size_t> counts;
  for_each_source([&](const fs::path& file, const std::string&) { ++counts[file.parent_path()]; });
  ASSERT_GT(counts["host/network"], 0U);
  for (const auto& [folder, count] : counts) {
    EXPECT_LE(count, kMostFiles) << folder << ": two folders with a clear idea each";
  }
}

TEST(Limits, AFunctionHasAtMostFortyLinesOrSaysWhyNot) {
  std::size_t functions = 0;
  for_each_source([&](const fs::path& file, const std::string& text) {
    functions += Outline(text).functions().size();
    for (const std::string& one : long_functions(text)) {
      ADD_FAILURE() << file.string() << ":" << one << " lines; shorten it, or say why above it: \""
                    << kLines.reason << "...\"";
    }
  });
  EXPECT_GT(functions, 4000U);
}

TEST(Limits, AClassHasAtMostTwelvePublicFunctionsOrSaysWhyNot) {
  std::size_t classes = 0;
  for_each_source([&](const fs::path& file, const std::string& text) {
    classes += Outline(text).classes().size();
    for (const std::string& one : wide_classes(text)) {
      ADD_FAILURE() << file.string() << ":" << one
                    << " public functions; two classes, or say why above it: \""
                    << kFunctions.reason << "...\"";
    }
  });
  EXPECT_GT(classes, 500U);
}

}  // namespace
}  // namespace qloom::test
