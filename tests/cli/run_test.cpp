// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// qloom run, compare and validate on a small data set: two classes that a line separates.
#include <algorithm>

#include "host/json/validate.hpp"
#include "tests/support/small_run.hpp"

namespace qloom::test {
namespace {

namespace fs = std::filesystem;

class Run : public SmallRun {};

TEST_F(Run, TrainsAndWritesAReportThatFollowsItsSchema) {
  const Outcome o = qloom({"run", "p.json", "--output", "out", "--threads", "1", "--seed", "3"});
  ASSERT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(o.out.find("small: accuracy "), 0U) << o.out;
  const Json report = json("out/report.json");
  const Json schema =
      Json::parse(data::read_text(fs::path(QLOOM_SOURCE_DIR) / "schemas/report.schema.json"));
  EXPECT_NO_THROW(static_cast<void>(json::validate(schema, report, "report.json: ")));
  EXPECT_EQ(report["seed"], 3);
  EXPECT_EQ(report["warnings"], Json::array());
  EXPECT_EQ(report["final"]["count"], 64);
  EXPECT_GT(report["final"]["accuracy"].get<double>(), 0.8);  // a guess gives 0.5
  EXPECT_EQ(report["series"]["loss"].size(), 2U);
  EXPECT_TRUE(fs::exists(folder_ / "out/checkpoint.npz"));
}

TEST_F(Run, ARecipeIsInTheReportWithItsParameters) {
  const Outcome o = qloom({"run", "p.json", "--output", "out", "--threads", "1", "--set",
                           R"(/recipe={"plugin": "train_bc", "bits": 4})"});
  ASSERT_EQ(o.status, 0) << o.err;
  const Json report = json("out/report.json");
  EXPECT_EQ(report["recipe"], (Json{{"plugin", "train_bc"}, {"bits", 4}, {"fraction_bits", 6}}));
  EXPECT_EQ(report["configuration"]["pipeline"]["rules"].size(), 2U);
}

TEST_F(Run, TakesOverridesFromTheCommandLine) {
  const Outcome o =
      qloom({"run", "p.json", "--output", "out", "--set", "/stages/0/train/epochs=1", "--set",
             "/name=other", "--set",
             "/rules/-=" + std::string(R"({"layers": "last", "site": "*", "quantizer": null})")});
  ASSERT_EQ(o.status, 0) << o.err;
  const Json report = json("out/report.json");
  EXPECT_EQ(report["series"]["loss"].size(), 1U);
  EXPECT_EQ(report["name"], "other");
  EXPECT_EQ(report["configuration"]["pipeline"]["rules"].size(), 2U);
  EXPECT_FALSE(report["sites"].contains("weight/e"));
  EXPECT_TRUE(report["sites"].contains("weight/d"));
}

TEST_F(Run, RefusesWrongInputBeforeItWritesAnything) {
  const std::vector<std::string> before = files();
  const auto expect_refusal = [&](std::vector<std::string> more, const std::string& part) {
    std::vector<std::string> arguments{"run", "p.json", "--output", "out"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome o = qloom(arguments);
    EXPECT_EQ(o.status, 2) << o.err;
    EXPECT_NE(o.err.find(part), std::string::npos) << part << "\n" << o.err;
    EXPECT_EQ(files(), before) << part;
  };
  expect_refusal({"--set", "/sead=1"},
                 "p.json: /sead: unknown key \"sead\", did you mean \"seed\"?");
  expect_refusal({"--set", "/rules/0/quantizer/plugin=afine"}, "p.json: /rules/0/quantizer/plugin");
  expect_refusal({"--set", "/rules/0/layers=dd"}, "p.json: /rules/0/layers");
  expect_refusal({"--set", "/data/test_file=gone.npz"}, "gone.npz");
  expect_refusal({"--set", "/model/inline/layers/2/input=q"}, "/layers/2/input: \"q\"");
}

TEST_F(Run, ValidateAcceptsWhatRuns) {
  const std::vector<std::string> before = files();
  const Outcome o = qloom({"validate", "p.json"});
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(o.out, "p.json: valid: 1 rules, 0 procedures, 2 stages\n");
  EXPECT_EQ(files(), before);
}

TEST_F(Run, CompareWritesOneRowPerPipeline) {
  fs::copy_file(folder_ / "p.json", folder_ / "q.json");
  const Outcome o = qloom({"compare", "p.json", "q.json", "--seeds", "1,2", "--output", "out"});
  ASSERT_EQ(o.status, 0) << o.err;
  const Json table = json("out/compare.json");
  ASSERT_EQ(table["rows"].size(), 2U);
  EXPECT_EQ(table["rows"][0]["seeds"], Json::parse("[1, 2]"));
  EXPECT_EQ(table["rows"][0]["accuracies"], table["rows"][1]["accuracies"]);
  EXPECT_TRUE(fs::exists(folder_ / "out/compare.csv"));
  EXPECT_NE(o.out.find("| small"), std::string::npos) << o.out;
}

TEST_F(Run, CompareExchangesMethodsFromTheCommandLine) {
  const Outcome o =
      qloom({"compare", "p.json", "--set", "/stages/0/train/epochs=1", "--variant",
             R"(/rules/0/quantizer={"plugin": "twn"})", "--variant",
             R"(/rules/0/quantizer={"plugin": "lsq", "bits": 3})", "--output", "out"});
  ASSERT_EQ(o.status, 0) << o.err;
  const Json rows = json("out/compare.json")["rows"];
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_NE(rows[1]["name"].get<std::string>().find("twn"), std::string::npos);
  for (const Json& row : rows) {
    const auto folder = row["runs"][0]["folder"].get<std::string>();
    EXPECT_EQ(json("out/" + folder + "/report.json")["stages"][0]["epochs"], 1);
  }
  EXPECT_NE(rows[1]["weight_bits"], rows[2]["weight_bits"]);
  const Outcome wrong = qloom({"compare", "p.json", "--variant",
                               R"(/rules/0/quantizer={"plugin": "twm"})", "--output", "never"});
  EXPECT_EQ(wrong.status, 2);
  EXPECT_NE(wrong.err.find("did you mean \"twn\"?"), std::string::npos) << wrong.err;
  EXPECT_FALSE(fs::exists(folder_ / "never"));
}

TEST_F(Run, AveragedWeightsWithoutCodesAreNamedAsTheReason) {
  const Outcome o =
      qloom({"run", "p.json", "--output", "out", "--set", R"(/procedures=[{"plugin": "swalp"}])",
             "--set", R"(/rules/0/site=["weight", "input", "activation"])", "--set",
             R"(/rules/-={"site": "accumulator.forward", "accumulator": {"plugin": "integer"}})"});
  EXPECT_EQ(o.status, 1) << o.err;
  EXPECT_NE(o.err.find("averaged weights, which a procedure may set, are evaluated in float32 and "
                       "have no codes"),
            std::string::npos)
      << o.err;
}

}  // namespace
}  // namespace qloom::test
