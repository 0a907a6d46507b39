// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A sweep or a comparison that is stopped: its runs keep their checkpoints, no further one starts,
// the table of what is done is written. The signal comes from inside a step of a run.
#include <csignal>

#include "tests/support/small_run.hpp"

namespace qloom::test {
namespace {

namespace fs = std::filesystem;

class BatchStop : public SmallRun {
 protected:
  void SetUp() override {
    SmallRun::SetUp();
    Json p = json("p.json");
    p["rules"] = Json::array();
    write("p.json", p.dump());
    p["name"] = "second";
    p["rules"] = {{{"site", "weight"}, {"quantizer", {{"plugin", "misbehaving"}}}}};
    write("q.json", p.dump());
  }
  [[nodiscard]] Outcome batch(const std::vector<std::string>& words,
                              const std::string& signal) const {
    return qloom(words, {{"QLOOM_PLUGIN_PATH", QLOOM_BINARY_DIR "/tests/misbehaving_plugins"},
                         {"MISBEHAVING_SIGNAL", signal}});
  }
};

TEST_F(BatchStop, ASweepTellsItsRunsAndWritesItsTable) {
  write("s.json", R"({"base": "q.json", "list": [{}], "seeds": [1, 2, 3]})");
  // "+15": to the parent, which tells the run that sent it.
  const Outcome stopped =
      batch({"sweep", "s.json", "--output", "out", "--jobs", "1", "--threads", "1"}, "+15 5");
  EXPECT_EQ(stopped.status, 128 + SIGTERM) << stopped.err;
  EXPECT_NE(stopped.err.find("stopped by SIGTERM; the table holds what is done"), std::string::npos)
      << stopped.err;
  const Json rows = json("out/results.json")["rows"];
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0]["runs"].size(), 3U);
  int kept = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder_ / "out")) {
    kept += entry.path().filename() == "checkpoint.npz" ? 1 : 0;
  }
  EXPECT_EQ(kept, 1) << "of the run that was under way; no further one began";
  const Outcome again =
      batch({"sweep", "s.json", "--output", "out", "--jobs", "1", "--threads", "1"}, "");
  EXPECT_EQ(again.status, 0) << again.err;
}

TEST_F(BatchStop, AComparisonWritesTheRowsThatAreDone) {
  const Outcome o =
      batch({"compare", "p.json", "q.json", "--output", "out", "--threads", "1"}, "+15 5");
  EXPECT_EQ(o.status, 128 + SIGTERM) << o.err;
  const Json rows = json("out/compare.json")["rows"];
  ASSERT_GE(rows.size(), 1U);
  EXPECT_EQ(rows[0]["name"], "small");
  EXPECT_NE(o.out.find("| small"), std::string::npos) << o.out;
  EXPECT_TRUE(fs::exists(folder_ / "out/q/seed_1/checkpoint.npz")) << "with the steps it did";
}

}  // namespace
}  // namespace qloom::test
