// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Settings without effect: told once on standard error, listed in report.json, not refused.
#include "tests/cli/small_run.hpp"

namespace qloom::test {
namespace {

/// 256 training and 64 test samples in batches of 16: 16 steps an epoch, two epochs.
class WarningsOfARun : public SmallRun {
 protected:
  using List = std::vector<std::string>;
  /// How often `part` stands in `text`.
  static int count(const std::string& text, const std::string& part) {
    int found = 0;
    for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) {
      ++found;
    }
    return found;
  }
  static std::string line(const std::string& where, const std::string& what) {
    return "qloom: warning: p.json: " + where + ": " + what + "\n";
  }
  /// Runs p.json with these changes: exactly these warnings, on standard error and in the report,
  /// and the same from validate.
  void expect(const List& changes, const std::vector<std::pair<std::string, std::string>>& wanted) {
    List run{"run", "p.json", "--output", "out"}, validate{"validate", "p.json"};
    for (const auto& change : changes) {
      run.insert(run.end(), {"--set", change});
      validate.insert(validate.end(), {"--set", change});
    }
    const Outcome ran = qloom(run), validated = qloom(validate);
    ASSERT_EQ(ran.status, 0) << ran.err;
    ASSERT_EQ(validated.status, 0) << validated.err;
    Json list = Json::array();
    std::string lines;
    for (const auto& [where, what] : wanted) {
      list.push_back({{"where", "p.json: " + where}, {"what", what}});
      lines += line(where, what);
      EXPECT_EQ(count(ran.err, line(where, what)), 1) << ran.err;
    }
    EXPECT_EQ(json("out/report.json")["warnings"], list);
    EXPECT_EQ(validated.err, lines);
  }
};

constexpr const char* kFar = "/rules/0/from={\"epoch\": 3}";
constexpr const char* kNever =
    "the rule never acts: it begins after step 48, and training ends after step 32 (epoch 2)";

TEST_F(WarningsOfARun, NothingToWarnOf) { expect({}, {}); }

TEST_F(WarningsOfARun, ARuleThatBeginsAfterTheEnd) {
  expect({kFar}, {{"/rules/0/from", kNever}});
  // At the very end it acts in the evaluation that follows, and only there.
  expect({"/rules/0/site=weight", "/rules/0/from={\"epoch\": 2}"}, {});
  expect({"/rules/0/from={\"epoch\": 2}", "/stages=[{\"evaluate\": {}}, {\"train\": {\"epochs\": 2}}]"},
         {{"/rules/0/from", "the rule never acts: it begins after step 32, and training ends after "
                            "step 32 (epoch 2)"}});
  expect({"/rules/0/from={\"step\": 33}"},
         {{"/rules/0/from", "the rule never acts: it begins after step 33, and training ends after "
                            "step 32 (epoch 2)"}});
}

TEST_F(WarningsOfARun, MoreBatchesThanThereAre) {
  expect({"/stages=[{\"calibrate\": {\"batches\": 17}}, {\"evaluate\": {\"batches\": 5}}]"},
         {{"/stages/0/calibrate/batches",
           "17 is more than the 16 batches of the training set; 16 are used"},
          {"/stages/1/evaluate/batches",
           "5 is more than the 4 batches of the test set; 4 are used"}});
  EXPECT_EQ(json("out/report.json")["stages"][0]["batches"], 16);
}

TEST_F(WarningsOfARun, AComparisonAndASweepSayItOnce) {
  Outcome o = qloom({"compare", "p.json", "--set", kFar, "--seeds", "1,2", "--output", "c"});
  ASSERT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(count(o.err, line("/rules/0/from", kNever)), 1) << o.err;
  write("s.json", R"({"base": "p.json", "seeds": [1, 2],
                      "grid": {"/rules/0/from": [{"epoch": 1}, {"epoch": 3}]}})");
  for (int i = 0; i < 2; ++i) {  // the second time every run is an old one
    o = qloom({"sweep", "s.json", "--output", "s"});
    ASSERT_EQ(o.status, 0) << o.err;
    EXPECT_EQ(count(o.err, line("/rules/0/from", kNever)), 1) << o.err;
  }
}

TEST_F(WarningsOfARun, AResumedRunListsThemAsAWholeOne) {
  expect({kFar}, {{"/rules/0/from", kNever}});
  const Json whole = json("out/report.json");
  std::filesystem::remove(folder_ / "out/report.json");
  const Outcome o =
      qloom({"run", "p.json", "--output", "out", "--set", kFar, "--resume"});
  ASSERT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(json("out/report.json")["warnings"], whole["warnings"]);
}

TEST_F(WarningsOfARun, ThePageHoldsThem) {
  expect({kFar}, {{"/rules/0/from", kNever}});
  EXPECT_NE(text("out/report.html").find("\"warnings\":[{\"what\":\"the rule never acts"),
            std::string::npos);
}

}  // namespace
}  // namespace qloom::test
