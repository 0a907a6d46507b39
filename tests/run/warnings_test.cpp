// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Settings without effect: told once on standard error, listed in report.json, not refused.
#include "tests/support/small_run.hpp"

namespace qloom::test {
namespace {

/// The runs are tiny: threads would only wait for each other.
const std::map<std::string, std::string> kOneThread{{"OMP_NUM_THREADS", "1"}};

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
    const Outcome ran = qloom(run, kOneThread), validated = qloom(validate, kOneThread);
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

TEST_F(WarningsOfARun, MethodsOfARecipeThatContradictEachOther) {
  const auto with = [](const std::string& norm, const std::string& procedure, int bits) {
    return List{R"(/norm={"plugin": "const_scale")" + norm + "}",
                R"(/procedures=[{"plugin": "wage_training")" + procedure + "}]",
                R"(/rules=[{"site": "weight", "quantizer": {"plugin": "wage", "bits": )" +
                    std::to_string(bits) + "}}]",
                "/stages/0/train/optimizer/learning_rate=1"};
  };
  const auto contradicts = [](const std::string& mine, const std::string& its,
                              const std::string& place) {
    return mine + " contradicts " + its + " of p.json: " + place +
           ": the recipe has one value for both";
  };
  expect(with(R"(, "weight_bits": 3, "beta": 2)", R"(, "weight_bits": 3, "beta": 2)", 3), {});
  expect(with(R"(, "divisor": 8)", R"(, "beta": 2)", 2), {});
  expect(with(R"(, "init_gain": 3)", R"(, "beta": 2)", 3),
         {{"/procedures/0/beta", contradicts("2", "1.5", "/norm/beta")},
          {"/procedures/0/init_gain", contradicts("6", "3", "/norm/init_gain")},
          {"/procedures/0/weight_bits", contradicts("2", "3", "/rules/0/quantizer/bits")},
          {"/norm/weight_bits", contradicts("2", "3", "/rules/0/quantizer/bits")}});
}

TEST_F(WarningsOfARun, ARuleThatBeginsAfterTheEnd) {
  expect({kFar}, {{"/rules/0/from", kNever}});
  // At the very end it acts in the evaluation that follows, and only there.
  expect({"/rules/0/site=weight", "/rules/0/from={\"epoch\": 2}"}, {});
  expect({"/rules/0/from={\"epoch\": 2}",
          "/stages=[{\"evaluate\": {}}, {\"train\": {\"epochs\": 2}}]"},
         {{"/rules/0/from",
           "the rule never acts: it begins after step 32, and training ends after "
           "step 32 (epoch 2)"}});
  expect({"/rules/0/from={\"step\": 33}"},
         {{"/rules/0/from",
           "the rule never acts: it begins after step 33, and training ends after "
           "step 32 (epoch 2)"}});
}

/// 2^60 epochs of 16 steps are no number of 64 bits.
TEST_F(WarningsOfARun, ARuleThatBeginsLaterThanAnyCounterHolds) {
  const auto never = [](const std::string& step) {
    return "the rule never acts: it begins after step " + step +
           ", and training ends after step 32 (epoch 2)";
  };
  const std::string most = "18446744073709551615";
  expect({R"(/rules/0/from={"epoch": 576460752303423488})"},
         {{"/rules/0/from", never("9223372036854775808")}});
  expect({R"(/rules/0/from={"epoch": 1152921504606846976})"}, {{"/rules/0/from", never(most)}});
  expect({R"(/rules/0/from={"epoch": 9223372036854775807})"}, {{"/rules/0/from", never(most)}});
  // A rule of that moment is checked like any other.
  const Outcome o =
      qloom({"validate", "p.json", "--set", R"(/rules/0/from={"epoch": 1152921504606846976})",
             "--set", "/rules/0/layers=[\"lost\"]"});
  EXPECT_EQ(o.status, 2) << o.err;
}

TEST_F(WarningsOfARun, ARuleOfTrainingAloneThatBeginsAtItsEnd) {
  const std::string from = R"(/rules/0/from={"epoch": 2})";
  const std::string what =
      "the rule never acts: it begins after step 32, and training ends after step 32 (epoch 2)";
  expect({"/rules/0/site=weight", "/rules/0/when=training", from}, {{"/rules/0/from", what}});
  expect({"/rules/0/site=update", from}, {{"/rules/0/from", what}});
  expect({"/rules/0/site=weight", "/rules/0/when=evaluation", from}, {});
}

TEST_F(WarningsOfARun, APadWhereNothingPads) {
  const std::string rules =
      R"(/rules=[{"site": "activation", "pad": -1, "quantizer": {"plugin": "sign_clip"}}])";
  // Behind a ReLU signs would be warned about.
  const std::string no_relu = R"(/model/inline/layers/2={"name": "r", "type": "tanh"})";
  expect({rules, no_relu}, {{"/rules/0/pad", "-1 has no effect: no layer of the rule pads"}});
  const std::string conv = R"(/model/inline/layers=[{"name": "d", "type": "dense", "units": 8},
      {"name": "c", "type": "conv", "filters": 2, "kernel": 3, "padding": "same"},
      {"name": "e", "type": "dense", "units": "classes"}])";
  expect({rules, conv}, {});
  expect({"/rules=[]", R"(/recipe={"plugin": "bnn_schedule"})", no_relu}, {});
}

