// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Old names of parameters in what a user writes, and in what an earlier version wrote.
#include "tests/support/small_run.hpp"

namespace qloom::test {
namespace {

constexpr const char* kWarning =
    "qloom: warning: p.json: /rules/0/quantizer/s_min: is now called \"minimum\"\n";

class OldNamesOfARun : public SmallRun {
 protected:
  void SetUp() override {
    SmallRun::SetUp();
    Json p = json("p.json");
    p["rules"] = Json::parse(R"([{"site": "weight", "quantizer":
                                  {"plugin": "lsq", "bits": 6, "s_min": 0.001}}])");
    write("p.json", p.dump(1, '\t'));
  }
  /// The array with each `from` replaced; JSON of the same length, so that shapes stay.
  static void replace_in(data::Array& array, const std::string& from, const std::string& to) {
    auto& bytes = std::get<std::vector<std::uint8_t>>(array.values);
    std::string text(bytes.begin(), bytes.end());
    std::size_t count = 0;
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
      text.replace(at, from.size(), to);
      ++count;
    }
    ASSERT_GT(count, 0U) << text;
    ASSERT_EQ(from.size(), to.size());
    bytes.assign(text.begin(), text.end());
  }
};

TEST_F(OldNamesOfARun, AreWarnedOfOnceAndReportedByThePresentName) {
  const Outcome o = qloom({"run", "p.json", "--output", "out"});
  ASSERT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(o.err.find(kWarning), o.err.rfind(kWarning));
  EXPECT_NE(o.err.find(kWarning), std::string::npos) << o.err;
  const Json report = json("out/report.json");
  const Json quantizer = report["/configuration/pipeline/rules/0/quantizer"_json_pointer];
  EXPECT_EQ(quantizer["minimum"], 0.001);
  EXPECT_FALSE(quantizer.contains("s_min"));
  EXPECT_EQ(report["warnings"], Json::array({{{"where", "p.json: /rules/0/quantizer/s_min"},
                                              {"what", "is now called \"minimum\""}}}));
}

TEST_F(OldNamesOfARun, BothNamesAreRefusedBeforeAnyWork) {
  const Outcome o =
      qloom({"run", "p.json", "--output", "out", "--set", "/rules/0/quantizer/minimum=0.1"});
  EXPECT_EQ(o.status, 2);
  EXPECT_NE(o.err.find("p.json: /rules/0/quantizer/s_min: \"s_min\" is the old name of "
                       "\"minimum\", which is there too"),
            std::string::npos)
      << o.err;
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
}

TEST_F(OldNamesOfARun, UpgradePrintsThePresentTextAndARunGoesOnWithIt) {
  ASSERT_EQ(qloom({"run", "p.json", "--output", "out"}).status, 0);
  const std::string before = text("p.json");
  const Outcome o = qloom({"validate", "--upgrade", "p.json"});
  ASSERT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(o.err, kWarning);
  std::string expected = before;
  expected.replace(expected.find("s_min"), 5, "minimum");
  EXPECT_EQ(o.out, expected);
  EXPECT_EQ(text("p.json"), before);
  write("p.json", o.out);
  EXPECT_EQ(qloom({"validate", "--upgrade", "p.json"}).out, expected);
  const Outcome resumed = qloom({"run", "p.json", "--output", "out", "--resume"});
  EXPECT_EQ(resumed.status, 0) << resumed.err;
}

TEST_F(OldNamesOfARun, UpgradeStandsAlone) {
  const Outcome o = qloom({"validate", "--upgrade", "p.json", "--set", "/seed=1"});
  EXPECT_EQ(o.status, 2);
  EXPECT_EQ(o.out, "");
}

TEST_F(OldNamesOfARun, ASweepsPointersLeadToTheFileAsWritten) {
  write("sweep.json",
        R"({"base": "p.json", "grid": {"/rules/0/quantizer/s_min": [0.001, 0.002]}})");
  const Outcome o = qloom({"sweep", "sweep.json", "--output", "swept"});
  ASSERT_EQ(o.status, 0) << o.err;
  EXPECT_NE(o.err.find(kWarning), std::string::npos) << o.err;
  EXPECT_EQ(o.err.find(kWarning), o.err.rfind(kWarning)) << o.err;
}

TEST_F(OldNamesOfARun, ACheckpointOfAnEarlierVersionIsUnderstood) {
  const Outcome first = qloom({"run", "p.json", "--output", "out"});
  ASSERT_EQ(first.status, 0) << first.err;
  const std::string file = folder_ / "out" / "checkpoint.npz";
  data::Arrays arrays = data::read_npz(file);
  // As lsq's "minimum" was called before; a blank keeps the length.
  replace_in(arrays.at("@meta"), "\"minimum\":", "\"s_min\"  :");
  replace_in(arrays.at("site/weight/d/@methods"), "\"minimum\":", "\"s_min\"  :");
  data::write_npz(file, arrays);
  std::filesystem::remove(folder_ / "out" / "report.json");
  const Outcome resumed = qloom({"run", "p.json", "--output", "out", "--resume"});
  EXPECT_EQ(resumed.status, 0) << resumed.err;

  // Learned steps go on at the same reader, also where the next pipeline writes the present name.
  Json p = json("p.json");
  p["model"]["weights"] = file;
  p["stages"] = Json::parse(R"([{"evaluate": {}}])");
  p["rules"][0]["quantizer"].erase("s_min");
  p["rules"][0]["quantizer"]["minimum"] = 0.001;
  write("next.json", p.dump());
  const Outcome next = qloom({"run", "next.json", "--output", "next"});
  ASSERT_EQ(next.status, 0) << next.err;
  const data::Arrays after = data::read_npz(folder_ / "next" / "checkpoint.npz");
  for (const char* step : {"site/weight/d/learned/step", "site/weight/e/learned/step"}) {
    EXPECT_EQ(after.at(step).values, arrays.at(step).values) << step;
  }
  EXPECT_EQ(json("next/report.json")["final"], json("out/report.json")["final"]);
}

TEST_F(OldNamesOfARun, ApplyTakesThemAndShowListsThem) {
  write_array("x.npy", {1, -2});
  const std::string rule = R"({"quantizer": {"plugin": "minifloat", "exponent_bits": 2,
      "mantissa_bits": 1, "specials": "ieee", "saturate": false}})";
  const Outcome o = qloom({"apply", rule, "--input", "x.npy", "--output", "y.npy"});
  ASSERT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(o.err,
            "qloom: warning: RULE: /quantizer/saturate: is now called \"overflow\": "
            "\"infinity\"\n");
  EXPECT_NE(qloom({"plugins", "show", "minifloat"})
                .out.find("old names:  saturate (now overflow: true is saturate, false is "
                          "infinity)\n"),
            std::string::npos);
  EXPECT_NE(qloom({"plugins", "show", "lsq"})
                .out.find("old names:  init (now initial), s_min (now minimum)\n"),
            std::string::npos);
}

}  // namespace
}  // namespace qloom::test
