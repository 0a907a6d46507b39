// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Stored weights that procedures prune, quantize and hold: their bytes, their rounds, their resume.
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "host/tensor/error.hpp"
#include "tests/sites/procedures.hpp"

namespace qloom::test {
namespace {

/// What an element goes through beside the gradient: decay, momentum, stochastic rounding of all.
Json restless_rules() {
  const Json random{{"plugin", "stochastic"}};
  const Json coarse{{"plugin", "fixed_point"}, {"bits", 12}, {"fraction_bits", 8}};
  return Json::array({{{"site", "weight"},
                       {"when", "evaluation"},
                       {"quantizer", {{"plugin", "pow2_codebook"}, {"bits", 4}}}},
                      {{"site", {"gradient", "momentum", "update"}},
                       {"quantizer", coarse},
                       {"rounding", random}}});
}
Json restless_stages(int epochs, const char* type = "sgd") {
  Json optimizer{{"type", type}, {"learning_rate", 0.02}, {"weight_decay", 0.01}};
  if (optimizer["type"] == "sgd") optimizer["momentum"] = 0.9;
  return {{"stages", Json::array({Json{{"train", {{"epochs", epochs}, {"optimizer", optimizer}}}},
                                  Json{{"evaluate", Json::object()}}})}};
}

network::Parameter& weight(run::Trainer& trainer, std::string_view layer) {
  for (network::Parameter* p : trainer.network().parameters.list()) {
    if (p->role == QLOOM_ROLE_WEIGHT && p->layer == layer) return *p;
  }
  throw RunError("no layer " + std::string(layer));
}
std::uint64_t zeros_of(const network::Parameter& p) {
  return static_cast<std::uint64_t>(std::count(p.value.begin(), p.value.end(), 0.0F));
}

/// Held elements keep their bits from one look to the next, and no held element is freed.
class HeldElements {
 public:
  void look(network::Network& network) {
    for (network::Parameter* p : network.parameters.list()) {
      const std::vector<std::uint8_t>& held = p->control.held;
      Seen& seen = seen_[p->name()];
      for (std::size_t i = 0; i < seen.held.size(); ++i) {
        if (seen.held[i] == 0) continue;
        ASSERT_EQ(held.at(i), 1) << p->name() << " " << i;
        ASSERT_EQ(std::memcmp(&p->value[i], &seen.values[i], sizeof(float)), 0)
            << p->name() << " " << i << ": " << seen.values[i] << " became " << p->value[i];
        ++compared;
      }
      seen = {held, values(p->value)};
    }
  }
  std::uint64_t compared = 0;