TEST_F(WarningsOfARun, MoreBatchesThanThereAre) {
  expect(
      {"/stages=[{\"calibrate\": {\"batches\": 17}}, {\"evaluate\": {\"batches\": 5}}]"},
      {{"/stages/0/calibrate/batches",
        "17 is more than the 16 batches of the training set; 16 are used"},
       {"/stages/1/evaluate/batches", "5 is more than the 4 batches of the test set; 4 are used"}});
  EXPECT_EQ(json("out/report.json")["stages"][0]["batches"], 16);
}

std::string rule(const char* site, const std::string& quantizer,
                 const char* rounding = "stochastic") {
  return std::string("/rules=[{\"site\": \"") + site + "\", \"quantizer\": " + quantizer +
         ", \"rounding\": {\"plugin\": \"" + rounding + "\"}}]";
}

std::string idle_rounding(const char* kind, const char* method) {
  return std::string("\"stochastic\" has no effect: ") + kind + " \"" + method +
         "\" does not round with these parameters";
}

TEST_F(WarningsOfARun, ARoundingForAMethodThatDoesNotRound) {
  const char* const kPlace = "/rules/0/rounding";
  expect({rule("weight", R"({"plugin": "twn"})")}, {{kPlace, idle_rounding("quantizer", "twn")}});
  expect({rule("weight", R"({"plugin": "ttq"})")}, {{kPlace, idle_rounding("quantizer", "ttq")}});
  expect({rule("weight", R"({"plugin": "dorefa", "part": "weight", "bits": 1})")},
         {{kPlace, idle_rounding("quantizer", "dorefa")}});
  expect({rule("error", R"({"plugin": "dorefa", "part": "gradient", "bits": 4})")},
         {{kPlace, idle_rounding("quantizer", "dorefa")}});
  expect({rule("gradient", R"({"plugin": "wage", "part": "gradient"})")},
         {{kPlace, idle_rounding("quantizer", "wage")}});
  expect({rule("weight", R"({"plugin": "dorefa", "part": "weight", "bits": 2})")}, {});
  expect(
      {"/rules/-={\"site\": \"input\", \"quantizer\": {\"plugin\": \"affine\"}}",
       "/rules/-={\"site\": \"accumulator.forward\", \"accumulator\": {\"plugin\": \"integer\"}, "
       "\"rounding\": {\"plugin\": \"stochastic\"}}",
       "/rules/0/quantizer/symmetric=true", "/rules/1/quantizer/symmetric=true"},
      {{"/rules/2/rounding", idle_rounding("accumulator", "integer")}});
}

TEST_F(WarningsOfARun, ASchedulePartThatNeverComes) {
  expect({R"(/stages/0/train/schedule={"type": "step", "epochs": [1, 2, 5]})"},
         {{"/stages/0/train/schedule/epochs/1", "2 has no effect: the stage ends after epoch 2"},
          {"/stages/0/train/schedule/epochs/2", "5 has no effect: the stage ends after epoch 2"}});
  expect({"/stages/0/train/schedule={\"warmup_steps\": 33}"},
         {{"/stages/0/train/schedule/warmup_steps",
           "33 is more than the 32 steps of the stage: the learning rate is never reached"}});
  expect({"/stages/0/train/schedule={\"warmup_steps\": 32}"}, {});
}

TEST_F(WarningsOfARun, AnEpochOfAMethodThatNeverComes) {
  expect({R"(/procedures=[{"plugin": "swalp", "start_epoch": 2}])"},
         {{"/procedures/0/start_epoch", "2 has no effect: training ends after epoch 2"}});
  expect({R"(/procedures=[{"plugin": "swalp", "start_epoch": 1}])"}, {});
  expect({R"(/rules/-={"site": "gradient", "quantizer": {"plugin": "wage", "part": "gradient",
               "learning_rate_steps": [{"epoch": 1, "learning_rate": 4},
                                       {"epoch": 3, "learning_rate": 2}]}})"},
         {{"/rules/1/quantizer/learning_rate_steps/1/epoch",
           "3 has no effect: training ends after epoch 2"}});
}

