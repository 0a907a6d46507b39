// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The pages in headless Chromium, without a network: every chart and table is there, no script
// error.
#include <cstdlib>

#include "tests/support/small_run.hpp"

namespace qloom::test {
namespace {

class Browser : public SmallRun {
 protected:
  void SetUp() override {
    ASSERT_TRUE(std::filesystem::exists(QLOOM_CHROMIUM))
        << "no browser: install the package chromium and configure again";
    SmallRun::SetUp();
  }
  /// The page's elements after its scripts have run.
  [[nodiscard]] std::string dom(const std::string& file) const {
    const std::string command =
        "cd '" + folder_.string() +
        "' && HOME=\"$PWD\" timeout 120 " QLOOM_CHROMIUM
        " --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run"
        " --disable-background-networking --host-resolver-rules='MAP * ~NOTFOUND'"
        " --user-data-dir=\"$PWD/profile\" --virtual-time-budget=20000 --dump-dom \"file://$PWD/" +
        file + "\" >dom.html 2>browser.log";
    EXPECT_EQ(std::system(command.c_str()), 0) << text("browser.log");
    return text("dom.html");
  }
  static std::size_t count(const std::string& text, const std::string& part) {
    std::size_t found = 0;
    for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) {
      ++found;
    }
    return found;
  }
  /// Everything between the start tag of the element with this id and `end`.
  static std::string inside(const std::string& page, const std::string& id,
                            const std::string& end) {
    const std::size_t begin = page.find("id=\"" + id + "\"");
    return begin == std::string::npos ? "" : page.substr(begin, page.find(end, begin) - begin);
  }
  static void expect_drawn(const std::string& page, std::initializer_list<const char*> charts) {
    EXPECT_NE(page.find("data-ready=\"true\""), std::string::npos);
    EXPECT_EQ(page.find("data-errors="), std::string::npos);
    EXPECT_EQ(page.find("id=\"problem\""), std::string::npos) << inside(page, "problem", "</p>");
    for (const char* chart : charts) {  // Chart.js gives the canvas its size
      EXPECT_NE(inside(page, chart, ">").find("height"), std::string::npos) << chart;
    }
  }
  static std::size_t rows(const std::string& page, const std::string& table) {
    const std::string text = inside(page, table, "</table>");
    return count(text.substr(std::min(text.size(), text.find("<tbody>"))), "<tr");
  }
};

TEST_F(Browser, DrawsTheChartsOfARun) {
  const Outcome o =
      qloom({"run", "p.json", "--output", "out", "--set", "/name=a </script><b>bold</b>", "--set",
             R"(/rules/-={"site": "activation", "from": {"epoch": 1}, )"
             R"("quantizer": {"plugin": "pact", "bits": 3}})"});
  ASSERT_EQ(o.status, 0) << o.err;
  const std::string page = dom("out/report.html");
  expect_drawn(page, {"accuracy", "loss", "bits", "bytes", "sqnr"});
  EXPECT_EQ(inside(page, "title", "</h1>"),
            "id=\"title\">a &lt;/script&gt;&lt;b&gt;bold&lt;/b&gt;");
  EXPECT_EQ(count(page, "class=\"histogram\" "), 4U);  // two weights, two inputs
  EXPECT_EQ(rows(page, "tensors"), 7U);  // two weights, gamma, beta, a bias, two inputs
  EXPECT_EQ(rows(page, "events"), 1U);
  EXPECT_NE(page.find("id=\"warnings-section\" hidden"), std::string::npos);
  EXPECT_GE(rows(page, "methods"), 3U);
  EXPECT_NE(inside(page, "pipeline", "</pre>").find("\"dataset\": \"numpy\""), std::string::npos);
  EXPECT_NE(page.find("id=\"comparison\" hidden"), std::string::npos);
}

TEST_F(Browser, DrawsAComparison) {
  std::filesystem::copy_file(folder_ / "p.json", folder_ / "q.json");
  ASSERT_EQ(qloom({"compare", "p.json", "q.json", "--seeds", "1,2", "--output", "out"}).status, 0);
  const std::string page = dom("out/report.html");
  expect_drawn(page, {"scatter", "accuracy", "loss", "bits", "bytes", "sqnr"});
  EXPECT_EQ(rows(page, "rows"), 2U);
  EXPECT_EQ(count(inside(page, "run", "</select>"), "<option"), 4U);
  EXPECT_EQ(count(page, "class=\"histogram\" "), 4U);
}

TEST_F(Browser, DrawsASweepWithAFailure) {
  write("s.json", R"({"base": "p.json", "grid": {"/rules/0/quantizer/bits": [2, 4, 99]}})");
  ASSERT_EQ(qloom({"sweep", "s.json", "--output", "out"}).status, 1);
  const std::string page = dom("out/report.html");
  expect_drawn(page, {"scatter", "accuracy", "loss", "bits", "bytes", "sqnr"});
  EXPECT_EQ(rows(page, "rows"), 3U);
  EXPECT_GE(count(page, "class=\"front\""), 1U);
  EXPECT_NE(inside(page, "rows", "</table>").find("/rules/0/quantizer/bits: 99"),
            std::string::npos);
}

TEST_F(Browser, DrawsARunWithoutTrainingOrRules) {
  const Outcome o = qloom({"run", "p.json", "--output", "out", "--set", "/rules=[]", "--set",
                           R"(/stages=[{"evaluate": {}}])"});
  ASSERT_EQ(o.status, 0) << o.err;
  expect_drawn(dom("out/report.html"), {"accuracy", "loss", "bits", "bytes", "sqnr"});
}

TEST_F(Browser, DrawsTheSectionsThatItKnowsAndNamesTheOthers) {
  const Outcome o = qloom({"run", "p.json", "--output", "out"});
  ASSERT_EQ(o.status, 0) << o.err;
  Json report = json("out/report.json");
  report["sections"]["table.folds"] = Json::parse(
      R"({"revision": 1, "title": "Folded <norms>", "columns": ["layer", "factor"],
          "rows": [["n", 0.5], ["m", null], ["k", 2]]})");
  report["sections"]["table.later"] = {{"revision", 2}, {"cells", 3}};
  report["sections"]["weather"] = {{"revision", 7}};
  write("out/report.json", report.dump());
  ASSERT_EQ(qloom({"report", "out"}).status, 0);
  const std::string page = dom("out/report.html");
  expect_drawn(page, {"accuracy", "loss", "bits", "bytes", "sqnr"});
  EXPECT_EQ(rows(page, "storage"), 7U);
  EXPECT_EQ(rows(page, "formats"), report["sections"]["formats"]["sites"].size());
  EXPECT_GE(rows(page, "formats"), 3U);
  EXPECT_EQ(rows(page, "tables"), 3U);
  EXPECT_NE(inside(page, "tables", "</table>").find("Folded &lt;norms&gt;"), std::string::npos);
  EXPECT_EQ(rows(page, "sections"), 2U);
  const std::string left = inside(page, "sections", "</table>");
  EXPECT_NE(left.find("table.later</td><td class=\"number\">2<"), std::string::npos) << left;
  EXPECT_NE(left.find("this page draws revision 1"), std::string::npos) << left;
  EXPECT_NE(left.find("weather</td><td class=\"number\">7<"), std::string::npos) << left;
}

