// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Stored weights that procedures prune, quantize and hold: their bytes, their rounds, their resume.
#include <cstring>
#include <map>
#include <set>
#include <string>
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

network::Parameter& weight(run::Trainer& trainer, const std::string& layer) {
  for (network::Parameter* p : trainer.network().parameters.list()) {
    if (p->role == QLOOM_ROLE_WEIGHT && p->layer == layer) return *p;
  }
  throw RunError("no layer " + layer);
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
  for (const std::size_t i : {1, 4, 15}) p.value[i] = 0.5F;
  run(huffman);
  // Symbols: three of one value, one filler: 4 x 1 bit. Gaps less 1: 1, 2, 7 (the filler's), 2:
  // lengths 2, 1, 2, 1. Two tables of 2 and 3 symbols, 8 bits each; two values of 32 bits, 0 among
  // them.
  const double bits = 4 + 6 + 8 * (2 + 3) + 2 * 32;
  EXPECT_EQ(p.control.storage_bits, bits);
  const Json rows = huffman.facts().tables.at("huffman")["rows"];
  EXPECT_EQ(rows[0][0], "conv1");
  EXPECT_EQ(rows[0][2], 3);
  EXPECT_EQ(rows[0][3], 4) << "entries";
  EXPECT_EQ(rows[0][4], 1) << "fillers";
  EXPECT_EQ(rows[0][5], "sparse");
  EXPECT_EQ(rows[0][6], bits);
  const auto facts = facts_of(huffman.setup(), huffman.state(), 1);
  EXPECT_EQ(facts.parameters.at(0).storage.bytes(), static_cast<std::uint64_t>((bits + 7) / 8));
}

/// The services as a procedure reaches them.
TEST_F(Procedures, TheServicesOfARunSayWhatTheyRefuse) {
  const Json random{{"plugin", "binary_connect"}, {"stochastic", true}};
  auto t = trainer(Json::array({{{"site", "weight"}, {"layers", {"conv1"}}, {"quantizer", random}},
                                {{"site", "weight"},
                                 {"layers", {"conv2"}},
                                 {"when", "training"},
                                 {"quantizer", {{"plugin", "twn"}}}}}),
                   Json::array(), 1);
  qloom_run services{t.setup(), t.state()};
  const auto& host = registry::host_services();
  const auto& run = *static_cast<const qloom_run_api*>(host.service(&host, "qloom.run/1"));
  const auto& tensors =
      *static_cast<const qloom_tensors_api*>(host.service(&host, "qloom.tensors/1"));
  const auto index_of = [&](const std::string& layer) {
    const auto& list = t.network().parameters.list();
    const auto found = std::find(list.begin(), list.end(), &weight(t, layer));
    return static_cast<std::uint64_t>(found - list.begin());
  };
  qloom_error error{};
  error.struct_size = sizeof error;
  for (const auto& [text, message] :
       {std::pair{"{", "parse error"},
        {R"({"title": "t", "columns": ["a"]})", "expected an object of"},
        {R"({"title": 1, "columns": ["a"], "rows": []})", "/title: expected a text"},
        {R"({"title": "t", "columns": [], "rows": []})", "/columns: expected a list of texts"},
        {R"({"title": "t", "columns": ["a"], "rows": 1})", "/rows: expected a list"},
        {R"({"title": "t", "columns": ["a"], "rows": [[1], [1, 2]]})", "/rows/1: expected 1 texts"},
        {R"({"title": "t", "columns": ["a"], "rows": [[true]]})", "/rows/0: expected 1 texts"}}) {
    EXPECT_EQ(run.report_table(&services, "x", text, &error), QLOOM_E_INVALID) << text;
    EXPECT_NE(std::string(error.message).find(message), std::string::npos) << error.message;
  }
  EXPECT_TRUE(t.facts().tables.empty());
  EXPECT_EQ(run.again(&services), QLOOM_E_ORDER);

  network::Parameter& p = weight(t, "conv1");
  std::vector<float> numbers(p.value.size(), 1.0F), first(numbers), second(numbers);
  qloom_tensor_control control{};
  control.struct_size = sizeof control;
  control.fields = QLOOM_CONTROL_IMPORTANCE | QLOOM_CONTROL_FACTORS;
  control.importance = numbers.data();
  control.rate_factor = -1;
  EXPECT_EQ(tensors.set(&services, index_of("conv1"), &control, &error), QLOOM_E_INVALID);
  EXPECT_NE(std::string(error.message).find("rate_factor is -1"), std::string::npos);
  control.rate_factor = 1;
  numbers[3] = -2;
  EXPECT_EQ(tensors.set(&services, index_of("conv1"), &control, &error), QLOOM_E_INVALID);
  EXPECT_NE(std::string(error.message).find("importance of element 3 is -2"), std::string::npos);
  EXPECT_TRUE(p.control.importance.empty()) << "nothing was taken";
  EXPECT_EQ(tensors.set(&services, 99, &control, &error), QLOOM_E_INVALID);

  const float* const values_of = p.value.data();
  EXPECT_EQ(tensors.quantize(&services, index_of("conv1"), values_of, first.data(), &error),
            QLOOM_OK);
  EXPECT_EQ(tensors.quantize(&services, index_of("conv1"), values_of, second.data(), &error),
            QLOOM_OK);
  EXPECT_EQ(first, second) << "the first call is of evaluation, too: no random sign";
  std::vector<float> other(weight(t, "conv2").value.size());
  EXPECT_EQ(tensors.quantize(&services, index_of("conv2"), other.data(), other.data(), &error),
            QLOOM_E_UNSUPPORTED)
      << "a rule of training alone";
  t.state().step.phase = run::Step::Phase::kAtLoss;
  EXPECT_EQ(tensors.quantize(&services, index_of("conv1"), values_of, first.data(), &error),
            QLOOM_E_ORDER);
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