TEST_F(WarningsOfARun, WhatIsOfTrainingWhereNoneIs) {
  const std::string evaluate = R"(/stages=[{"calibrate": {}}, {"evaluate": {}}])";
  expect({evaluate, R"(/rules/0/site=["weight", "activation", "update", "error"])",
          R"(/procedures=[{"plugin": "swalp"}])"},
         {{"/procedures/0", "\"swalp\" acts in training, and no stage trains"},
          {"/rules/0/site",
           "\"update\", \"error\" has no effect: it is of training, and no stage "
           "trains with the rules"}});
  expect({evaluate, R"(/procedures=[{"plugin": "fold_bn"}])"}, {});
  const std::string in_float = R"(/stages=[{"train": {"apply_rules": false}}, {"evaluate": {}}])";
  for (const std::string& stages : {std::string(R"(/stages=[{"evaluate": {}}])"), in_float}) {
    expect({stages, "/rules/0/site=weight", "/rules/0/when=training"},
           {{"/rules/0/when",
             "the rule never acts: \"training\", and no stage trains with the rules"}});
  }
}

TEST_F(WarningsOfARun, AStageWithoutWork) {
  expect({R"(/stages=[{"calibrate": {}}, {"evaluate": {}}])", "/rules/0/site=weight"},
         {{"/stages/0/calibrate", "no site has anything to calibrate: the stage has no effect"}});
  expect({"/stages/0/train/apply_rules=false", "/stages/1/evaluate/apply_rules=false"},
         {{"/rules/0", "no stage applies the rules"}});
}

TEST_F(WarningsOfARun, KeysWithoutEffectOnThisDataAndModel) {
  expect({"/data/normalisation=unit"},
         {{"/data/normalisation",
           "\"unit\" has no effect: the images are float32, which are used as they are"}});
  expect({"/norm={\"plugin\": \"range_bn\"}",
          R"(/model/inline/layers=[{"name": "e", "type": "dense", "units": "classes"}])",
          "/rules/0/site=weight"},
         {{"/norm", "\"range_bn\" has no effect: the model has no norm layer"}});
}

TEST_F(WarningsOfARun, ParametersWithoutEffectBesideOthers) {
  expect({R"(/rules=[{"site": "weight", "quantizer": {"plugin": "twn", "threshold_rule": "exact",
                                                      "threshold_factor": 0.5}}])"},
         {{"/rules/0/quantizer/threshold_factor",
           "0.5 has no effect with \"threshold_rule\": \"exact\""}});
  expect({R"(/rules=[{"site": "activation", "quantizer": {"plugin": "dorefa", "part": "activation",
                      "bits": 4, "granularity": "channel", "max_grad": false}}])"},
         {{"/rules/0/quantizer/granularity",
           "\"channel\" has no effect with \"part\": \"activation\""},
          {"/rules/0/quantizer/max_grad", "false has no effect with \"part\": \"activation\""}});
  expect({R"(/rules=[{"site": "weight", "quantizer": {"plugin": "ttq", "threshold": 0.1}}])"}, {});
  expect({R"(/rules=[{"site": "weight", "quantizer": {"plugin": "ttq", "threshold": 0.1,
                                                      "sparsity": 0.5}}])"},
         {{"/rules/0/quantizer/threshold", "0.1 has no effect with \"sparsity\": 0.5"}});
  expect({R"(/norm={"plugin": "const_scale", "divisor": 2, "weight_bits": 4})"},
         {{"/norm/weight_bits", "4 has no effect with \"divisor\": 2"}});
}

constexpr const char* kOneLeft = "/data/train_limit=33";  // batches of 16, 16 and 1

TEST_F(WarningsOfARun, ANormOverOneValue) {
  const std::string same =
      "the smallest batch of an epoch has 1 value per channel of \"n\": there ";
  expect({kOneLeft}, {{"/norm", same + "\"batch_norm\" gives the same output for every input"}});
  expect({kOneLeft, "/norm={\"plugin\": \"l1_bn\"}"},
         {{"/norm", same + "\"l1_bn\" gives the same output for every input"}});
  for (const char* other : {"frozen_bn", "const_scale"}) {
    expect({kOneLeft, std::string("/norm={\"plugin\": \"") + other + "\"}"}, {});
  }
  expect({"/data/train_limit=34"}, {});
}