 private:
  struct Seen {
    std::vector<std::uint8_t> held;
    std::vector<float> values;
  };
  std::map<std::string, Seen> seen_;
};

TEST_F(Procedures, APrunedWeightStaysZeroThroughDecayMomentumAndRandomRounding) {
  for (const char* type : {"sgd", "adam"}) {
    auto pruned = trainer(restless_rules(),
                          Json::array({{{"plugin", "magnitude_prune"}, {"sparsity", 0.75}}}), 3,
                          restless_stages(3, type));
    HeldElements held;
    run(pruned, [&](run::Trainer& t) { held.look(t.network()); });
    EXPECT_GT(held.compared, 100U);
    const network::Parameter& conv = weight(pruned, "conv1");
    const std::uint64_t n = conv.value.size();
    EXPECT_GE(zeros_of(conv), (3 * n + 2) / 4) << type;
    EXPECT_LT(zeros_of(conv), n);
    EXPECT_EQ(pruned.facts().custom.at("density/conv1").size(), 1U);
    for (std::size_t i = 0; i < n; ++i) {
      if (conv.control.held[i] == 0) continue;
      ASSERT_EQ(conv.velocity[i], 0.0F);
      if (!conv.second_moment.empty()) {
        ASSERT_EQ(conv.second_moment[i], 0.0F);
      }
    }
  }
}

TEST_F(Procedures, AHeldValueThatTheUpdatesGridDoesNotHaveStays) {
  const Json rules =
      Json::array({{{"site", "update"},
                    {"quantizer", {{"plugin", "fixed_point"}, {"bits", 8}, {"fraction_bits", 2}}},
                    {"rounding", {{"plugin", "stochastic"}}}}});
  for (const char* type : {"sgd", "adam"}) {
    auto t = trainer(rules, Json::array(), 2, restless_stages(2, type));
    network::Parameter& p = weight(t, "conv1");
    p.value[3] = 0.3F;
    p.control.held.assign(p.value.size(), 0);
    p.control.held[3] = 1;
    run(t);
    EXPECT_EQ(p.value[3], 0.3F) << type;
    EXPECT_EQ(std::ldexp(p.value[4], 2), std::nearbyint(std::ldexp(p.value[4], 2))) << type;
  }
}

TEST_F(Procedures, QuantizingInPlaceLeavesPrunedWeightsZeroWhereTheGridHasNoZero) {
  const Json rules = Json::array({{{"site", "weight"},
                                   {"when", "evaluation"},
                                   {"quantizer", {{"plugin", "binary_code"}, {"bits", 1}}}}});
  auto t = trainer(rules,
                   Json::array({{{"plugin", "magnitude_prune"}, {"sparsity", 0.5}},
                                {{"plugin", "iterative_weight_quant"}, {"rounds", 2}}}),
                   1, restless_stages(1));
  run(t);
  const network::Parameter& p = weight(t, "conv1");
  EXPECT_EQ(zeros_of(p), p.value.size() / 2);
}

TEST_F(Procedures, PruningTakesTheSmallestAndOfEqualOnesTheLast) {
  auto pruned = trainer(
      Json::array(), Json::array({{{"plugin", "magnitude_prune"}, {"sparsity", 0.5}}}), 1,
      Json{{"stages", Json::array({Json{
                          {"train", {{"epochs", 1}, {"optimizer", {{"learning_rate", 0.0}}}}}}})}});
  network::Parameter& p = weight(pruned, "conv1");
  std::vector<float> before(p.value.size());
  for (std::size_t i = 0; i < before.size(); ++i) {  // 1, 2, 3, -1, -2, -3, 1, ...
    before[i] = p.value[i] = static_cast<float>(i % 3 + 1) * (i % 6 < 3 ? 1.0F : -1.0F);
  }
  run(pruned);
  const std::size_t n = before.size(), third = n / 3, twos = n / 2 - third;
  std::size_t seen_twos = 0;
  for (std::size_t i = n; i-- > 0;) {
    const float magnitude = std::abs(before[i]);
    const bool goes = magnitude == 1 || (magnitude == 2 && seen_twos++ < twos);
    EXPECT_EQ(p.value[i], goes ? 0.0F : before[i]) << i;
  }
}

TEST_F(Procedures, RoundsPruneMoreEachTimeAndTheReportNumbersThem) {
  auto gradual = trainer(
      Json::array(),
      Json::array(
          {{{"plugin", "magnitude_prune"}, {"sparsity", 0.9}, {"rounds", 3}, {"exponent", 1}}}),
      1, restless_stages(2));
  run(gradual);
  const auto& density = gradual.facts().custom.at("density/conv1");
  ASSERT_EQ(density.size(), 3U);
  const double n = static_cast<double>(weight(gradual, "conv1").value.size());
  for (std::size_t r = 0; r < 3; ++r) {
    EXPECT_NEAR(density[r], 1.0 - 0.3 * static_cast<double>(r + 1), 0.51 / n) << r;
  }
  EXPECT_EQ(gradual.cursor().epochs, 6U);
  const Json& stages = gradual.facts().stages;
  ASSERT_EQ(stages.size(), 4U);
  EXPECT_FALSE(stages[0].contains("round"));
  EXPECT_EQ(stages[1]["round"], 1);
  EXPECT_EQ(stages[2]["round"], 2);
  EXPECT_EQ(stages[3]["type"], "evaluate");
  EXPECT_FALSE(stages[3].contains("round"));
}

TEST_F(Procedures, InqEndsWithPowersOfTwoAndNeverMovesOneAgain) {
  auto inq =
      trainer(restless_rules(), Json::array({{{"plugin", "inq"}, {"portions", {0.5, 0.75, 1.0}}}}),
              2, restless_stages(2));
  HeldElements held;
  run(inq, [&](run::Trainer& t) { held.look(t.network()); });
  EXPECT_GT(held.compared, 100U);
  EXPECT_EQ(inq.cursor().epochs, 4U);
  for (network::Parameter* p : inq.network().parameters.list()) {
    if (p->role != QLOOM_ROLE_WEIGHT) continue;
    for (const float v : p->value) {
      int exponent = 0;
      ASSERT_TRUE(v == 0 || std::abs(std::frexp(v, &exponent)) == 0.5F) << p->name() << " " << v;
    }
    EXPECT_EQ(values(network::quantized(inq.network(), *p)), values(p->value)) << p->name();
  }
}

TEST_F(Procedures, ProceduresOfOneStageBearTheRoundsOfOthers) {
  auto t = trainer(restless_rules(),
                   Json::array({{{"plugin", "inq"}, {"portions", {0.5, 1.0}}},
                                {{"plugin", "magnitude_prune"}, {"sparsity", 0.25}},
                                {{"plugin", "iterative_weight_quant"}, {"rounds", 4}}}),
                   1, restless_stages(1));
  run(t);
  EXPECT_EQ(t.cursor().epochs, 4U);
  EXPECT_EQ(t.facts().custom.at("quantization_error/conv1").size(), 5U);
  network::Parameter& p = weight(t, "conv1");
  EXPECT_LT(zeros_of(p), p.value.size() / 2) << "pruning goes no further in others' rounds";
  EXPECT_EQ(values(network::quantized(t.network(), p)), values(p.value));
}

TEST_F(Procedures, InqWithoutARuleSaysWhatIsMissing) {
  auto inq = trainer(Json::array(), Json::array({{{"plugin", "inq"}}}), 1);
  try {
    run(inq);
    FAIL();
  } catch (const RunError& error) {
    EXPECT_NE(std::string(error.what()).find("\"when\": \"evaluation\""), std::string::npos)
        << error.what();
  }
}

TEST_F(Procedures, IterativeQuantizationLeavesLessToQuantizeEachRound) {
  const Json rules = Json::array({{{"site", "weight"},
                                   {"when", "evaluation"},
                                   {"quantizer", {{"plugin", "binary_code"}, {"bits", 2}}}}});
  auto iterative = trainer(
      rules, Json::array({{{"plugin", "iterative_weight_quant"}, {"rounds", 3}}}), 1,
      Json{{"stages",
            Json::array(
                {Json{{"train", {{"epochs", 1}, {"optimizer", {{"learning_rate", 0.01}}}}}}})}});
  run(iterative);
  const auto& errors = iterative.facts().custom.at("quantization_error/conv1");
  ASSERT_EQ(errors.size(), 4U);
  EXPECT_GT(errors[0], errors[1]);
  EXPECT_GT(errors[0], errors[3]);
  network::Parameter& p = weight(iterative, "conv1");
  EXPECT_EQ(values(network::quantized(iterative.network(), p)), values(p.value));
}

TEST_F(Procedures, ARuleOfEvaluationLeavesTrainingInFloat) {
  const auto weights_after = [&](const char* when) {
    Json rule{{"site", "weight"}, {"quantizer", {{"plugin", "affine"}, {"bits", 3}}}};
    if (when != nullptr) rule["when"] = when;
    auto t = trainer(when == nullptr ? Json::array() : Json::array({rule}), Json::array(), 2);
    run(t);
    return std::pair(values(weight(t, "conv1").value), logits(t));
  };
  const auto plain = weights_after(nullptr), always = weights_after("always");
  const auto training = weights_after("training"), evaluation = weights_after("evaluation");
  EXPECT_EQ(evaluation.first, plain.first);
  EXPECT_NE(evaluation.second, plain.second);
  EXPECT_EQ(training.first, always.first);
  EXPECT_NE(training.first, plain.first);
  EXPECT_NE(training.second, always.second);
}

/// Runs on from each checkpoint of a run; all end with the same bytes.
TEST_F(Procedures, ARunGoesOnInsideARoundWithTheSameBits) {
  const auto make = [&] {
    return trainer(restless_rules(),
                   Json::array({{{"plugin", "magnitude_prune"}, {"sparsity", 0.6}, {"rounds", 2}},
                                {{"plugin", "inq"}, {"portions", {0.5, 0.75, 1.0}}},
                                {{"plugin", "huffman_report"}}}),
                   2, restless_stages(2));
  };
  auto whole = make();
  std::vector<data::Arrays> checkpoints;
  run(whole, [&](run::Trainer& t) { checkpoints.push_back(arrays_of(t.setup(), t.state())); });
  const data::Arrays expected = arrays_of(whole.setup(), whole.state());
  ASSERT_GE(checkpoints.size(), 4U);
  for (std::size_t i = 0; i < checkpoints.size(); ++i) {
    auto resumed = make();
    restore(resumed.setup(), resumed.state(), checkpoints[i], "checkpoint");
    run::Progress progress("test");
    resumed.run_stages([] {}, progress);
    const data::Arrays found = arrays_of(resumed.setup(), resumed.state());
    ASSERT_EQ(found.size(), expected.size()) << i;
    for (const auto& [name, array] : expected) {
      if (name == "@meta") continue;
      EXPECT_EQ(found.at(name).values, array.values) << i << " " << name;
    }
  }
}

TEST_F(Procedures, HessianKMeansWeighsByAdamsSecondMomentAndNeedsIt) {
  const auto values_after = [&](const char* importance, const char* type) {
    Json patch = restless_stages(2, type);
    patch["recipe"] = {{"plugin", "hessian_kmeans"},
                       {"centroids", 3},
                       {"from_epoch", 1},
                       {"importance", importance}};
    auto t = trainer(Json::array(), Json::array(), 2, patch);
    run(t);
    return values(network::quantized(t.network(), weight(t, "conv1")));
  };
  const std::vector<float> weighted = values_after("adam", "adam");
  const std::set<float> levels(weighted.begin(), weighted.end());
  EXPECT_LE(levels.size(), 3U);
  EXPECT_NE(weighted, values_after("ones", "adam"));
  try {
    (void)values_after("adam", "sgd");
    FAIL();
  } catch (const RunError& error) {
    EXPECT_NE(std::string(error.what()).find("the tensor has no second moment"), std::string::npos)
        << error.what();
  }
}

TEST_F(Procedures, HuffmanCountsCodesGapsFillersAndTables) {
  const Json rules =
      Json::array({{{"site", "weight"},
                    {"when", "evaluation"},
                    {"quantizer", {{"plugin", "kmeans_codebook"}, {"centroids", 2}}}}});
  auto huffman =
      trainer(rules, Json::array({{{"plugin", "huffman_report"}, {"index_bits_conv", 3}}}), 1,
              Json{{"stages", Json::array({Json{{"evaluate", Json::object()}}})}});
  network::Parameter& p = weight(huffman, "conv1");
  p.value.fill(0.0F);
  for (const std::size_t i : {1, 4, 15, 23, 32}) p.value[i] = 0.5F;
  run(huffman);
  // Gaps of 2, 3, 11 = filler + 3, 8, 9 = filler + 1. Symbols: five of one value, two fillers: 7
  // bits. Gaps less 1: 7 three times, 2 twice, 1 and 0: lengths 1, 2, 3, 3. Two tables of 2 and 4
  // symbols, 8 bits each; two values of 32 bits, 0 among them.
  const double bits = 7 + (3 * 1 + 2 * 2 + 3 + 3) + 8 * (2 + 4) + 2 * 32;
  EXPECT_EQ(p.control.storage_bits, bits);
  const Json rows = huffman.facts().tables.at("huffman")["rows"];
  EXPECT_EQ(rows[0][0], "conv1");
  EXPECT_EQ(rows[0][2], 5);
  EXPECT_EQ(rows[0][3], 7) << "entries";
  EXPECT_EQ(rows[0][4], 2) << "fillers";
  EXPECT_EQ(rows[0][5], "sparse");
  EXPECT_EQ(rows[0][6], bits);
  const auto facts = facts_of(huffman.setup(), huffman.state(), 1);
  EXPECT_EQ(facts.parameters.at(0).storage.bytes(), static_cast<std::uint64_t>((bits + 7) / 8));
}

/// The services of a run as a procedure reaches them.
class RunServices : public Procedures {
 protected:
  RunServices() {
    const qloom_host& host = registry::host_services();
    run_api = static_cast<const qloom_run_api*>(host.service(&host, "qloom.run/1"));
    tensors = static_cast<const qloom_tensors_api*>(host.service(&host, "qloom.tensors/1"));
    error.struct_size = sizeof error;
  }
  static std::uint64_t index_of(run::Trainer& t, const std::string& layer) {
    const auto& list = t.network().parameters.list();
    return static_cast<std::uint64_t>(std::find(list.begin(), list.end(), &weight(t, layer)) -
                                      list.begin());
  }
  [[nodiscard]] bool says(const std::string& part) const {
    return std::string(error.message).find(part) != std::string::npos;
  }
  const qloom_run_api* run_api;
  const qloom_tensors_api* tensors;
  qloom_error error{};
};

TEST_F(RunServices, ATableOfAnotherFormIsRefusedWithItsPlace) {
  auto t = trainer(Json::array(), Json::array(), 1);
  qloom_run services{t.setup(), t.state()};
  for (const auto& [text, message] :
       {std::pair{"{", "parse error"},
        {R"({"title": "t", "columns": ["a"]})", "expected an object of"},
        {R"({"title": 1, "columns": ["a"], "rows": []})", "/title: expected a text"},
        {R"({"title": "t", "columns": [], "rows": []})", "/columns: expected a list of texts"},
        {R"({"title": "t", "columns": ["a"], "rows": 1})", "/rows: expected a list"},
        {R"({"title": "t", "columns": ["a"], "rows": [[1], [1, 2]]})", "/rows/1: expected 1 texts"},
        {R"({"title": "t", "columns": ["a"], "rows": [[true]]})", "/rows/0: expected 1 texts"}}) {
    EXPECT_EQ(run_api->report_table(&services, "x", text, &error), QLOOM_E_INVALID) << text;
    EXPECT_TRUE(says(message)) << error.message;
  }
  EXPECT_TRUE(t.facts().tables.empty());
  EXPECT_EQ(run_api->again(&services), QLOOM_E_ORDER);
}

TEST_F(RunServices, ARuleIsAddedBetweenPassesAloneAndARefusedOneChangesNothing) {
  auto t = trainer(Json::array(), Json::array(), 1);
  qloom_run services{t.setup(), t.state()};
  const char* rule = R"({"site": "weight", "quantizer": {"plugin": "twn"}})";
  for (const std::uint32_t event : {QLOOM_EVENT_LOSS, QLOOM_EVENT_AFTER_BACKWARD}) {
    t.state().event = event;
    EXPECT_EQ(run_api->add_rule(&services, rule, &error), QLOOM_E_ORDER);
  }
  t.state().event = QLOOM_EVENT_AFTER_STEP;
  for (const auto& [text, message] :
       {std::pair{"{", "parse error"},
        {R"({"site": "weight"})", "the rule has nothing in it"},
        {R"({"site": "weight", "quantizer": {"plugin": "pact", "part": "activation"}})",
         "unknown key \"part\""},
        {R"({"norm": {"plugin": "l1_bn"}})", "/norm: a rule that a procedure adds"}}) {
    EXPECT_EQ(run_api->add_rule(&services, text, &error), QLOOM_E_INVALID) << text;
    EXPECT_TRUE(says(message)) << error.message;
  }
  EXPECT_TRUE(t.network().placement().quantizers.empty());
  EXPECT_TRUE(t.facts().added_rules.empty());
  EXPECT_EQ(run_api->add_rule(&services, rule, &error), QLOOM_OK);
  EXPECT_FALSE(t.network().placement().quantizers.empty());
  qloom_run_site site{};
  site.struct_size = sizeof site;
  EXPECT_EQ(run_api->site(&services, 0, &site), QLOOM_OK);
  EXPECT_STREQ(site.quantizer, "twn");
  EXPECT_EQ(run_api->site(&services, 99, &site), QLOOM_E_INVALID);
}

TEST_F(RunServices, AControlThatIsRefusedChangesNothing) {
  auto t = trainer(Json::array(), Json::array(), 1);
  qloom_run services{t.setup(), t.state()};
  network::Parameter& p = weight(t, "conv1");
  std::vector<float> importance(p.value.size(), 1.0F);
  qloom_tensor_control control{};
  control.struct_size = sizeof control;
  control.fields = QLOOM_CONTROL_IMPORTANCE | QLOOM_CONTROL_FACTORS;
  control.importance = importance.data();
  control.rate_factor = -1;
  EXPECT_EQ(tensors->set(&services, index_of(t, "conv1"), &control, &error), QLOOM_E_INVALID);
  EXPECT_TRUE(says("rate_factor is -1, expected 0 or more")) << error.message;
  control.rate_factor = 1;
  importance[3] = -2;
  EXPECT_EQ(tensors->set(&services, index_of(t, "conv1"), &control, &error), QLOOM_E_INVALID);
  EXPECT_TRUE(says("importance of element 3 is -2")) << error.message;
  EXPECT_TRUE(p.control.importance.empty());
  EXPECT_EQ(p.control.rate_factor, 1);
  EXPECT_EQ(tensors->set(&services, 99, &control, &error), QLOOM_E_INVALID);
}

Json rule_at(const char* layer, const Json& quantizer, const char* when = "always") {
  return {{"site", "weight"}, {"layers", {layer}}, {"quantizer", quantizer}, {"when", when}};
}

TEST_F(RunServices, QuantizingOnDemandIsAsEvaluationDoesIt) {
  const Json random{{"plugin", "binary_connect"}, {"stochastic", true}};
  auto t = trainer(
      Json::array({rule_at("conv1", random), rule_at("conv2", {{"plugin", "twn"}}, "training"),
                   rule_at("fc", {{"plugin", "pow2_codebook"}})}),
      Json::array(), 1);
  qloom_run services{t.setup(), t.state()};
  const auto quantize = [&](const char* layer, std::vector<float>& x) {
    return tensors->quantize(&services, index_of(t, layer), x.data(), x.data(), &error);
  };
  const std::vector<float> stored = values(weight(t, "conv1").value);
  for (int call = 0; call < 2; ++call) {
    std::vector<float> x = stored;
    EXPECT_EQ(quantize("conv1", x), QLOOM_OK);
    EXPECT_EQ(x, stored) << "no random sign, call " << call;
  }
  // The first tensor gives pow2_codebook its largest power, which stays.
  std::vector<float> small(weight(t, "fc").value.size(), 0.125F), large(small.size(), 8.0F);
  EXPECT_EQ(quantize("fc", small), QLOOM_OK);
  EXPECT_EQ(quantize("fc", large), QLOOM_OK);
  EXPECT_EQ(large, small);
  std::vector<float> other = values(weight(t, "conv2").value);
  EXPECT_EQ(quantize("conv2", other), QLOOM_E_UNSUPPORTED) << "a rule of training alone";
  t.state().step.phase = run::Step::Phase::kAtLoss;
  EXPECT_EQ(quantize("fc", small), QLOOM_E_ORDER);
}

TEST_F(Procedures, FactorsAndStorageAreKeptInACheckpoint) {
  auto huffman = trainer(
      Json::array(
          {{{"site", "weight"}, {"quantizer", {{"plugin", "kmeans_codebook"}, {"centroids", 4}}}}}),
      Json::array({{{"plugin", "huffman_report"}}}), 1);
  run(huffman);
  EXPECT_GT(weight(huffman, "conv1").control.storage_bits, 0);
  weight(huffman, "conv1").control.rate_factor = 0.25;
  const data::Arrays arrays = arrays_of(huffman.setup(), huffman.state());
  auto again = trainer(
      Json::array(
          {{{"site", "weight"}, {"quantizer", {{"plugin", "kmeans_codebook"}, {"centroids", 4}}}}}),
      Json::array({{{"plugin", "huffman_report"}}}), 1);
  restore(again.setup(), again.state(), arrays, "checkpoint");
  const network::Control& control = weight(again, "conv1").control;
  EXPECT_EQ(control.rate_factor, 0.25);
  EXPECT_EQ(control.storage_bits, weight(huffman, "conv1").control.storage_bits);
}

TEST_F(Procedures, ARateFactorOfZeroStopsATensor) {
  auto stopped = trainer(Json::array(), Json::array(), 1);
  network::Parameter& p = weight(stopped, "conv1");
  p.control.rate_factor = 0;
  const std::vector<float> before = values(p.value);
  run(stopped);
  EXPECT_EQ(values(weight(stopped, "conv1").value), before);
}

}  // namespace
}  // namespace qloom::test
