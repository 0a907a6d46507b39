// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Site "output": one quantizer for all readers of a tensor, and layers that work on its codes.
#include <cmath>
#include <string>
#include <vector>

#include "host/layers/common/pool.hpp"
#include "host/tensor/error.hpp"
#include "tests/support/bench.hpp"

namespace qloom::test {
namespace {

const Json kOutputNone = Json::array();

Json output_rules(std::initializer_list<Json> list) { return Json(std::vector<Json>(list)); }

Json coded_rule(const std::string& site, const std::vector<std::string>& layers,
                const Json& quantizer) {
  return {{"site", site}, {"layers", layers}, {"quantizer", quantizer}};
}

/// conv, two branches that meet in an add or side by side, pools of both kinds.
Json pooled_model(const std::string& join) {
  Json model = Json::parse(R"({"format": 1, "name": "pooled", "layers": [
    {"name": "stem", "type": "conv", "filters": 4, "kernel": 3, "padding": "same"},
    {"name": "stem_relu", "type": "relu"},
    {"name": "a", "type": "conv", "filters": 4, "kernel": 3, "padding": "same"},
    {"name": "b", "type": "conv", "filters": 4, "kernel": 1, "input": "stem_relu"},
    {"name": "join", "type": "add", "input": ["a", "b"]},
    {"name": "mean", "type": "average_pool", "kernel": 3, "stride": 2, "padding": "same"},
    {"name": "flat", "type": "flatten"},
    {"name": "fc", "type": "dense", "units": "classes"}]})");
  model["layers"][4]["type"] = join;
  return {{"model", {{"inline", model}}}};
}

std::string output_refusal(const Json& rules, const Json& patch = Json::object()) {
  try {
    const Bench bench(rules, patch);
  } catch (const InputError& error) {
    const std::string text = error.what();
    return text.substr(text.find(": ") + 2);
  }
  return "";
}

TEST(Output, StandsBehindTheGroupOfTheLayerForAllReaders) {
  Bench plain(kOutputNone);
  plain.forward();
  for (const std::string layer : {"conv1", "norm1", "relu1"}) {
    Bench bench(output_rules({fixed_rule("output", layer, 3)}));
    bench.forward();
    ASSERT_EQ(bench.network.sites.all().size(), 1);
    EXPECT_EQ(bench.network.sites.all().begin()->first.text(), "output/relu1");
    EXPECT_EQ(bench.y("relu1"), plain.y("relu1"));
    EXPECT_EQ(values(*bench.node("output/relu1").value), fixed(plain.y("relu1"), 3));
    EXPECT_EQ(bench.input_of("pool1").name, "output/relu1");
  }
  Bench shared(output_rules({fixed_rule("output", "conv2", 3)}));
  shared.forward();
  EXPECT_EQ(shared.input_of("left").name, "output/relu2");
  EXPECT_EQ(shared.input_of("right").name, "output/relu2");
  EXPECT_EQ(shared.x("right"), fixed(shared.y("relu2"), 3));
}

TEST(Output, OfTwoRulesForMembersOfAGroupTheLaterOneWinsAndNullClears) {
  Json rules = output_rules({fixed_rule("output", "relu1", 3), fixed_rule("output", "conv1", 5)});
  Bench bench(rules);
  bench.forward();
  ASSERT_EQ(bench.network.sites.all().size(), 1);
  EXPECT_EQ(values(*bench.node("output/relu1").value), fixed(bench.y("relu1"), 5));
  rules.push_back(coded_rule("output", {"norm1"}, nullptr));
  EXPECT_TRUE(Bench(rules).network.sites.all().empty());
}

TEST(Output, OfALayerInNoGroupStandsBehindIt) {
  Bench bench(output_rules({fixed_rule("output", "pool1", 3)}));
  bench.forward();
  EXPECT_EQ(bench.x("conv2"), fixed(bench.y("pool1"), 3));
}

/// Rules at weights and inputs, and this one.
Json with_codes(const Json& rule) {
  return output_rules({coded_rule("weight", {"*"}, {{"plugin", "affine"}, {"bits", 6}}),
                       coded_rule("input", {"conv1"}, {{"plugin", "affine"}, {"bits", 8}}), rule});
}

TEST(Output, BeforeContractionsAloneIsTheSameAsTheirActivationRule) {
  const Json lsq{{"plugin", "lsq"}, {"bits", 4}, {"signed", false}};
  for (const bool fuses : {false, true}) {
    Bench output(with_codes(coded_rule("output", {"conv2"}, lsq)));
    Bench activation(with_codes(coded_rule("activation", {"left", "right"}, lsq)));
    output.network.plan.fuse(fuses);
    activation.network.plan.fuse(fuses);
    for (std::uint64_t step = 0; step < 4; ++step) {
      output.train(step);
      activation.train(step);
    }
    EXPECT_EQ(output.parameter_values(), activation.parameter_values()) << fuses;
    EXPECT_EQ(values(output.evaluate()), values(activation.evaluate())) << fuses;
    const auto& learned = output.site("output/relu2").learned();
    ASSERT_EQ(learned.size(), 1);
    EXPECT_EQ(*learned[0].value, *activation.site("activation/left").learned()[0].value);
  }
}

