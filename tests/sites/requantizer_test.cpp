// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Rules with "requantizer": codes are integer steps of exact sums, in training where nothing
// follows the batch and in evaluation.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include <omp.h>

#include "host/contraction/contraction.hpp"
#include "host/tensor/error.hpp"
#include "tests/support/bench.hpp"

namespace qloom::test {
namespace {

const Json kByte{{"plugin", "affine"}, {"bits", 8}, {"symmetric", false}};

Json requantized_rule(const std::vector<std::string>& layers, const std::string& preset,
                      const std::string& site = "output") {
  return {{"site", site},
          {"layers", layers},
          {"quantizer", kByte},
          {"range", {{"plugin", "moving_average_min_max"}}},
          {"requantizer", {{"plugin", "multiplier"}, {"preset", preset}}}};
}

/// Codes everywhere, with a requantizer behind each sum of the bench but fc's.
Json requantized_rules(const std::string& preset) {
  const Json weights{
      {"site", "weight"},
      {"quantizer", {{"plugin", "affine"}, {"symmetric", true}, {"granularity", "channel"}}}};
  const Json input{
      {"site", "input"}, {"quantizer", kByte}, {"range", {{"plugin", "moving_average_min_max"}}}};
  return Json::array(
      {weights, input, requantized_rule({"conv1", "conv2", "left", "right", "add"}, preset)});
}

std::string requantizer_refusal(const Json& rules, const Json& patch = Json::object()) {
  try {
    const Bench bench(rules, patch);
  } catch (const InputError& error) {
    const std::string text = error.what();
    return text.substr(text.find(": ") + 2);
  }
  return "";
}

/// Stored codes of a node, as integers less their zero point.
std::vector<std::int64_t> integers_of(const contraction::Operand& x, std::size_t n) {
  std::vector<std::int64_t> all;
  for (std::size_t i = 0; i < n; ++i) {
    std::uint32_t stored = 0;
    std::copy_n(x.codes.from(i).data, x.codes.form.bytes(),
                reinterpret_cast<std::uint8_t*>(&stored));
    all.push_back(x.codes.form.lo + static_cast<std::int64_t>(stored));
  }
  return all;
}

std::vector<std::int64_t> sums_of_layer(Bench& bench, const std::string& layer) {
  const network::Node& node = bench.node(layer);
  std::vector<std::int64_t> sums(node.out.size());
  std::vector<float> y(sums.size());
  contraction::Contraction().forward(bench.shape_of(layer), node.input_operand, node.weight_operand,
                                     nullptr, y.data(), {}, sums.data());
  return sums;
}

/// round half up of v / 2^n.
std::int64_t half_up_by_hand(__int128 v, int n) {
  return static_cast<std::int64_t>((v + (__int128{1} << (n - 1))) >> n);
}

/// CMSIS-NN's single rounding: of (S + B) q / 2^(31 - e), written down anew.
std::int64_t single_by_hand(std::int64_t sum, double factor, double offset) {
  int e = 0;
  const double f = std::frexp(factor, &e);
  const auto q = static_cast<std::int64_t>(std::round(f * 0x1p31));
  const auto bias = static_cast<std::int64_t>(std::nearbyint(offset / factor));
  return half_up_by_hand(__int128{sum + bias} * q, 31 - e);
}

TEST(Requantizer, MakesTheCodesOfAGroupFromItsSumsInEvaluation) {
  Bench bench(requantized_rules("cmsis_nn_single"));
  bench.train();
  const std::vector<float> in_training = values(*bench.node("output/relu1").value);
  bench.evaluate();
  const network::Node& norm = bench.node("norm1");
  std::vector<float> scale, shift;
  norm.norm->inference(bench.network.plan.last_pass(), scale, shift);
  const network::Node& conv = bench.node("conv1");
  const network::Node& output = bench.node("output/relu1");
  const qloom_encoding e = output.site->encoding();
  const double sy = double{e.grid.scale[0]};
  const std::vector<std::int64_t> sums = sums_of_layer(bench, "conv1");
  std::size_t zeros = 0, others = 0;
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const std::size_t c = i % 4;
    const double factor = double{*conv.input_operand.scale} * double{conv.weight_operand.scale[c]} *
                          double{scale[c]} / sy;
    const std::int64_t zero = e.grid.zero_point[0];
    const std::int64_t code = std::clamp<std::int64_t>(
        single_by_hand(sums[i], factor, double{shift[c]} / sy) + zero,
        std::max<std::int64_t>(zero, e.grid.code_min[0]), e.grid.code_max[0]);
    const auto value = static_cast<float>(static_cast<double>(code - zero) * sy);
    ASSERT_EQ((*output.value)[i], value) << i << " sum " << sums[i];
    zeros += value == 0 ? 1 : 0;
    others += value != 0 ? 1 : 0;
  }
  EXPECT_GT(zeros, 100);
  EXPECT_GT(others, 100);
  EXPECT_EQ(in_training.size(), sums.size());
}

TEST(Requantizer, JoinsTheCodesOfAnAdd) {
  Bench bench(requantized_rules("tflite_reference"));
  for (std::uint64_t step = 0; step < 2; ++step) bench.train(step);
  bench.evaluate();
  const network::Node& output = bench.node("output/relu3");
  ASSERT_TRUE(output.requantized->acts);
  const qloom_encoding e = output.site->encoding();
  const float *const a = bench.node("output/left").value->data(), *const b =
                                                                      bench.node("output/right")
                                                                          .value->data();
  std::size_t exact = 0;
  for (std::size_t i = 0; i < output.value->size(); ++i) {
    const double real = std::max(0.0, (double{a[i]} + double{b[i]}) / double{e.grid.scale[0]});
    const double code = double{(*output.value)[i]} / double{e.grid.scale[0]};
    const double highest = e.grid.code_max[0] - e.grid.zero_point[0];
    ASSERT_NEAR(code, std::min(real, highest), 1.01) << i;
    exact += std::abs(code - std::min(std::round(real), highest)) < 0.01 ? 1 : 0;
  }
  EXPECT_GT(exact, output.value->size() * 99 / 100);
}

TEST(Requantizer, ActsInTrainingWhereNoNormFollowsTheBatch) {
  Bench bench(requantized_rules("dory")), plain([] {
    Json rules = requantized_rules("dory");
    rules[2].erase("requantizer");
    return rules;
  }());
  bench.gradients();
  plain.gradients();
  EXPECT_FALSE(bench.node("output/relu1").requantized->acts) << "batch_norm";
  EXPECT_EQ(values(*bench.node("output/relu1").value), values(*plain.node("output/relu1").value));
  EXPECT_TRUE(bench.node("output/relu2").requantized->acts);
  EXPECT_NE(values(*bench.node("output/relu2").value), values(*plain.node("output/relu2").value))
      << "dory drops bits";
  EXPECT_EQ(bench.y("relu2"), plain.y("relu2")) << "the group's values are there for the gradient";
  // Backward is the quantizer's: with the same error, the same gradient.
  const Tensor& x = *bench.node("relu2").value;
  Tensor dy(x.shape()), dx, expected;
  for (std::size_t i = 0; i < dy.size(); ++i) dy[i] = static_cast<float>(i % 7) - 3.0F;
  bench.site("output/relu2").backward(x, dy, dx);
  plain.site("output/relu2").backward(x, dy, expected);
  EXPECT_EQ(values(dx), values(expected));
}

TEST(Requantizer, GivesTheSameCodesForEveryNumberOfThreadsFusedOrNot) {
  const auto codes = [](int threads, bool fuses) {
    const int before = omp_get_max_threads();
    omp_set_num_threads(threads);
    Bench bench(requantized_rules("ruy"));
    bench.network.plan.fuse(fuses);
    for (std::uint64_t step = 0; step < 3; ++step) bench.train(step);
    std::vector<float> all = values(bench.evaluate());
    const std::vector<float> parameters = bench.parameter_values();
    all.insert(all.end(), parameters.begin(), parameters.end());
    omp_set_num_threads(before);
    return all;
  };
  const std::vector<float> one = codes(1, false);
  EXPECT_EQ(codes(2, false), one);
  EXPECT_EQ(codes(2, true), one);
}

TEST(Requantizer, HandsItsCodesToTheNextContraction) {
  Bench bench(requantized_rules("cmsis_nn_single"));
  bench.train();
  bench.network.plan.fuse(true);
  bench.evaluate();
  const contraction::Operand& x = bench.node("left").input_operand;
  ASSERT_TRUE(x.codes);
  const auto codes = integers_of(x, static_cast<std::size_t>(bench.shape_of("left").x_size()));
  bench.network.plan.fuse(false);
  bench.evaluate();
  const network::Node& output = bench.node("output/relu2");
  const double scale = double{output.site->encoding().grid.scale[0]};
  for (std::size_t i = 0; i < codes.size(); ++i) {
    ASSERT_EQ((*output.value)[i], static_cast<float>(static_cast<double>(codes[i]) * scale));
  }
}

TEST(Requantizer, MayStandAtTheLogitsAndBeginLater) {
  Json rules = requantized_rules("cmsis_nn_single");
  Json logits = requantized_rule({"fc"}, "cmsis_nn_single", "logits");
  logits["from"] = {{"epoch", 1}};
  Json before = logits;
  before.erase("requantizer");
  before.erase("from");
  rules.push_back(before);
  rules.push_back(logits);
  Bench bench(rules);
  bench.train();
  EXPECT_EQ(bench.node("logits/fc").requantized, nullptr);
  const std::vector<qloom_range> ranges = bench.site("logits/fc").ranges();
  bench.lower(1);
  ASSERT_NE(bench.node("logits/fc").requantized, nullptr);
  EXPECT_EQ(bench.site("logits/fc").ranges()[0].hi, ranges[0].hi) << "the range stays";
  bench.evaluate();
  EXPECT_TRUE(bench.node("logits/fc").requantized->acts);
}

TEST(Requantizer, OfAPoolTakesTheExactSumsOfItsWindows) {
  Json model = bench_model();
  model["layers"][10] = Json::parse(R"({"name": "pool", "type": "global_average_pool"})");
  model["layers"].push_back(Json::parse(R"({"name": "fc", "type": "dense", "units": "classes"})"));
  Json rules = requantized_rules("cmsis_nn_single");
  rules.push_back(requantized_rule({"pool"}, "cmsis_nn_single"));
  Bench bench(rules, {{"model", {{"inline", model}}}});
  bench.train();
  bench.evaluate();
  const network::Node& output = bench.node("output/pool");
  ASSERT_TRUE(output.requantized->acts);
  const qloom_encoding e = output.site->encoding();
  const network::Node& pool = bench.node("pool");
  const double factor =
      double{bench.site("output/relu3").encoding().grid.scale[0]} / 16.0 / double{e.grid.scale[0]};
  for (std::size_t i = 0; i < pool.sums.size(); ++i) {
    const std::int64_t zero = e.grid.zero_point[0];
    const std::int64_t code = std::clamp<std::int64_t>(
        single_by_hand(pool.sums[i], factor, 0) + zero, e.grid.code_min[0], e.grid.code_max[0]);
    ASSERT_EQ((*output.value)[i],
              static_cast<float>(static_cast<double>(code - zero) * double{e.grid.scale[0]}));
  }
}

TEST(Requantizer, IsRefusedWhereThereAreNoIntegers) {
  const auto refused = [](const Json& rules) { return requantizer_refusal(rules); };
  Json rules = requantized_rules("ruy");
  EXPECT_EQ(refused(rules), "");
  Json no_weights = rules;
  no_weights.erase(0);
  EXPECT_EQ(refused(no_weights),
            "/rules/1/requantizer: the weights of \"conv1\" are real: no rule puts a quantizer at "
            "site weight of \"conv1\" by the time this one acts");
  Json real_branch = rules;
  real_branch[2]["layers"] = {"conv1", "conv2", "left", "add"};
  EXPECT_EQ(refused(real_branch),
            "/rules/2/requantizer: \"add\" reads \"right\", whose values are real: no rule puts a "
            "quantizer at site output of \"right\" by the time this one acts");
  Json real_image = rules;
  real_image.erase(1);
  EXPECT_EQ(
      refused(real_image),
      "/rules/1/requantizer: \"conv1\" reads \"input\", whose values are real: no rule puts a "
      "quantizer at site input of \"conv1\" by the time this one acts");
}

TEST(Requantizer, IsRefusedWhereItsStepsWouldNotBeAllThatHappens) {
  const auto refused = [](const Json& rules, const Json& patch = Json::object()) {
    return requantizer_refusal(rules, patch);
  };
  const Json rules = requantized_rules("ruy");
  Json random = rules;
  random[2]["rounding"] = {{"plugin", "stochastic"}};
  EXPECT_EQ(
      refused(random).substr(0, 88),
      "/rules/2/rounding: \"stochastic\" is no rounding of integer steps; expected another roundi");
  Json channels = rules;
  channels[2]["quantizer"]["granularity"] = "channel";
  EXPECT_EQ(
      refused(channels),
      "/rules/2/quantizer/granularity: \"channel\" beside \"requantizer\"; expected \"tensor\"");
  Json inner = rules;
  inner.push_back(fixed_rule("norm.output", "norm1", 5));
  EXPECT_EQ(refused(inner),
            "/rules/2/requantizer: between the sums and these codes stands the quantizer at "
            "\"norm.output/norm1\"");
  Json pool = rules;
  pool[2]["layers"].push_back("pool1");
  EXPECT_EQ(refused(pool).substr(0, 76),
            "/rules/2/requantizer: \"pool1\" (max_pool) is no sum, norm or clamp; expected ");
  Json model = bench_model();
  model["layers"][2]["type"] = "sigmoid";
  EXPECT_EQ(refused(rules, {{"model", {{"inline", model}}}}).substr(0, 63),
            "/rules/2/requantizer: \"relu1\" (sigmoid) is no sum, norm or clam");
}

TEST(Requantizer, IsRefusedByItsKeys) {
  const auto refused = [](const char* rule) {
    return requantizer_refusal(Json::array({Json::parse(rule)}));
  };
  EXPECT_EQ(
      refused(R"({"site": "output", "quantizer": null, "requantizer": {"plugin": "multiplier"}})"),
      "/rules/0/requantizer: acts inside a quantizer, and this rule has none");
  EXPECT_EQ(
      refused(R"({"site": "activation", "quantizer": {"plugin": "affine"},
                        "requantizer": {"plugin": "multiplier"}})"),
      "/rules/0/requantizer: makes codes out of sums, which \"activation\" has not in front of "
      "it; expected the sites \"output\" or \"logits\"");
  EXPECT_EQ(
      refused(
          R"({"site": "output", "quantizer": {"plugin": "affine"}, "clamp": {"low": 0, "high": 1},
                        "requantizer": {"plugin": "multiplier"}})"),
      "/rules/0/clamp: clips real values, and a requantizer has none; expected a narrower "
      "quantizer");
}

