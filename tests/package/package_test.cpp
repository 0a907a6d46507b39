// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The build tree is installed into a fresh prefix; the out-of-tree example and the templates are
// built against it; the installed program loads and applies them.
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/data/array_file.hpp"

namespace qloom {
namespace {
namespace fs = std::filesystem;

struct Outcome {
  int status;
  std::string text;
};

std::string quoted(const std::string& text) { return "'" + text + "'"; }

class Package : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = fs::temp_directory_path() / ("qloom-package-" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    prefix_ = folder_ / "prefix with a space";
    const Outcome installed = run(quoted(CMAKE_PROGRAM) + " --install " + quoted(QLOOM_BINARY_DIR) +
                                  " --prefix " + quoted(prefix_));
    ASSERT_EQ(installed.status, 0) << installed.text;
    const fs::path source = QLOOM_SOURCE_DIR;
    build("log2", source / "examples" / "out_of_tree_plugin");
    build("cpp", prefix_ / "share" / "qloom" / "template" / "cpp");
    build("c", prefix_ / "share" / "qloom" / "template" / "c");
  }
  static void TearDownTestSuite() { fs::remove_all(folder_); }

  /// Runs a shell command in the test's folder; status and both outputs.
  static Outcome run(const std::string& command) {
    const fs::path log = folder_ / "log.txt";
    const std::string line =
        "cd " + quoted(folder_) + " && ( " + command + " ) >" + quoted(log) + " 2>&1";
    const int status = std::system(line.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, data::read_text(log)};
  }

  /// Configures and builds one plugin project against the installed package only.
  static void build(const std::string& name, const fs::path& source) {
    const std::string tree = quoted(folder_ / name);
    const Outcome configured =
        run(quoted(CMAKE_PROGRAM) + " -G " + quoted(BUILD_GENERATOR) + " -S " + quoted(source) +
            " -B " + tree + " -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH=" + quoted(prefix_) +
            " -DCMAKE_CXX_COMPILER=" + quoted(BUILD_CXX) + " -DCMAKE_C_COMPILER=" +
            quoted(BUILD_C));
    ASSERT_EQ(configured.status, 0) << configured.text;
    const Outcome built = run(quoted(CMAKE_PROGRAM) + " --build " + tree);
    ASSERT_EQ(built.status, 0) << built.text;
  }

  /// The installed program with the plugins of one of the three projects.
  static Outcome qloom(const std::string& plugin, const std::string& arguments) {
    return run("QLOOM_PLUGIN_PATH=" + quoted(folder_ / plugin / "plugins") + " " +
               quoted(prefix_ / "bin" / "qloom") + " " + arguments);
  }

  static Tensor row(const std::vector<float>& values, Shape shape = {}) {
    Tensor x(shape.empty() ? Shape{static_cast<std::int64_t>(values.size())} : shape);
    std::copy(values.begin(), values.end(), x.begin());
    return x;
  }
  static std::vector<float> values(const Tensor& x) { return {x.begin(), x.end()}; }

