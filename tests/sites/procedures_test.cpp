// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Procedures and reports of whole runs on a small set of arrays.
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "host/results/report.hpp"
#include "host/tensor/error.hpp"
#include "tests/sites/procedures.hpp"

namespace qloom::test {
namespace {

TEST_F(Procedures, FoldBnKeepsTheLogitsOfEvaluation) {
  for (const std::string norm : {"batch_norm", "range_bn", "l1_bn"}) {
    const Json patch{{"norm", {{"plugin", norm}}}};
    auto plain = trainer(Json::array(), Json::array(), 2, patch);
    auto folded = trainer(Json::array(), Json::array({{{"plugin", "fold_bn"}}}), 2, patch);
    run(plain);
    run(folded);
    EXPECT_EQ(plain.network().plan.norms().size(), 1U);
    EXPECT_TRUE(folded.network().plan.norms().empty());
    EXPECT_EQ(folded.facts().custom.at("norms_folded"), std::vector<double>{1});
    EXPECT_EQ(folded.facts().custom.at("norms_left"), std::vector<double>{0});
    const std::vector<float> expected = logits(plain);
    float largest = 0;
    for (const float y : expected) largest = std::max(largest, std::abs(y));
    expect_near(logits(folded), expected, largest * 0x1p-18);  // 64 units in the last place
    EXPECT_GT(largest, 0.1F);
  }
}

TEST_F(Procedures, FoldBnTellsOfRulesThatEndWithTheNorm) {
  const Json rules =
      Json::array({fixed_rule("norm.output", "norm1", 3), fixed_rule("weight", "conv1", 5)});
  auto folded = trainer(rules, Json::array({{{"plugin", "fold_bn"}}}), 1);
  EXPECT_TRUE(folded.state().warnings.list().empty());
  run(folded);
  const Json& list = folded.state().warnings.list();
  ASSERT_EQ(list.size(), 1U) << list.dump(2);
  EXPECT_NE(list[0]["where"].get<std::string>().find("/rules/0"), std::string::npos) << list;
  EXPECT_EQ(list[0]["what"],
            "\"norm.output\" has no effect any more at \"norm1\": the norm is folded away");
}

TEST_F(Procedures, FoldedWeightsAreWhatAWeightRuleQuantizes) {
  const Json rules =
      Json::array({fixed_rule("weight", "conv1", 5), fixed_rule("bias", "conv1", 4)});
  auto folded = trainer(rules, Json::array({{{"plugin", "fold_bn"}}}), 1);
  run(folded);
  logits(folded);
  for (network::Parameter* p : folded.network().parameters.list()) {
    if (p->layer != "conv1") continue;
    ASSERT_NE(p->forward, nullptr) << p->name();
    EXPECT_EQ(values(p->quantized), fixed(values(p->value), p->role == QLOOM_ROLE_WEIGHT ? 5 : 4));
  }
}

/// Means of the quantized parameters, one iterate at a time, in double.
struct Means {
  std::map<std::string, std::vector<double>> sums;
  int count = 0;
  void add(network::Network& network) {
    for (network::Parameter* p : network.parameters.list()) {
      const Tensor& q = network::quantized(network, *p);
      auto& sum = sums[p->name()];
      sum.resize(q.size());
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += q[i];
    }
    ++count;
  }
};

TEST_F(Procedures, SwalpEvaluatesTheMeanOfTheQuantizedWeightsOfItsEpochs) {
  const Json rules = Json::array(
      {{{"site", "weight"},
        {"quantizer", {{"plugin", "fixed_point"}, {"bits", 8}, {"fraction_bits", 5}}}}});
  auto averaged = trainer(rules, Json::array({{{"plugin", "swalp"}, {"start_epoch", 2}}}), 5);
  Means means;
  std::uint64_t epochs_seen = 0;
  run(averaged, [&](run::Trainer& t) {
    if (t.cursor().epochs == epochs_seen) return;  // the call after the stage
    epochs_seen = t.cursor().epochs;
    if (epochs_seen > 2) means.add(t.network());
  });
  EXPECT_EQ(means.count, 3);
  EXPECT_EQ(averaged.facts().custom.at("averaged_iterates"), std::vector<double>{3});
  for (network::Parameter* p : averaged.network().parameters.list()) {
    ASSERT_EQ(p->shadow.size(), p->value.size()) << p->name();
    double off_grid = 0;
    for (std::size_t i = 0; i < p->shadow.size(); ++i) {
      const double mean = means.sums.at(p->name())[i] / means.count;
      ASSERT_NEAR(p->shadow[i], mean, 1e-6) << p->name() << " " << i;
      off_grid += p->role == QLOOM_ROLE_WEIGHT &&
                  std::ldexp(p->shadow[i], 5) != std::nearbyint(std::ldexp(p->shadow[i], 5));
    }
    if (p->role == QLOOM_ROLE_WEIGHT) {
      EXPECT_GT(off_grid, 0) << p->name();
    }
  }
  // The contractions of evaluation see the average, of training the quantized weights.
  logits(averaged);
  for (const auto& node : averaged.network().plan.nodes()) {
    if (node->weight == nullptr) continue;
    EXPECT_EQ(node->weight_operand.values, node->weight->shadow.data()) << node->name;
  }
  EXPECT_NE(logits(averaged), logits(averaged, false));
}

TEST_F(Procedures, SwalpMayMakeTheAverageTheStoredWeights) {
  const Json rules = Json::array({fixed_rule("weight", "conv1", 5)});
  const auto with = [&](const char* average) {
    return Json::array({{{"plugin", "swalp"}, {"start_epoch", 1}, {"average", average}}});
  };
  auto shadow = trainer(rules, with("shadow"), 3), value = trainer(rules, with("value"), 3);
  run(shadow);
  run(value);
  const auto averaged = shadow.network().parameters.list(),
             stored = value.network().parameters.list();
  ASSERT_EQ(averaged.size(), stored.size());
  for (std::size_t k = 0; k < stored.size(); ++k) {
    EXPECT_EQ(values(stored[k]->value), values(averaged[k]->shadow)) << stored[k]->name();
    EXPECT_TRUE(stored[k]->shadow.size() == 0) << stored[k]->name();
  }
  logits(value);
  for (network::Parameter* p : stored) {
    if (p->layer == "conv1" && p->role == QLOOM_ROLE_WEIGHT) {
      EXPECT_EQ(values(p->quantized), fixed(values(p->value), 5));
    }
  }
}

Json wage_rules(int update_bits) {
  const auto wage = [](const Json& site, const char* part, int bits) {
    return Json{{"site", site},
                {"quantizer", {{"plugin", "wage"}, {"part", part}, {"bits", bits}}}};
  };
  Json gradient = wage("gradient", "gradient", update_bits);
  gradient["quantizer"]["learning_rate"] = 8.0;
  return Json::array({wage("weight", "weight", 2), wage({"input", "activation"}, "activation", 8),
                      wage("error", "error", 8), gradient});
}

TEST_F(Procedures, WageTrainingKeepsAllWeightsOnTheirGridAndInRange) {
  for (const int update_bits : {8, 6}) {
    const Json stage{{"train",
                      {{"epochs", 3},
                       {"loss", "sum_of_squares"},
                       {"optimizer", {{"learning_rate", 1.0}, {"momentum", 0.0}}}}}};
    auto t = trainer(wage_rules(update_bits),
                     Json::array({{{"plugin", "wage_training"}, {"update_bits", update_bits}}}), 3,
                     {{"norm", {{"plugin", "const_scale"}}}, {"stages", Json::array({stage})}});
    std::vector<float> first, last;
    run(t, [&](run::Trainer& now) {
      last.clear();
      for (const network::Parameter* p : now.network().parameters.list()) {
        if (p->role != QLOOM_ROLE_WEIGHT) {
          for (const float b : p->value) ASSERT_EQ(b, 0.0F) << p->name() << " stays as it was";
          continue;
        }
        for (const float w : p->value) {
          const double code = std::ldexp(w, update_bits - 1);
          ASSERT_EQ(code, std::nearbyint(code)) << p->name() << " " << w;
          ASSERT_LE(std::abs(w), 1.0F - std::ldexp(1.0F, 1 - update_bits)) << p->name();
          last.push_back(w);
        }
        for (const float w : p->quantized) ASSERT_TRUE(w == 0 || std::abs(w) == 0.5F) << w;
      }
      if (first.empty()) first = last;
    });
    EXPECT_NE(first, last) << "it learns";
  }
}

TEST_F(Procedures, WageTrainingRefusesAnotherLearningRateThanOne) {
  auto t = trainer(wage_rules(8), Json::array({{{"plugin", "wage_training"}}}), 1,
                   {{"norm", {{"plugin", "const_scale"}}}});
  try {
    run(t);
    FAIL() << "the rate 0.05 was taken";
  } catch (const RunError& error) {
    EXPECT_NE(std::string(error.what()).find("0.05"), std::string::npos) << error.what();
  }
}

Json coded_with(const Json& accumulator) {
  return Json::array({{{"site", {"weight", "input", "activation", "error"}},
                       {"quantizer", {{"plugin", "affine"}, {"bits", 8}}}},
                      {{"site", "accumulator"}, {"accumulator", accumulator}}});
}

TEST_F(Procedures, AReportHoldsTheOverflowsOfEachAccumulator) {
  const std::map<int, bool> overflows{{12, true}, {32, false}};
  for (const auto& [bits, any] : overflows) {
    auto t = trainer(coded_with({{"plugin", "integer"}, {"bits", bits}}), Json::array(), 1);
    run(t);
    const Json counts =
        results::report_of(run::facts_of(t.setup(), t.state(), 1)).at("accumulator_overflows");
    EXPECT_EQ(counts.size(), 14U) << "three for each layer, no dx where nothing lies below";
    EXPECT_FALSE(counts.contains("accumulator.dx/conv1"));
    for (const auto& [site, count] : counts.items()) {
      if (!any) {
        EXPECT_EQ(count, 0) << site;
      }
    }
    for (const char* site :
         {"accumulator.forward/conv2", "accumulator.dx/conv2", "accumulator.dw/conv2"}) {
      EXPECT_EQ(counts.at(site).get<std::uint64_t>() > 0, any) << site;
      EXPECT_EQ(counts.at(site).get<std::uint64_t>(),
                t.network().accumulators.overflows().at(site));
    }
  }
}

TEST_F(Procedures, ARunOfAnIntegerAccumulatorOverRealValuesStopsWithTheStepAndTheLayer) {
  Json rules = coded_with({{"plugin", "integer"}});
  rules.push_back(
      {{"site", "input"},
       {"quantizer", {{"plugin", "minifloat"}, {"exponent_bits", 4}, {"mantissa_bits", 3}}}});
  auto t = trainer(rules, Json::array(), 1);
  try {
    run(t);
    FAIL() << "it ran";
  } catch (const RunError& error) {
    const std::string message = error.what();
    EXPECT_EQ(message.find("step 0: forward of \"conv1\": an integer accumulator needs"), 0U)
        << message;
    EXPECT_EQ(message.find("diverged"), std::string::npos) << message;
  }
}

TEST_F(Procedures, FromSwapsAMethodBetweenTwoEpochsOfARun) {
  const auto rules = [](int epoch) {
    Json later = fixed_rule("update", "fc", 4);
    later["from"] = {{"epoch", epoch}};
    return Json::array({fixed_rule("update", "fc", 9), later});
  };
  auto t = trainer(rules(2), Json::array(), 4);
  run(t, [](run::Trainer& now) {
    const int f = now.cursor().epochs > 2 ? 4 : 9;
    for (const network::Parameter* p : now.network().parameters.list()) {
      if (p->name() != "fc/weight") continue;
      EXPECT_EQ(values(p->value), fixed(values(p->value), f)) << now.cursor().epochs;
      if (f == 9) {
        EXPECT_NE(values(p->value), fixed(values(p->value), 4));
      }
    }
  });
}

}  // namespace
}  // namespace qloom::test