TEST(Requantizer, HasNoClampByALaterRule) {
  Json rules = requantized_rules("ruy");
  rules.push_back(
      {{"site", "output"}, {"layers", {"relu1"}}, {"clamp", {{"low", 0}, {"high", 1}}}});
  EXPECT_EQ(
      requantizer_refusal(rules),
      "/rules/3/clamp: the codes at \"output/relu1\" are those of a requantizer, which has no "
      "real values to clip");
}

/// A learned step begins with the first tensor that is not all 0; until then there are no codes.
TEST(Requantizer, WaitsWhereAQuantizerHasSeenNothingButZeros) {
  Json rules = requantized_rules("ruy");
  rules[2]["quantizer"] = {{"plugin", "lsq"}, {"bits", 8}};
  rules[2].erase("range");
  Bench bench(rules);
  Tensor& weight = bench.parameter("conv2/weight").value;
  const std::vector<float> kept = values(weight);
  Tensor& bias = bench.parameter("conv2/bias").value;
  std::fill(weight.begin(), weight.end(), 0.0F);
  std::fill(bias.begin(), bias.end(), 0.0F);
  bench.forward();
  EXPECT_FALSE(bench.node("output/relu2").requantized->acts);
  EXPECT_EQ(values(*bench.node("output/relu2").value),
            std::vector<float>(bench.node("output/relu2").value->size(), 0.0F));
  std::copy(kept.begin(), kept.end(), weight.begin());
  bench.forward(1);
  EXPECT_TRUE(bench.node("output/relu2").requantized->acts);
}

TEST(Requantizer, RefusesCodesThatAreNoIntegers) {
  for (const char* quantizer : {R"({"plugin": "lsq_plus"})", R"({"plugin": "minifloat"})",
                                R"({"plugin": "given_grid", "scales": 0.1, "offsets": 0.013})"}) {
    Json rules = requantized_rules("ruy");
    rules[2]["quantizer"] = Json::parse(quantizer);
    rules[2].erase("range");
    std::string text = "nothing was refused";
    try {
      Bench bench(rules);
      bench.train();
    } catch (const std::exception& error) {
      text = error.what();
    }
    EXPECT_NE(text.find("integer"), std::string::npos) << quantizer << "\n" << text;
  }
}

}  // namespace
}  // namespace qloom::test