TEST_F(WarningsOfARun, ASignBehindAReluSeesNothing) {
  const auto rules = [](const std::string& quantizer) {
    return R"(/rules=[{"site": "activation", "quantizer": {)" + quantizer + "}}]";
  };
  for (const char* id : {"sign_act", "xnor_act", "bnn_act"}) {
    expect({rules(R"("plugin": ")" + std::string(id) + "\"")},
           {{"/rules/0/quantizer",
             "\"" + std::string(id) +
                 "\" at \"activation/e\" gives 1 for all that the ReLU before it lets through, so "
                 "that the layer sees nothing of its input; it is for values that may be negative: "
                 "leave the ReLU out"}});
  }
  expect(
      {rules(R"("plugin": "xnor_act")"), R"(/model/inline/layers/2={"name": "r", "type": "tanh"})"},
      {});
  for (const char* other :
       {R"("plugin": "hwgq")", R"("plugin": "fixed_point", "bits": 4, "fraction_bits": -8)",
        R"("plugin": "affine", "bits": 1)", R"("plugin": "lsq", "bits": 2)",
        R"("plugin": "pact", "bits": 2)", R"("plugin": "abc_act")"}) {
    expect({rules(other)}, {});
  }
}

/// What is refused before any work.
class Refusals : public WarningsOfARun {
 protected:
  void expect_refusal(const List& changes, const std::string& message) {
    List run{"run", "p.json", "--output", "out"}, validate{"validate", "p.json"};
    for (const auto& change : changes) {
      run.insert(run.end(), {"--set", change});
      validate.insert(validate.end(), {"--set", change});
    }
    for (const List& arguments : {run, validate}) {
      const Outcome o = qloom(arguments, kOneThread);
      EXPECT_EQ(o.status, 2) << o.err;
      EXPECT_NE(o.err.find("qloom: p.json: " + message), std::string::npos) << o.err;
    }
    EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
  }
};

TEST_F(Refusals, ANormThatRefusesTheSmallestBatch) {
  expect_refusal({kOneLeft, "/norm={\"plugin\": \"range_bn\"}"},
                 "/norm: the smallest batch of an epoch has 1 value per channel of \"n\", which "
                 "\"range_bn\" refuses: ");
  expect_refusal({kOneLeft, R"(/rules/-={"layers": "n", "norm": {"plugin": "range_bn"},
                                        "from": {"epoch": 1}})"},
                 "/rules/1/norm: the smallest batch");
}

TEST_F(Refusals, APartOrAMethodAtASiteItIsNotFor) {
  const auto with = [](const char* site, const char* quantizer) {
    return std::string("/rules/-={\"site\": \"") + site + "\", \"quantizer\": " + quantizer + "}";
  };
  expect_refusal(
      {with("activation", R"({"plugin": "dorefa", "part": "gradient", "bits": 4})")},
      "/rules/1/quantizer/part: \"gradient\" is for the sites \"error\", \"error.dx\", "
      "\"error.dw\", \"gradient\", not for \"activation\", did you mean \"activation\"?");
  expect_refusal({with("weight", R"({"plugin": "pact"})")},
                 "/rules/1/quantizer/plugin: \"pact\" is for the sites \"input\", \"activation\", "
                 "\"logits\", not for \"weight\"");
  expect_refusal({with("weight", R"({"plugin": "wage", "part": "error"})")},
                 "/rules/1/quantizer/part: \"error\" is for the sites \"error\", \"error.dx\", "
                 "\"error.dw\", \"logits\", not for \"weight\", did you mean \"weight\"?");
  expect_refusal({with("weight", R"({"plugin": "qil", "part": "activation"})")},
                 "/rules/1/quantizer/part: ");
}

TEST_F(Refusals, AnInternalThatTheNormHasNot) {
  expect_refusal(
      {"/norm={\"plugin\": \"const_scale\"}",
       R"(/rules/-={"site": "norm", "slot": "gamma", "quantizer": {"plugin": "affine"}})"},
      "/rules/1/slot: no norm of the layers that the rule names has the internal "
      "\"gamma\"; known: \"inv_scale\"");
}

TEST_F(Refusals, RepeatedRunsOfAComparison) {
  const auto refused = [this](const List& more, const std::string& message) {
    List all{"compare", "p.json"};
    all.insert(all.end(), more.begin(), more.end());
    const Outcome o = qloom(all);
    EXPECT_EQ(o.status, 2) << o.err;
    EXPECT_NE(o.err.find(message), std::string::npos) << o.err;
  };
  refused({"--seeds", "1,2,1"}, "--seeds: 1 is there twice; expected each once");
  refused({"./p.json"}, "pipelines: ./p.json is there twice; expected each once");
  refused({"--variant", "/seed=2"}, "expected --seeds");
  refused({"--variant", "/data/batch_size=8", "--variant", "/data/batch_size=8"},
          "--variant: \"/data/batch_size=8\" is there twice");
  refused({"--variant", "/data/batch_size=16"}, "are the same pipeline; expected each once");
  refused({"--variant", "/name=b"}, "are the same pipeline, but for a name or a description");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "runs"));
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
  const Outcome o = qloom({"run", "p.json", "--output", "out", "--set", kFar, "--resume"});
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
