// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// report.html without a browser: it holds the data of the reports and needs nothing from outside;
// what the run found out about its layers.
#include <cmath>
#include <numeric>
#include <variant>

#include "tests/support/small_run.hpp"

namespace qloom::test {
namespace {

namespace fs = std::filesystem;

class Page : public SmallRun {
 protected:
  Json run(const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments{"run", "p.json", "--output", "out"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome o = qloom(arguments);
    EXPECT_EQ(o.status, 0) << o.err;
    return json("out/report.json");
  }
  /// The JSON that stands in the page.
  [[nodiscard]] Json data_of(const std::string& file) const {
    const std::string html = text(file), mark = R"(<script type="application/json" id="data">)";
    const std::size_t begin = html.find(mark) + mark.size();
    return Json::parse(html.substr(begin, html.find("</script>", begin) - begin));
  }
  static Json tensor(const Json& report, const std::string& name) {
    for (const Json& t : report["layer_statistics"]["tensors"]) {
      if (t["tensor"] == name) return t;
    }
    ADD_FAILURE() << "no tensor " << name;
    return {};
  }
  static std::int64_t sum(const Json& counts) {
    return std::accumulate(counts.begin(), counts.end(), std::int64_t{0},
                           [](std::int64_t s, const Json& n) { return s + n.get<std::int64_t>(); });
  }
};

TEST_F(Page, HoldsTheReportAndNeedsNothingElse) {
  const Json report = run();
  const Json data = data_of("out/report.html");
  EXPECT_EQ(data["kind"], "run");
  EXPECT_EQ(data["title"], "small");
  ASSERT_EQ(data["runs"].size(), 1U);
  EXPECT_EQ(data["runs"][0]["report"], report);
  const std::string html = text("out/report.html");
  EXPECT_NE(html.find("Chart.js v"), std::string::npos);
  for (const char* outside : {"src=", "<link", "@import", "{{"}) {
    EXPECT_EQ(html.find(outside), std::string::npos) << outside;
  }
}

TEST_F(Page, NamesCannotBreakOutOfThePage) {
  const std::string name = "a </script><b>bold</b> & <!-- co";
  run({"--set", "/name=" + name});
  EXPECT_EQ(data_of("out/report.html")["title"], name);
  EXPECT_NE(text("out/report.html").find("<title>a &lt;/script>&lt;b>bold"), std::string::npos);
}

TEST_F(Page, ReportWritesItAgain) {
  run();
  const std::string page = text("out/report.html");
  fs::remove(folder_ / "out/report.html");
  Outcome o = qloom({"report", "out"});
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(o.out, "out/report.html\n");
  EXPECT_EQ(text("out/report.html"), page);
  o = qloom({"report", "out", "--output", "other.html"});
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(text("other.html"), page);
}

TEST_F(Page, AFolderWithoutAReportIsWrongInput) {
  fs::create_directory(folder_ / "empty");
  for (const char* folder : {"empty", "gone"}) {
    const Outcome o = qloom({"report", folder});
    EXPECT_EQ(o.status, 2);
    EXPECT_NE(o.err.find(std::string(folder) + "/report.json"), std::string::npos) << o.err;
  }
  write("empty/report.json", "{\"format\": 1}");
  EXPECT_EQ(qloom({"report", "empty"}).status, 2);
  EXPECT_FALSE(fs::exists(folder_ / "empty/report.html"));
}

TEST_F(Page, ComparisonsAndSweepsBringTheirRuns) {
  fs::copy_file(folder_ / "p.json", folder_ / "q.json");
  ASSERT_EQ(qloom({"compare", "p.json", "q.json", "--seeds", "1,2", "--output", "c"}).status, 0);
  const Json compared = data_of("c/report.html");
  EXPECT_EQ(compared["kind"], "compare");
  ASSERT_EQ(compared["runs"].size(), 4U);
  EXPECT_EQ(compared["runs"][3]["row"], 1);
  EXPECT_EQ(compared["runs"][3]["report"], json("c/q/seed_2/report.json"));
  write("s.json", R"({"base": "p.json", "list": [{}, {"/rules/0/quantizer/bits": 99}]})");
  EXPECT_EQ(qloom({"sweep", "s.json", "--output", "s"}).status, 1);
  const Json swept = data_of("s/report.html");
  EXPECT_EQ(swept["kind"], "sweep");
  EXPECT_EQ(swept["rows"].size(), 2U);
  EXPECT_EQ(swept["runs"].size(), 1U);
}

TEST_F(Page, HistogramsCountEveryValue) {
  const Json report = run();
  EXPECT_EQ(report["layer_statistics"]["samples"], 64);
  for (const Json& t : report["layer_statistics"]["tensors"]) {
    const Json& h = t["histogram"];
    EXPECT_EQ(h["before"].size(), 128U);
    EXPECT_EQ(sum(h["before"]), t["values"]) << t["tensor"];
    EXPECT_LT(h["low"].get<double>(), h["high"].get<double>());
    if (!t.contains("quantizer")) continue;
    EXPECT_EQ(sum(h["after"]), t["values"]) << t["tensor"];
  }
  EXPECT_EQ(tensor(report, "d/weight")["values"], 2 * 8);
  EXPECT_EQ(tensor(report, "input of e")["values"], 64 * 8);
  // Nothing quantizes the network's input: there is no "after".
  EXPECT_FALSE(tensor(report, "input of d").contains("quantizer"));
  EXPECT_FALSE(tensor(report, "input of d")["histogram"].contains("after"));
}

TEST_F(Page, TheNoiseOfAWeightIsThatOfItsGrid) {
  const Json report = run({"--set", "/rules/0/quantizer/bits=4"});
  const Json t = tensor(report, "d/weight");
  EXPECT_EQ(t["bits"], 4);
  EXPECT_EQ(t["levels_are"], "grid");
  const auto levels = t["levels"].get<std::vector<double>>();
  EXPECT_TRUE(levels.size() == 15 || levels.size() == 16) << levels.size();
  // The stored weights come from the checkpoint, the levels from the report; the rest is by hand.
  const data::Arrays arrays = data::read_npz(folder_ / "out/checkpoint.npz");
  const auto& weights = std::get<std::vector<float>>(arrays.at("parameter/d/weight").values);
  double signal = 0, noise = 0;
  for (const float w : weights) {
    double nearest = levels[0];
    for (const double level : levels) {
      if (std::abs(level - w) < std::abs(nearest - w)) nearest = level;
    }
    signal += double(w) * w;
    noise += (nearest - w) * (nearest - w);
  }
  const auto n = double(weights.size());
  // Sums of 16 doubles in another order: far inside 1e-9 of the figure.
  EXPECT_NEAR(t["signal_power"].get<double>(), signal / n, 1e-9 * signal);
  EXPECT_NEAR(t["noise_power"].get<double>(), noise / n, 1e-9 * noise);
  EXPECT_NEAR(t["sqnr_db"].get<double>(), 10 * std::log10(signal / noise), 1e-6);
}

TEST_F(Page, TheSectionOfWhatIsStoredCountsScalesAndZeroPoints) {
  // One grid for each weight tensor of 16 values: 64 bits of codes, a scale of 32 bits, and where
  // it is not symmetric a zero point as wide as a code: 12 and 13 bytes. All else is float32.
  const auto expect = [this](const char* symmetric, int table_bits, int more_bytes) {
    const Json report = run({"--set", "/rules/0/quantizer/bits=4", "--set",
                             std::string("/rules/0/quantizer/symmetric=") + symmetric});
    const Json& storage = report["sections"]["storage"];
    EXPECT_EQ(storage["revision"], 1);
    ASSERT_EQ(storage["parameters"].size(), report["parameters"].size());
    ASSERT_EQ(storage["activations"].size(), report["activations"].size());
    std::int64_t code_bytes = 0;
    for (std::size_t i = 0; i < storage["parameters"].size(); ++i) {
      const Json &row = storage["parameters"][i], &codes = report["parameters"][i];
      EXPECT_EQ(row["name"], codes["name"]);
      EXPECT_EQ(row["bytes"], codes["bytes"]);
      code_bytes += (row["code_bits"].get<std::int64_t>() + 7) / 8;
      EXPECT_EQ(row["code_bits"], codes["elements"].get<std::int64_t>() * codes["bits"].get<int>());
      EXPECT_EQ(row["table_bits"], codes["bits"] == 4 ? table_bits : 0) << row;
    }
    EXPECT_EQ(storage["model_bytes"], report["totals"]["model_bytes"]);
    EXPECT_EQ(storage["model_bytes"], code_bytes + 2 * more_bytes);
  };
  expect("true", 32, 4);
  expect("false", 32 + 4, 5);
}

TEST_F(Page, SwapsAreEventsWithTheirMoment) {
  const Json report = run({"--set",
                           R"(/rules/-={"site": "activation", "from": {"epoch": 1}, )"
                           R"("quantizer": {"plugin": "pact", "bits": 3}})",
                           "--set",
                           R"(/rules/-={"site": "weight", "layers": "d", "from": {"epoch": 1}, )"
                           R"("quantizer": null})"});
  ASSERT_EQ(report["events"].size(), 1U);
  const Json& event = report["events"][0];
  EXPECT_EQ(event["type"], "rules");
  EXPECT_EQ(event["epoch"], 1);
  EXPECT_EQ(event["step"], 16);
  EXPECT_EQ(
      event["changes"],
      Json::parse(R"([{"site": "activation/e", "before": "affine, bits 8", "after": "pact, bits 3"},
                            {"site": "weight/d", "before": "affine, bits 8", "after": "none"}])"));
  EXPECT_EQ(report["stages"][1]["epoch"], 2);
  EXPECT_EQ(run()["events"], Json::array());
}

TEST_F(Page, ARunWithoutRangesSaysSo) {
  const Json report = run({"--set", "/stages/0/train/apply_rules=false", "--set",
                           "/stages/1/evaluate/apply_rules=false"});
  const Json& statistics = report["layer_statistics"];
  EXPECT_EQ(statistics["tensors"].size(), 0U);
  EXPECT_TRUE(statistics.contains("error"));
}

}  // namespace
}  // namespace qloom::test