  static fs::path folder_, prefix_;
};
fs::path Package::folder_, Package::prefix_;

TEST_F(Package, HoldsProgramPluginsHeadersSchemasAndTemplates) {
  for (const char* file :
       {"bin/qloom", "include/qloom/abi.h", "include/qloom/sdk.hpp", "include/qloom/xtensor.hpp",
        "include/qloom/kinds/quantizer.hpp", "share/qloom/schemas/pipeline.schema.json",
        "share/qloom/template/c/to_odd.c", "lib/qloom/plugins/quantizer.twn/plugin.json",
        "lib/qloom/plugins/quantizer.twn/quantizer.twn.so"}) {
    EXPECT_TRUE(fs::is_regular_file(prefix_ / file)) << file;
  }
}

TEST_F(Package, NamesNoFolderOfTheBuildTree) {
  for (const auto& entry : fs::recursive_directory_iterator(prefix_)) {
    const std::string extension = entry.path().extension();
    if (extension != ".cmake" && extension != ".json" && extension != ".hpp") continue;
    EXPECT_EQ(data::read_text(entry.path()).find(QLOOM_SOURCE_DIR), std::string::npos)
        << entry.path();
  }
}

TEST_F(Package, TheInstalledProgramFindsItsOwnPlugins) {
  const Outcome list = run("QLOOM_PLUGIN_PATH= " + quoted(prefix_ / "bin" / "qloom") +
                           " plugins list");
  EXPECT_EQ(list.status, 0) << list.text;
  for (const char* id : {"twn", "nearest_even", "min_max"}) {
    EXPECT_NE(list.text.find(id), std::string::npos) << id << " is not in " << list.text;
  }
}

TEST_F(Package, AnOutsidePluginIsShown) {
  const Outcome shown = qloom("log2", "plugins show acme.log2");
  EXPECT_EQ(shown.status, 0) << shown.text;
  EXPECT_NE(shown.text.find("Powers of two"), std::string::npos) << shown.text;
}

TEST_F(Package, AnOutsideQuantizerGivesTheNumbersOfItsReadme) {
  data::write_npy(folder_ / "x.npy", row({3.1F, 2.9F, 2.8F, 1, 0.71F, 0.70F, -0.2F, 0}));
  const Outcome applied = qloom(
      "log2", R"(apply '{"quantizer":{"plugin":"acme.log2","bits":3}}' --input x.npy )"
              "--output y.npy --codes c.npy --encoding e.json");
  ASSERT_EQ(applied.status, 0) << applied.text;
  EXPECT_EQ(values(data::read_npy(folder_ / "y.npy")),
            (std::vector<float>{4, 4, 2, 1, 1, 0, 0, 0}));
  const data::Array codes = data::read_npy_any(folder_ / "c.npy");
  EXPECT_EQ(std::get<std::vector<std::int32_t>>(codes.values),
            (std::vector<std::int32_t>{6, 6, 5, 4, 4, 3, 3, 3}));
  EXPECT_NE(data::read_text(folder_ / "e.json").find("codebook"), std::string::npos);
}

TEST_F(Package, AnOutsideQuantizerFollowsItsDefinitionForEachChannel) {
  // Two rows, magnitudes apart; in double, log2 has 28 more bits than needed to tell two floats.
  Tensor x(Shape{2, 3000});
  for (std::size_t i = 0; i < 6000; ++i) {
    const float u = static_cast<float>((i * 2654435761U) % 65536U) / 32768.0F - 1.0F;
    x[i] = (i < 3000 ? 5.0F : 0.03F) * u * u * u;
  }
  data::write_npy(folder_ / "x2.npy", x);
  const Outcome applied = qloom(
      "log2", R"(apply '{"quantizer":{"plugin":"acme.log2","bits":4,"granularity":"channel"}}' )"
              "--input x2.npy --output y2.npy --channel-axis 0");
  ASSERT_EQ(applied.status, 0) << applied.text;
  const Tensor y = data::read_npy(folder_ / "y2.npy");
  for (std::size_t r = 0; r < 2; ++r) {
    double largest = 0;
    for (std::size_t i = 0; i < 3000; ++i) {
      largest = std::max(largest, std::fabs(double{x[3000 * r + i]}));
    }
    const double top = std::nearbyint(std::log2(largest));
    for (std::size_t i = 3000 * r; i < 3000 * (r + 1); ++i) {
      const double e = std::min(std::nearbyint(std::log2(std::fabs(double{x[i]}))), top);
      const double magnitude = e > top - 7 ? std::exp2(e) : 0.0;
      ASSERT_EQ(y[i], static_cast<float>(std::copysign(magnitude, double{x[i]}))) << x[i];
    }
  }
}

TEST_F(Package, AWrongParameterOfAnOutsidePluginIsRefused) {
  data::write_npy(folder_ / "x.npy", row({1}));
  const Outcome applied =
      qloom("log2", R"(apply '{"quantizer":{"plugin":"acme.log2","bits":7}}' --input x.npy )"
                    "--output never.npy");
  EXPECT_EQ(applied.status, 2) << applied.text;
  EXPECT_NE(applied.text.find("bits"), std::string::npos) << applied.text;
  EXPECT_FALSE(fs::exists(folder_ / "never.npy"));
}

TEST_F(Package, TheTemplateInCppWorksWithoutAChange) {
  data::write_npy(folder_ / "b.npy", row({-3, 1, 0.5F, -0.5F}));
  data::write_npy(folder_ / "gy.npy", row({1, 2, 3, 4}));
  const Outcome applied =
      qloom("cpp", R"(apply '{"quantizer":{"plugin":"my.binary"}}' --input b.npy --output by.npy )"
                   "--grad-output gy.npy --grad-input gx.npy");
  ASSERT_EQ(applied.status, 0) << applied.text;
  EXPECT_EQ(values(data::read_npy(folder_ / "by.npy")),
            (std::vector<float>{-1.25F, 1.25F, 1.25F, -1.25F}));
  EXPECT_EQ(values(data::read_npy(folder_ / "gx.npy")), (std::vector<float>{0, 2, 3, 4}));
}

TEST_F(Package, TheTemplateInCWorksWithoutAChange) {
  data::write_npy(folder_ / "r.npy", row({0.2F, -0.2F, 1.9F, -2.5F, 3.0F, 4.0F, -6.1F, 1e30F}));
  const Outcome applied =
      qloom("c", R"(apply '{"rounding":{"plugin":"my.to_odd"}}' --input r.npy --output ry.npy)");
  ASSERT_EQ(applied.status, 0) << applied.text;
  EXPECT_EQ(values(data::read_npy(folder_ / "ry.npy")),
            (std::vector<float>{1, -1, 1, -3, 3, 4, -7, 1e30F}));
}

}  // namespace
}  // namespace qloom