TEST(Output, AMaxPoolHandsItsCodesToTheContractionBehindIt) {
  // On a fixed grid the largest value's code is the largest code.
  Bench output(with_codes(fixed_rule("output", "conv1", 3, 8)));
  Bench activation(with_codes(fixed_rule("activation", "conv2", 3, 8)));
  output.gradients();
  activation.gradients();
  ASSERT_TRUE(output.node("conv2").input_operand.codes);
  EXPECT_EQ(output.y("conv2"), activation.y("conv2"));
  EXPECT_EQ(values(output.parameter("conv2/weight").gradient),
            values(activation.parameter("conv2/weight").gradient));
  output.network.plan.fuse(true);
  activation.network.plan.fuse(true);
  EXPECT_EQ(values(output.evaluate()), values(activation.evaluate()));
}

TEST(Output, AnAddOfCodesAtOneScaleIsTheirExactSum) {
  const float scale = 0.3F;  // no power of two: sums of rounded values are others
  const Json grid{{"plugin", "given_grid"}, {"scales", scale}, {"bits", 8}};
  Bench bench(output_rules({coded_rule("output", {"left", "right"}, grid)}));
  bench.gradients();
  const auto a = values(*bench.node("output/left").value),
             b = values(*bench.node("output/right").value);
  const auto y = bench.y("add");
  std::size_t others = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double sum =
        std::nearbyint(double{a[i]} / double{scale}) + std::nearbyint(double{b[i]} / double{scale});
    ASSERT_EQ(y[i], static_cast<float>(sum * double{scale})) << i;
    others += y[i] != a[i] + b[i] ? 1 : 0;
  }
  EXPECT_GT(others, 0) << "the float sum would have done";
  EXPECT_EQ(bench.dy("output/left"), bench.dy("output/right"));
  EXPECT_EQ(bench.dy("output/left"), bench.dy("add"));
  const auto unfused = values(bench.evaluate());
  bench.network.plan.fuse(true);
  EXPECT_EQ(values(bench.evaluate()), unfused);
}

TEST(Output, AnAddOfTwoScalesAddsValues) {
  Bench bench(output_rules({fixed_rule("output", "left", 3), fixed_rule("output", "right", 4)}));
  bench.forward();
  const auto a = values(*bench.node("output/left").value),
             b = values(*bench.node("output/right").value);
  const auto y = bench.y("add");
  for (std::size_t i = 0; i < y.size(); ++i) ASSERT_EQ(y[i], a[i] + b[i]);
  EXPECT_TRUE(bench.node("add").sums.empty());
}

TEST(Output, AnAveragePoolOfCodesIsAFunctionOfTheirExactSum) {
  const float scale = 0.3F;
  const Json grid{{"plugin", "given_grid"}, {"scales", scale}, {"bits", 8}};
  Bench bench(output_rules({coded_rule("output", {"join"}, grid)}), pooled_model("add"));
  bench.gradients();
  const auto x = values(*bench.node("output/join").value);
  std::vector<float> codes;
  for (const float v : x) codes.push_back(std::nearbyint(v / scale));
  const network::Node& mean = bench.node("mean");
  const layers::PoolShape shape = layers::pool_shape(*mean.layer, Bench::kBatch);
  const auto y = bench.y("mean");
  std::size_t at = 0;
  for (std::int64_t n = 0; n < shape.batch; ++n) {
    for (std::int64_t h = 0; h < shape.out_h(); ++h) {
      for (std::int64_t w = 0; w < shape.out_w(); ++w) {
        for (std::int64_t c = 0; c < shape.channels; ++c, ++at) {
          std::int64_t sum = 0, count = 0;
          for (std::int64_t i = h * 2 - shape.pad_top; i < h * 2 - shape.pad_top + 3; ++i) {
            for (std::int64_t j = w * 2 - shape.pad_left; j < w * 2 - shape.pad_left + 3; ++j) {
              if (i < 0 || j < 0 || i >= 8 || j >= 8) continue;
              ++count;
              sum += static_cast<std::int64_t>(
                  codes[static_cast<std::size_t>(((n * 8 + i) * 8 + j) * 4 + c)]);
            }
          }
          // 3 or 2 rows times 3 or 2 columns: all windows as if they had 36 elements.
          ASSERT_EQ(mean.sums[at], sum * 36 / count);
          ASSERT_EQ(y[at], static_cast<float>(static_cast<double>(sum * 36 / count) *
                                              (double{scale} / 36.0)));
          ASSERT_NEAR(y[at], static_cast<double>(sum) * double{scale} / static_cast<double>(count),
                      1e-5);
        }
      }
    }
  }
  Bench plain(kOutputNone, pooled_model("add"));  // the gradient is that of any average pool
  plain.gradients();
  std::vector<float> expected(x.size());
  layers::average_pool_gradient(shape, bench.dy("mean").data(), expected.data());
  EXPECT_EQ(bench.dy("output/join"), expected);
}