TEST_F(Browser, DrawsAReportOfBeforeThereWereSections) {
  const Outcome o = qloom({"run", "p.json", "--output", "out"});
  ASSERT_EQ(o.status, 0) << o.err;
  Json report = json("out/report.json");
  report.erase("sections");
  write("out/report.json", report.dump());
  ASSERT_EQ(qloom({"report", "out"}).status, 0);
  const std::string page = dom("out/report.html");
  expect_drawn(page, {"accuracy", "loss", "bits", "bytes", "sqnr"});
  EXPECT_EQ(rows(page, "tensors"), 7U);
  EXPECT_NE(page.find("id=\"storage-section\" hidden"), std::string::npos);
  EXPECT_NE(page.find("id=\"sections-section\" hidden"), std::string::npos);
}

TEST_F(Browser, ListsTheWarnings) {
  const Outcome o =
      qloom({"run", "p.json", "--output", "out", "--set", "/rules/0/from={\"epoch\": 9}"});
  ASSERT_EQ(o.status, 0) << o.err;
  const std::string page = dom("out/report.html");
  EXPECT_EQ(page.find("id=\"warnings-section\" hidden"), std::string::npos);
  EXPECT_EQ(rows(page, "warnings"), 1U);
}

}  // namespace
}  // namespace qloom::test
