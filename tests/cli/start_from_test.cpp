// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What a pipeline takes over from the trained state that it starts from.
#include "tests/support/small_run.hpp"

namespace qloom::test {
namespace {

class StartFrom : public SmallRun {
 protected:
  static Json lsq_rules() {
    return Json::parse(
        R"([{"site": ["weight", "activation"], "quantizer": {"plugin": "lsq", "bits": 4}}])");
  }
  /// p.json with `patch` (RFC 7396) as `name`.
  void derive(const std::string& name, const Json& patch) {
    Json p = Json::parse(text("p.json"));
    p.merge_patch(patch);
    write(name, p.dump());
  }
  Json run(const std::string& file, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{"run", file, "--output", "out_" + file, "--threads", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome o = qloom(arguments);
    EXPECT_EQ(o.status, 0) << file << "\n" << o.err;
    return o.status == 0 ? json("out_" + file + "/report.json") : Json::object();
  }
  static Json stages(const char* text) { return {{"stages", Json::parse(text)}}; }
};

TEST_F(StartFrom, AnEvaluationGivesTheFigureOfTheTrainingForEveryBatchSize) {
  derive("trained.json", {{"rules", lsq_rules()}});
  derive("tested.json", {{"rules", lsq_rules()},
                         {"start_from", "trained.json"},
                         {"stages", Json::parse(R"([{"evaluate": {}}])")}});
  const Json trained = run("trained.json")["final"];
  for (const char* size : {"16", "5", "64"}) {
    const std::string set = std::string("/data/batch_size=") + size;
    const Json tested = run("tested.json", {"--set", set})["final"];
    EXPECT_EQ(tested["correct"], trained["correct"]) << size;
    EXPECT_NEAR(tested["loss"].get<double>(), trained["loss"].get<double>(), 1e-6) << size;
  }
}

TEST_F(StartFrom, ACheckpointAsWeightsGivesTheSame) {
  derive("trained.json", {{"rules", lsq_rules()}});
  const Json trained = run("trained.json")["final"];
  derive("tested.json", {{"rules", lsq_rules()},
                         {"model", {{"weights", "out_trained.json/checkpoint.npz"}}},
                         {"stages", Json::parse(R"([{"evaluate": {}}])")}});
  EXPECT_EQ(run("tested.json")["final"], trained);
}

TEST_F(StartFrom, WithoutStateActivationsHaveToBeCalibrated) {
  derive("trained.json", {{"rules", lsq_rules()}});
  const Json start{{"pipeline", "trained.json"}, {"state", false}};
  derive("refused.json", {{"rules", lsq_rules()},
                          {"start_from", start},
                          {"stages", Json::parse(R"([{"evaluate": {}}])")}});
  for (const char* command : {"validate", "run"}) {
    const Outcome o = qloom({command, "refused.json"});
    EXPECT_EQ(o.status, 2) << o.err;
    EXPECT_NE(o.err.find("refused.json: /stages/0: no first tensor is known for \"activation/e\""),
              std::string::npos)
        << o.err;
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "runs")) << "before any work";
  derive("calibrated.json", {{"rules", lsq_rules()},
                             {"start_from", start},
                             {"stages", Json::parse(R"([{"calibrate": {}}, {"evaluate": {}}])")}});
  const Json report = run("calibrated.json");
  EXPECT_EQ(report["configuration"]["pipeline"]["start_from"], start);
  derive("float.json", {{"rules", Json::array()}});
  derive("later.json", {{"rules", lsq_rules()},
                        {"start_from", "float.json"},
                        {"stages", Json::parse(R"([{"evaluate": {}}])")}});
  EXPECT_EQ(qloom({"validate", "later.json"}).status, 2) << "a float network has no steps";
}

/// Progressive quantization of QIL: each width begins with the intervals of the one before.
TEST_F(StartFrom, AnIntervalThatIsLearnedStaysBitForBitWhenTheWidthChanges) {
  const auto rules = [](int bits) {
    return Json::array(
        {{{"site", {"weight", "activation"}}, {"quantizer", {{"plugin", "qil"}, {"bits", bits}}}}});
  };
  derive("bits_5.json", {{"rules", rules(5)}});
  run("bits_5.json");
  std::string before = "bits_5.json";
  for (const int bits : {4, 3, 2}) {
    const std::string name = "bits_" + std::to_string(bits) + ".json";
    const Json start{{"rules", rules(bits)}, {"start_from", before}};
    Json look = start;
    look["stages"] = Json::parse(R"([{"evaluate": {}}])");
    derive("look.json", look);
    run("look.json");
    const data::Arrays was = data::read_npz(folder_ / ("out_" + before) / "checkpoint.npz");
    const data::Arrays is = data::read_npz(folder_ / "out_look.json" / "checkpoint.npz");
    int compared = 0;
    for (const auto& [key, array] : was) {
      if (key.find("/learned/") == std::string::npos) continue;
      EXPECT_EQ(is.at(key).values, array.values) << key << " with " << bits << " bits";
      ++compared;
    }
    EXPECT_GE(compared, 6) << "center and half-width of two weights and an activation";
    derive(name, start);
    const Json report = run(name);
    EXPECT_EQ(report["sites"]["weight/d"]["bits"], bits);
    const data::Arrays now = data::read_npz(folder_ / ("out_" + name) / "checkpoint.npz");
    EXPECT_NE(now.at("site/weight/d/learned/center").values,
              was.at("site/weight/d/learned/center").values)
        << "and is trained on";
    before = name;
  }
}

TEST_F(StartFrom, TheObjectThatSaysTheSameAsTheNameIsTheSameConfiguration) {
  derive("a.json", {{"start_from", "p.json"}});
  derive("b.json", {{"name", "small"}, {"start_from", {{"pipeline", "p.json"}}}});
  EXPECT_EQ(run("a.json")["configuration"], run("b.json")["configuration"]);
}

TEST_F(StartFrom, TheLossOfAnEvaluationIsThatOfTheTraining) {
  const Json evaluate = Json::parse(R"([{"evaluate": {}}])");
  derive("trained.json", stages(R"([{"train": {"epochs": 1, "loss": "sum_of_squares"}},
                                    {"evaluate": {}}])"));
  derive("tested.json", {{"start_from", "trained.json"}, {"stages", evaluate}});
  derive("again.json", {{"start_from", "tested.json"}, {"stages", evaluate}});
  const Json trained = run("trained.json")["final"];
  EXPECT_EQ(run("tested.json")["final"], trained);
  EXPECT_EQ(run("again.json")["final"], trained) << "also by way of a run without training";
}

TEST_F(StartFrom, EvaluationUsesAnAverageAndTrainingTheLastWeightsWithTheirStatistics) {
  const Json swalp = Json::parse(R"([{"plugin": "swalp", "start_epoch": 0, "cycle_steps": 1}])");
  Json base{{"rules", Json::array()}};
  derive("plain.json", base);
  base["procedures"] = swalp;
  derive("averaged.json", base);
  const Json averaged = run("averaged.json")["final"];
  const char* const train_on = R"([{"train": {"epochs": 1}}, {"evaluate": {}}])";
  const auto next = [&](const char* start, const char* text) {
    const std::string name = std::string("next_") + start;
    derive(name, {{"rules", Json::array()}, {"start_from", start}, {"stages", Json::parse(text)}});
    return run(name);
  };
  EXPECT_EQ(next("averaged.json", R"([{"evaluate": {}}])")["final"], averaged);
  EXPECT_NE(next("plain.json", R"([{"evaluate": {}}])")["final"], averaged);
  EXPECT_EQ(next("averaged.json", train_on)["final"], next("plain.json", train_on)["final"])
      << "training goes on as if nothing had been averaged";
  const char* const look_first =
      R"([{"evaluate": {}}, {"train": {"epochs": 1}}, {"evaluate": {}}])";
  const Json looked = next("averaged.json", look_first), plain = next("plain.json", train_on);
  EXPECT_EQ(looked["stages"][0]["loss"], averaged["loss"]);
  EXPECT_EQ(looked["final"], plain["final"]);
}

TEST_F(StartFrom, AnEvaluationFirstChangesNothingOfTheTraining) {
  const Json weights = Json::parse(
      R"([{"site": "weight", "quantizer": {"plugin": "qil", "part": "weight"}},
          {"site": "activation", "quantizer": {"plugin": "pact"}}])");
  derive("train.json", {{"rules", weights}});
  derive("look.json",
         {{"rules", weights}, {"stages", Json::parse(R"([{"evaluate": {}}, {"train": {"epochs": 2}},
                                                  {"evaluate": {}}])")}});
  EXPECT_EQ(run("look.json")["final"], run("train.json")["final"]);
}

}  // namespace
}  // namespace qloom::test