TEST(Output, ConcatAndFlattenHandCodesOfOneScaleOn) {
  const auto rules = [](double other) {
    return output_rules(
        {coded_rule("weight", {"fc"}, {{"plugin", "affine"}, {"bits", 6}}),
         coded_rule("output", {"a"}, {{"plugin", "given_grid"}, {"scales", 0.3}, {"bits", 12}}),
         coded_rule("output", {"b"}, {{"plugin", "given_grid"}, {"scales", other}, {"bits", 6}})});
  };
  Json patch = pooled_model("concat");
  patch["model"]["inline"]["layers"].erase(5);  // the pool
  Bench bench(rules(0.3), patch);
  bench.forward();
  const contraction::Operand& x = bench.node("fc").input_operand;
  ASSERT_TRUE(x.codes);
  ASSERT_EQ(x.scale_count, 1);
  std::vector<float> decoded(static_cast<std::size_t>(bench.shape_of("fc").x_size()));
  contraction::Contraction sums;
  for (std::size_t i = 0; i < decoded.size(); ++i) {
    const CodeView code = x.codes.from(i);
    std::uint32_t stored = 0;
    std::copy_n(code.data, code.form.bytes(), reinterpret_cast<std::uint8_t*>(&stored));
    decoded[i] = static_cast<float>((double{code.form.lo * 1.0} + stored) * double{*x.scale});
  }
  EXPECT_EQ(decoded, bench.x("fc"));
  Bench two(rules(0.25), patch);
  two.forward();
  EXPECT_FALSE(two.node("fc").input_operand.codes) << "two scales along the sum";
}

TEST(Output, RefusesASecondRuleForAReaderUnlessItClears) {
  Json rules =
      output_rules({fixed_rule("output", "relu2", 3), fixed_rule("activation", "left", 5)});
  EXPECT_EQ(
      output_refusal(rules),
      "/rules/1/quantizer: \"left\" reads codes that the rule at site output of \"relu2\" has "
      "made (" +
          bench_pipeline(rules).file.string() +
          ": /rules/0/quantizer); expected one of the two rules, or "
          "a later one with \"quantizer\": null at site activation of \"left\"");
  rules.push_back(coded_rule("activation", {"left"}, nullptr));
  EXPECT_EQ(output_refusal(rules), "");
  const Json moved =
      output_rules({fixed_rule("output", "conv1", 3), fixed_rule("activation", "conv2", 5)});
  EXPECT_NE(output_refusal(moved), "") << "a max pool lies between";
}

TEST(Output, OfTheLastGroupIsTheSiteLogits) {
  const std::string instead = ": what it hands on are the logits; expected the site \"logits\"";
  EXPECT_EQ(output_refusal(output_rules({fixed_rule("output", "fc", 3)})),
            "/rules/0/layers/0: \"fc\" matches no layer with the site \"output\"" + instead);
  Json both = fixed_rule("output", "fc", 3);
  both["site"] = {"output", "activation"};
  EXPECT_EQ(output_refusal(output_rules({both})),
            "/rules/0/site/0: layer \"fc\" has no site \"output\"" + instead);
  Bench all(output_rules(
      {{{"site", "output"},
        {"quantizer", {{"plugin", "fixed_point"}, {"bits", 16}, {"fraction_bits", 5}}}}}));
  all.forward();
  EXPECT_EQ(all.network.sites.all().size(), 6) << "relu1, pool1, relu2, left, right, relu3";
}

TEST(Output, CountsAsCodesForAnIntegerAccumulator) {
  const Json sum{{"site", "accumulator.forward"},
                 {"layers", {"conv2"}},
                 {"accumulator", {{"plugin", "integer"}, {"bits", 30}}}};
  Json rules = with_codes(fixed_rule("output", "conv1", 3, 8));
  rules.push_back(sum);
  EXPECT_EQ(output_refusal(rules), "");
  Bench bench(rules);
  Bench exact(with_codes(fixed_rule("output", "conv1", 3, 8)));
  EXPECT_EQ(values(bench.forward()), values(exact.forward()));
}

}  // namespace
}  // namespace qloom::test
