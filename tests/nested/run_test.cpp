// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Whole runs with a quantizer inside another one: the bits of the bare one, kills, the report.
#include <algorithm>
#include <string>

#include "tests/nested/nested.hpp"
#include "tests/run/experiment.hpp"

namespace qloom::test {
namespace {

class NestedRun : public Experiment {
 protected:
  void SetUp() override {
    Experiment::SetUp();
    const std::string folders = QLOOM_BINARY_DIR "/plugins:" + std::string(nested_folder());
    setenv("QLOOM_PLUGIN_PATH", folders.c_str(), 1);
  }
  void TearDown() override {
    setenv("QLOOM_PLUGIN_PATH", QLOOM_BINARY_DIR "/plugins", 1);
    Experiment::TearDown();
  }
  /// The pipeline of the tests with another quantizer of the weights.
  void write_weights(const Json& quantizer) {
    Json text = pipeline();
    text["rules"][0]["quantizer"] = quantizer;
    write(text);
  }
  static bool has_method(const Json& report, const std::string& id) {
    const Json& methods = report["methods"];
    return std::any_of(methods.begin(), methods.end(), [&](const Json& m) {
      return m["id"] == id && m["kind"] == "quantizer" && !m["version"].empty();
    });
  }
  static bool has_library(const Json& report, const std::string& name) {
    const Json& files = report["inputs"]["files"];
    return std::any_of(files.begin(), files.end(), [&](const Json& file) {
      return file["name"] == name && file["digest"].is_string();
    });
  }
};

TEST_F(NestedRun, HasTheBitsOfTheBareQuantizer) {
  const Json inside{{"plugin", "lsq"}, {"bits", 4}};
  write_weights(inside);
  ASSERT_EQ(run("bare"), 0);
  write_weights(forwarded(inside));
  ASSERT_EQ(run("inside"), 0);
  const Json bare = report("bare"), around = report("inside");
  EXPECT_EQ(around["series"], bare["series"]);
  EXPECT_EQ(around["final"], bare["final"]);
  EXPECT_EQ(around["parameters"], bare["parameters"]);
  EXPECT_TRUE(has_method(around, "forward"));
  EXPECT_TRUE(has_method(around, "lsq"));
  EXPECT_TRUE(has_library(around, "quantizer.lsq.so")) << around["inputs"].dump(1);
  EXPECT_TRUE(has_library(around, "quantizer.forward.so"));
}

TEST_F(NestedRun, AKilledRunGoesOnToTheSameReport) {
  write_weights({{"plugin", "alpha_blend"},
                 {"quantizer", {{"plugin", "lsq"}, {"bits", 4}}},
                 {"finish_step", 50},
                 {"use_ste", true}});
  expect_kills_change_nothing();
}

TEST_F(NestedRun, ARefusalNamesFileAndPlace) {
  write_weights(forwarded({{"plugin", "lsq"}, {"bits", 99}}));
  EXPECT_EQ(finish(start("out", {})), 2);
  EXPECT_NE(log().find("p.json: /rules/0/quantizer/quantizer/bits: 99"), std::string::npos)
      << log();
  write_weights(forwarded({{"plugin", "pact"}}));
  EXPECT_EQ(finish(start("out", {})), 2);
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(NestedRun, OldNamesInsideAreToldWithTheirPlace) {
  write_weights(forwarded({{"plugin", "twn"}, {"mode", "exact"}}));
  ASSERT_EQ(run("out"), 0);
  const Json r = report("out");
  EXPECT_NE(r["warnings"].dump().find("/rules/0/quantizer/quantizer/mode"), std::string::npos)
      << r["warnings"].dump(1);
  EXPECT_EQ(r.at("configuration")
                .at("pipeline")
                .at("rules")
                .at(0)
                .at("quantizer")
                .at("quantizer")
                .at("threshold_rule"),
            "exact");
}

}  // namespace
}  // namespace qloom::test
