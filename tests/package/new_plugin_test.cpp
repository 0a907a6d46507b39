// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// qloom plugins new: fourteen folders, one for each kind and language, built together against the
// installed package; their own tests run, and a wrong wish leaves nothing behind.
#include <algorithm>
#include <fstream>

#include "host/data/arrays/array_file.hpp"
#include "tests/package/installed.hpp"

namespace qloom::test {
namespace {
namespace fs = std::filesystem;

constexpr const char* kKinds[] = {"quantizer",   "rounding",  "range",      "norm",
                                  "accumulator", "procedure", "requantizer"};

class NewPlugin : public Installed {
 protected:
  /// qloom plugins new with a folder below folder()/new; c_norm, cpp_norm and so on.
  static void SetUpTestSuite() {
    Installed::SetUpTestSuite();
    if (fs::exists(projects())) return;
    fs::create_directories(projects());
    std::ofstream all(projects() / "CMakeLists.txt");
    all << "cmake_minimum_required(VERSION 3.25)\nproject(all LANGUAGES C CXX)\nenable_testing()\n"
        << "add_compile_options(-Wall -Wextra -Wshadow -Werror)\n";  // authors see none of ours
    for (const std::string kind : kKinds) {
      for (const std::string language : {"c++", "c"}) {
        const std::string id = (language == "c" ? "c." : "cpp.") + kind + "_one";
        const Outcome o =
            make(kind + " " + id + " --language " + language + " --directory new/" + id);
        ASSERT_EQ(o.status, 0) << o.text;
        all << "add_subdirectory(" << id << ")\n";
      }
    }
    all.close();
  }
  static fs::path projects() { return folder() / "new"; }
  static Outcome make(const std::string& arguments) {
    return run("QLOOM_PLUGIN_PATH= " + quoted(prefix() / "bin" / "qloom") + " plugins new " +
               arguments);
  }
  /// All paths below folder() but those of the log, sorted.
  static std::vector<fs::path> files() {
    std::vector<fs::path> all;
    for (const auto& entry : fs::directory_iterator(folder())) all.push_back(entry.path());
    for (const auto& entry : fs::recursive_directory_iterator(projects())) {
      all.push_back(entry.path());
    }
    std::sort(all.begin(), all.end());
    return all;
  }
  static void expect_refusal(const std::string& arguments, const std::vector<std::string>& parts) {
    const std::vector<fs::path> before = files();
    const Outcome o = make(arguments);
    EXPECT_EQ(o.status, 2) << arguments << "\n" << o.text;
    for (const std::string& part : parts) {
      EXPECT_NE(o.text.find(part), std::string::npos) << part << "\n" << o.text;
    }
    EXPECT_EQ(files(), before) << arguments;
  }
};

TEST_F(NewPlugin, LeavesNoPlaceholderAndNoFileUnnamed) {
  for (const auto& entry : fs::recursive_directory_iterator(projects())) {
    if (!entry.is_regular_file()) continue;
    const std::string text = data::read_text(entry.path());
    for (const char* placeholder : {"@ID@", "@NAME@", "@KIND@", "@LANGUAGE@", "@ENDING@"}) {
      EXPECT_EQ(text.find(placeholder), std::string::npos) << entry.path() << " " << placeholder;
    }
    EXPECT_NE(entry.path().stem(), "method") << entry.path();
  }
  EXPECT_TRUE(fs::is_regular_file(projects() / "c.norm_one" / "norm_one.c"));
  EXPECT_TRUE(fs::is_regular_file(projects() / "cpp.norm_one" / "norm_one.cpp"));
}

TEST_F(NewPlugin, AMethodInCppHasAboutFortyLines) {
  for (const std::string kind : kKinds) {
    std::ifstream source(projects() / ("cpp." + kind + "_one") / (kind + "_one.cpp"));
    std::size_t lines = 0;
    for (std::string line; std::getline(source, line);) {
      const std::size_t start = line.find_first_not_of(' ');
      if (start != std::string::npos && line.compare(start, 2, "//") != 0) ++lines;
    }
    EXPECT_LE(lines, 48U) << kind;
  }
}

TEST_F(NewPlugin, AllKindsInBothLanguagesBuildPassTheirTestsAndAreShown) {
  build("built", projects());
  const Outcome tested =
      run("ctest --test-dir built --output-on-failure --no-tests=error "
          "--parallel 2");
  EXPECT_EQ(tested.status, 0) << tested.text;
  const Outcome list = qloom("built", "plugins list");
  EXPECT_EQ(list.status, 0) << list.text;
  for (const std::string kind : kKinds) {
    for (const std::string language : {"c.", "cpp."}) {
      const std::string id = language + kind + "_one";
      EXPECT_NE(list.text.find(id), std::string::npos) << id << "\n" << list.text;
      const Outcome shown = qloom("built", "plugins show " + id);
      EXPECT_EQ(shown.status, 0) << shown.text;
      EXPECT_NE(shown.text.find("Unit: "), std::string::npos) << shown.text;
      const std::string folder_and_file = kind + "." + id + "/" + kind + "." + id;
      const Outcome needed = run("readelf --dynamic built/plugins/" + folder_and_file + ".so");
      EXPECT_EQ(needed.text.find("libstdc++") != std::string::npos, language == "cpp.")
          << needed.text;
    }
  }
}

TEST_F(NewPlugin, ALanguageHasNoEffectOnTheNumbers) {
  // 600 values, two channels; the norm's training statistics and a quantizer's steps.
  std::string text = "[";
  for (int i = 0; i < 300; ++i) {
    text += std::string(i > 0 ? ", " : "") + "[" + std::to_string((i * 37) % 101 - 50) + ".25, " +
            std::to_string((i * 53) % 89) + ".5]";
  }
  std::ofstream(folder() / "x.json") << text << "]";
  for (const std::string kind : {"quantizer", "norm", "rounding"}) {
    for (const std::string language : {"c", "cpp"}) {
      const std::string id = language + "." + kind + "_one";
      const Outcome o = qloom("built", "apply '{\"" + kind + "\": {\"plugin\": \"" + id +
                                           "\"}}' --input x.json --output " + language + ".npy");
      ASSERT_EQ(o.status, 0) << o.text;
    }
    const Tensor c = data::read_npy(folder() / "c.npy"), cpp = data::read_npy(folder() / "cpp.npy");
    EXPECT_EQ(std::vector<float>(c.begin(), c.end()), std::vector<float>(cpp.begin(), cpp.end()))
        << kind;
  }
}

TEST_F(NewPlugin, AWrongWishIsRefusedAndLeavesNothing) {
  expect_refusal("quantiser mine",
                 {"KIND: \"quantiser\"", "procedure", "did you mean \"quantizer\"?"});
  for (const char* id : {"Mine", "2nd", "my-method", "a.b.c", ".a", "a.", "../up", "mine/"}) {
    expect_refusal("quantizer " + std::string(id),
                   {"ID: \"" + std::string(id) + "\", expected small letters", "acme.my_method"});
  }
  expect_refusal("quantizer twn", {"ID: \"twn\" is a quantizer already", "plugin.json"});
  expect_refusal("norm mine --directory new", {"--directory: \"new\" exists already"});
  expect_refusal("norm mine --directory no/such/place",
                 {"--directory: \"no/such/place\"", "does not exist"});
  expect_refusal("norm mine --directory /proc/mine", {"/proc"});
  expect_refusal("norm mine --language fortran", {"--language"});
  expect_refusal("norm", {"id"});
}

TEST_F(NewPlugin, TheFolderIsNamedAfterTheIdWhenNoneIsGiven) {
  const Outcome o = make("rounding acme.mine");
  EXPECT_EQ(o.status, 0) << o.text;
  EXPECT_TRUE(fs::is_regular_file(folder() / "acme.mine" / "mine.cpp"));
  EXPECT_NE(o.text.find("cmake -S acme.mine -B acme.mine/build"), std::string::npos) << o.text;
}

/// With no prefix in the environment, the printed line alone finds the package.
TEST_F(NewPlugin, ThePrintedLineConfiguresTheFolder) {
  const Outcome o = make("rounding acme.printed --directory 'a folder'");
  ASSERT_EQ(o.status, 0) << o.text;
  const std::size_t begin = o.text.find("cmake -S"), end = o.text.find(" &&");
  ASSERT_NE(end, std::string::npos) << o.text;
  const Outcome configured = run("env -u CMAKE_PREFIX_PATH " + o.text.substr(begin, end - begin) +
                                 " -G " + quoted(BUILD_GENERATOR));
  EXPECT_EQ(configured.status, 0) << o.text << configured.text;
}

}  // namespace
}  // namespace qloom::test
