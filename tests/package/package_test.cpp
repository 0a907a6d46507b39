// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The build tree is installed into a fresh prefix; the out-of-tree example is built against it; the
// installed program loads and applies it.
#include <cmath>

#include "host/data/arrays/array_file.hpp"
#include "tests/package/installed.hpp"

namespace qloom::test {
namespace {
namespace fs = std::filesystem;

class Package : public Installed {
 protected:
  static void SetUpTestSuite() {
    Installed::SetUpTestSuite();
    build("log2", fs::path(QLOOM_SOURCE_DIR) / "examples" / "out_of_tree_plugin");
  }
  static Tensor row(const std::vector<float>& values, Shape shape = {}) {
    Tensor x(shape.empty() ? Shape{static_cast<std::int64_t>(values.size())} : shape);
    std::copy(values.begin(), values.end(), x.begin());
    return x;
  }
  static std::vector<float> values(const Tensor& x) { return {x.begin(), x.end()}; }
};

TEST_F(Package, HoldsProgramPluginsHeadersSchemasAndTemplates) {
  for (const char* file :
       {"bin/qloom", "bin/qloom-check", "include/qloom/abi.h", "include/qloom/sdk.hpp",
        "include/qloom/xtensor.hpp", "include/qloom/kinds/quantizer.hpp",
        "share/qloom/schemas/pipeline.schema.json", "share/qloom/schemas/parameters.schema.json",
        "include/qloom/method.h", "share/qloom/template/c/norm/method.c",
        "share/qloom/template/common/CMakeLists.txt", "lib/qloom/plugins/quantizer.twn/plugin.json",
        "lib/qloom/plugins/quantizer.twn/quantizer.twn.so"}) {
    EXPECT_TRUE(fs::is_regular_file(prefix() / file)) << file;
  }
}

TEST_F(Package, NamesNoFolderOfTheBuildTree) {
  for (const auto& entry : fs::recursive_directory_iterator(prefix())) {
    const std::string extension = entry.path().extension();
    if (extension != ".cmake" && extension != ".json" && extension != ".hpp") continue;
    EXPECT_EQ(data::read_text(entry.path()).find(QLOOM_SOURCE_DIR), std::string::npos)
        << entry.path();
  }
}

TEST_F(Package, TheInstalledProgramFindsItsOwnPlugins) {
  const Outcome list =
      run("QLOOM_PLUGIN_PATH= " + quoted(prefix() / "bin" / "qloom") + " plugins list");
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
  data::write_npy(folder() / "x.npy", row({3.1F, 2.9F, 2.8F, 1, 0.71F, 0.70F, -0.2F, 0}));
  const Outcome applied =
      qloom("log2", R"(apply '{"quantizer":{"plugin":"acme.log2","bits":3}}' --input x.npy )"
                    "--output y.npy --codes c.npy --encoding e.json");
  ASSERT_EQ(applied.status, 0) << applied.text;
  EXPECT_EQ(values(data::read_npy(folder() / "y.npy")),
            (std::vector<float>{4, 4, 2, 1, 1, 0, 0, 0}));
  const data::Array codes = data::read_npy_any(folder() / "c.npy");
  EXPECT_EQ(std::get<std::vector<std::int32_t>>(codes.values),
            (std::vector<std::int32_t>{6, 6, 5, 4, 4, 3, 3, 3}));
  EXPECT_NE(data::read_text(folder() / "e.json").find("codebook"), std::string::npos);
}

TEST_F(Package, AnOutsideQuantizerFollowsItsDefinitionForEachChannel) {
  // Two rows, magnitudes apart; in double, log2 has 28 more bits than needed to tell two floats.
  Tensor x(Shape{2, 3000});
  for (std::size_t i = 0; i < 6000; ++i) {
    const float u = static_cast<float>((i * 2654435761U) % 65536U) / 32768.0F - 1.0F;
    x[i] = (i < 3000 ? 5.0F : 0.03F) * u * u * u;
  }
  data::write_npy(folder() / "x2.npy", x);
  const Outcome applied = qloom(
      "log2", R"(apply '{"quantizer":{"plugin":"acme.log2","bits":4,"granularity":"channel"}}' )"
              "--input x2.npy --output y2.npy --channel-axis 0");
  ASSERT_EQ(applied.status, 0) << applied.text;
  const Tensor y = data::read_npy(folder() / "y2.npy");
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
  data::write_npy(folder() / "x.npy", row({1}));
  const Outcome applied =
      qloom("log2", R"(apply '{"quantizer":{"plugin":"acme.log2","bits":7}}' --input x.npy )"
                    "--output never.npy");
  EXPECT_EQ(applied.status, 2) << applied.text;
  EXPECT_NE(applied.text.find("bits"), std::string::npos) << applied.text;
  EXPECT_FALSE(fs::exists(folder() / "never.npy"));
}

}  // namespace
}  // namespace qloom::test
