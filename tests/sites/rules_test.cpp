// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Which rule wins where, from the text of a pipeline to the values in the network.
#include <set>
#include <string>
#include <vector>

#include "host/placing/placing.hpp"
#include "host/tensor/error.hpp"
#include "tests/support/bench.hpp"

namespace qloom::test {
namespace {

Json fixed_point(int fraction_bits) {
  return {{"plugin", "fixed_point"}, {"bits", 24}, {"fraction_bits", fraction_bits}};
}

sites::Placement placed(const Json& rules, std::uint64_t epochs_done = 0) {
  const pipeline::Pipeline p = bench_pipeline(rules);
  const auto model = network::parse_model(p.model, p.model_where, {8, 8, 2}, Bench::kClasses);
  return placing::place(p, model, registry(), {epochs_done, 0});
}

/// "weight/fc": 4 for each placed quantizer with its fraction bits.
std::map<std::string, int> fractions(const Json& rules, std::uint64_t epochs_done = 0) {
  std::map<std::string, int> all;
  for (const auto& [key, spec] : placed(rules, epochs_done).quantizers) {
    all[key.text()] = spec.quantizer.params.at("fraction_bits").get<int>();
  }
  return all;
}

std::set<std::string> layers_of(const Json& selectors) {
  std::set<std::string> all;
  const Json rule = {{"site", "weight"}, {"layers", selectors}, {"quantizer", fixed_point(3)}};
  for (const auto& [key, spec] : placed(Json::array({rule})).quantizers) {
    all.insert(key.layer);
  }
  return all;
}

using Names = std::set<std::string>;

TEST(Rules, LayersAreNamedByNameGlobTypeFirstAndLast) {
  EXPECT_EQ(layers_of({"conv2"}), Names({"conv2"}));
  EXPECT_EQ(layers_of({"conv*"}), Names({"conv1", "conv2"}));
  EXPECT_EQ(layers_of({"[lr]*t"}), Names({"left", "right"}));
  EXPECT_EQ(layers_of({"conv?"}), Names({"conv1", "conv2"}));
  EXPECT_EQ(layers_of({"conv"}), Names({"conv1", "conv2", "left", "right"}));
  EXPECT_EQ(layers_of({"dense"}), Names({"fc"}));
  EXPECT_EQ(layers_of({"first"}), Names({"conv1"}));
  EXPECT_EQ(layers_of({"last"}), Names({"fc"}));
  EXPECT_EQ(layers_of({"first", "last", "right"}), Names({"conv1", "fc", "right"}));
  EXPECT_EQ(layers_of({"*"}), Names({"conv1", "conv2", "left", "right", "fc"}));
}

TEST(Rules, LaterOnesWinSiteBySite) {
  const Json rules =
      Json::array({{{"site", {"weight", "bias"}}, {"quantizer", fixed_point(2)}},
                   {{"site", "weight"}, {"layers", {"conv*"}}, {"quantizer", fixed_point(4)}},
                   {{"site", "weight"}, {"layers", {"conv2"}}, {"quantizer", fixed_point(6)}}});
  auto f = fractions(rules);
  EXPECT_EQ(f.at("weight/conv1"), 4);
  EXPECT_EQ(f.at("weight/conv2"), 6);
  EXPECT_EQ(f.at("weight/left"), 2);
  EXPECT_EQ(f.at("bias/conv2"), 2);
  f = fractions(Json::array({rules[2], rules[1], rules[0]}));
  EXPECT_EQ(f.at("weight/conv2"), 2) << "the order of the text decides, not how special a rule is";
  Bench bench(rules);
  bench.forward();
  const auto& weight = bench.parameter("conv2/weight");
  EXPECT_EQ(values(weight.quantized), fixed(values(weight.value), 6));
}

TEST(Rules, NullClearsWhatEarlierOnesPlaced) {
  const Json all = {{"site", "*"}, {"quantizer", fixed_point(4)}};
  const Json ends = {{"site", "*"}, {"layers", {"first", "last"}}, {"quantizer", nullptr}};
  for (const auto& [key, f] : fractions(Json::array({all, ends}))) {
    if (key.starts_with("logits/")) continue;
    EXPECT_EQ(key.find("/conv1"), std::string::npos) << key;
    EXPECT_EQ(key.find("/fc"), std::string::npos) << key;
  }
  EXPECT_TRUE(fractions(Json::array({all, ends})).contains("weight/conv2"));
  EXPECT_TRUE(fractions(Json::array({all, ends})).contains("norm/norm1/mean"));
  EXPECT_TRUE(fractions(Json::array({ends, all})).contains("weight/fc"));
  const Json gamma = {{"site", "norm"}, {"slot", "gamma"}, {"quantizer", nullptr}};
  const auto left = fractions(Json::array({all, gamma}));
  EXPECT_FALSE(left.contains("norm/norm1/gamma"));
  EXPECT_TRUE(left.contains("norm/norm1/beta"));
  const Json integer = {{"site", "accumulator"}, {"accumulator", {{"plugin", "integer"}}}};
  const Json none = {{"site", "accumulator.dx"}, {"accumulator", nullptr}};
  const auto accumulators = placed(Json::array({integer, none})).accumulators;
  EXPECT_EQ(accumulators.size(), 10U);
  EXPECT_FALSE(accumulators.contains(site_key("accumulator.dx/fc")));
}

/// A rule for dorefa with 4 bits and these members.
Json dorefa(const Json& site, const Json& more = Json::object()) {
  Json rule = {{"site", site}, {"quantizer", {{"plugin", "dorefa"}, {"bits", 4}}}};
  rule["quantizer"].update(more);
  return rule;
}

std::string rules_refusal(const Json& rule) {
  try {
    static_cast<void>(bench_pipeline(Json::array({rule})));
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST(Rules, TakeAQuantizersPartFromTheirSites) {
  const auto one = bench_pipeline(Json::array({dorefa({"input", "activation"})}));
  EXPECT_EQ(one.rules[0].body["quantizer"]["part"], "activation");
  const auto several =
      bench_pipeline(Json::array({dorefa({"weight", "activation"}, {{"max_grad", false}})}));
  EXPECT_FALSE(several.rules[0].body["quantizer"].contains("part")) << "each site has its own";
  EXPECT_TRUE(several.notes.warnings.empty()) << "max_grad acts at one of them";
  for (const std::string site : {"logits", "update", "momentum", "norm"}) {
    const std::string message = rules_refusal(dorefa(site));
    EXPECT_NE(message.find("/rules/0/quantizer: missing key \"part\": the site \"" + site +
                           "\" does not tell which one is meant; expected one of "
                           "\"activation\", \"gradient\", \"weight\""),
              std::string::npos)
        << message;
  }
  const std::string contradiction = rules_refusal(dorefa("weight", {{"part", "gradient"}}));
  EXPECT_NE(contradiction.find("/rules/0/quantizer/part: \"gradient\" is for the sites"),
            std::string::npos)
      << contradiction;
}

TEST(Rules, AnErrorRuleOutdoesEarlierOnesForOneUse) {
  const Json both = {{"site", "error"}, {"layers", {"fc"}}, {"quantizer", fixed_point(6)}};
  const Json dx = {{"site", "error.dx"}, {"layers", {"fc"}}, {"quantizer", fixed_point(3)}};
  EXPECT_EQ(fractions(Json::array({dx, both})), (std::map<std::string, int>{{"error/fc", 6}}));
  EXPECT_EQ(fractions(Json::array({both, dx})),
            (std::map<std::string, int>{{"error/fc", 6}, {"error.dx/fc", 3}}));
}

TEST(Rules, NullForOneUseOfTheErrorLeavesTheOther) {
  const Json both = {{"site", "error"}, {"layers", {"fc"}}, {"quantizer", fixed_point(5)}};
  Json none = {{"site", "error.dx"}, {"layers", {"fc"}}, {"quantizer", nullptr}};
  EXPECT_EQ(fractions(Json::array({both, none})), (std::map<std::string, int>{{"error.dw/fc", 5}}));
  Bench cleared(Json::array({both, none})), only(Json::array({fixed_rule("error.dw", "fc", 5)}));
  cleared.gradients();
  only.gradients();
  EXPECT_EQ(cleared.parameter_gradients(), only.parameter_gradients());
  none["site"] = "error.dw";
  EXPECT_EQ(fractions(Json::array({both, none})), (std::map<std::string, int>{{"error.dx/fc", 5}}));
  none["site"] = "error";
  EXPECT_TRUE(fractions(Json::array({both, none})).empty());
}

/// What placing this rule ends with, from its pointer on; "" when it is placed.
std::string rules_refusal(const Json& site, const Json& layers) {
  Json rule{{"quantizer", fixed_point(3)}, {"layers", layers}};
  if (site.is_null()) {
    rule = {{"norm", {{"plugin", "range_bn"}}}, {"layers", layers}};
  } else {
    rule["site"] = site;
  }
  try {
    placed(Json::array({rule}));
    return "";
  } catch (const InputError& error) {
    const std::string message = error.what();
    return message.substr(message.find("/rules/0"));
  }
}

testing::AssertionResult begins(const std::string& text, const std::string& beginning) {
  if (text.starts_with(beginning)) return testing::AssertionSuccess();
  return testing::AssertionFailure() << text;
}

TEST(Rules, EveryEntryOfAListOfLayersNamesALayerWithTheSite) {
  EXPECT_EQ(rules_refusal("weight", "conv9"),
            "/rules/0/layers: \"conv9\" matches no layer of the model, did you mean \"conv1\"?");
  EXPECT_EQ(rules_refusal("weight", {"conv1", "rihgt"}),
            "/rules/0/layers/1: \"rihgt\" matches no layer of the model, did you mean \"right\"?");
  EXPECT_TRUE(begins(rules_refusal("weight", {"qqqq*", "conv1"}),
                     "/rules/0/layers/0: \"qqqq*\" matches no layer of the model; known: "));
  EXPECT_EQ(rules_refusal("weight", {"conv*", "relu*"}),
            "/rules/0/layers/1: \"relu*\" matches no layer with the site \"weight\"; known: "
            "\"conv1\", \"conv2\", \"left\", \"right\", \"fc\"");
  EXPECT_EQ(rules_refusal("activation", {"first", "last"}),
            "/rules/0/layers/0: \"first\" matches no layer with the site \"activation\"; known: "
            "\"conv2\", \"left\", \"right\", \"fc\"");
  EXPECT_EQ(rules_refusal("logits", "add"),
            "/rules/0/layers: \"add\" matches no layer with the site \"logits\"; known: \"fc\"");
  EXPECT_EQ(rules_refusal(nullptr, "conv1"),
            "/rules/0/layers: \"conv1\" matches no layer with a norm; known: \"norm1\"");
  EXPECT_EQ(rules_refusal(nullptr, "norm*"), "");
}

TEST(Rules, ALayerThatIsWrittenOutHasEverySiteThatIs) {
  EXPECT_EQ(rules_refusal({"weight", "bias"}, {"conv2", "conv1"}),
            "/rules/0/site/1: layer \"conv1\" has no site \"bias\"; known: \"weight\", \"error\", "
            "\"error.dx\", \"error.dw\", \"gradient\", \"update\", \"momentum\", \"input\", "
            "\"accumulator.forward\", \"accumulator.dx\", \"accumulator.dw\", \"output\"");
  EXPECT_TRUE(begins(rules_refusal({"activation", "weight"}, "conv1"),
                     "/rules/0/site/0: layer \"conv1\" has no site \"activation\"; known: \""));
  EXPECT_TRUE(begins(rules_refusal("input", {"conv1", "fc"}),
                     "/rules/0/layers/1: \"fc\" matches no layer with the site \""));
  // Both names together are what the contraction reads; globs, types and ends take what there is.
  EXPECT_EQ(rules_refusal({"input", "activation"}, {"conv1", "fc"}), "");
  EXPECT_EQ(rules_refusal({"weight", "bias"}, {"conv*"}), "");
  EXPECT_EQ(rules_refusal({"weight", "activation"}, {"first", "last"}), "");
  EXPECT_EQ(rules_refusal({"weight", "bias"}, {"conv"}), "");
  EXPECT_EQ(rules_refusal("*", {"conv1"}), "");
}

TEST(Rules, ASiteThatIsWrittenOutIsOneThatANamedLayerHas) {
  EXPECT_TRUE(
      begins(rules_refusal({"weight", "norm"}, {"conv*"}),
             "/rules/0/site/1: none of the layers that the rule names has the site \"norm\""));
  EXPECT_EQ(rules_refusal({"weight", "norm"}, {"conv*", "norm*"}), "");
}

TEST(Rules, FromAStepSwapsOnePartAndTheOthersKeepTheirState) {
  const Json lsq{{"plugin", "lsq"}, {"bits", 4}}, coarse{{"plugin", "lsq"}, {"bits", 2}};
  const Json moving{{"plugin", "moving_average_min_max"}};
  const Json rules =
      Json::array({{{"site", "weight"}, {"quantizer", lsq}},
                   {{"site", "weight"},
                    {"quantizer", lsq},
                    {"rounding", {{"plugin", "stochastic"}}},
                    {"from", {{"step", 13}}}},
                   {{"site", "weight"}, {"quantizer", coarse}, {"from", {{"step", 25}}}},
                   {{"site", "activation"},
                    {"quantizer", {{"plugin", "affine"}, {"bits", 8}}},
                    {"range", moving}},
                   {{"site", "activation"},
                    {"quantizer", {{"plugin", "affine"}, {"bits", 4}}},
                    {"range", moving},
                    {"from", {{"epoch", 1}, {"step", 13}}}}});
  EXPECT_EQ(placing::changes(bench_pipeline(rules), 10),
            (std::vector<placing::Moment>{{0, 0}, {1, 13}, {2, 25}}));
  Bench bench(rules);
  for (std::uint64_t step = 0; step < 4; ++step) bench.train(step);
  const auto scale = [&] { return *bench.site("weight/conv2").learned().at(0).value; };
  const auto ranges = [&] {
    return std::get<std::vector<double>>(
        bench.site("activation/conv2").save().at("site/ranges").values);
  };
  const auto* before = &bench.site("weight/conv2");
  const float learned = scale();
  const std::vector<double> range = ranges();
  bench.lower({1, 13});
  EXPECT_NE(&bench.site("weight/conv2"), before) << "the rounding is another";
  EXPECT_EQ(scale(), learned) << "the quantizer is the same";
  EXPECT_EQ(ranges(), range) << "the estimator is the same, for another grid";
  bench.evaluate();
  EXPECT_EQ(bench.site("activation/conv2").bits(), 4U);
  bench.lower({2, 25});
  bench.train(5);
  EXPECT_NE(scale(), learned) << "a grid of 2 bits starts from its own first tensor";
}

TEST(Rules, FromSwapsTheMethodWhenTheEpochIsReached) {
  const Json rules = Json::array({{{"site", "weight"}, {"quantizer", fixed_point(2)}},
                                  {{"site", "weight"},
                                   {"layers", {"fc"}},
                                   {"from", {{"epoch", 2}}},
                                   {"quantizer", fixed_point(5)}},
                                  {{"site", "weight"},
                                   {"layers", {"conv2"}},
                                   {"from", {{"epoch", 3}}},
                                   {"quantizer", nullptr}},
                                  {{"from", {{"epoch", 2}}}, {"norm", {{"plugin", "range_bn"}}}}});
  EXPECT_EQ(placing::changes(bench_pipeline(rules), 10),
            (std::vector<placing::Moment>{{0, 0}, {2, 20}, {3, 30}}));
  Bench bench(rules);
  bench.train();
  const Tensor& weight = bench.parameter("fc/weight").value;
  const auto seen = [&](const char* layer) { return bench.w(layer); };
  bench.lower(1);
  bench.forward(1);
  EXPECT_EQ(seen("fc"), fixed(values(weight), 2));
  const auto* kept = &bench.site("weight/left");
  bench.lower(2);
  bench.forward(2);
  EXPECT_EQ(seen("fc"), fixed(values(weight), 5));
  EXPECT_EQ(seen("conv2"), fixed(values(bench.parameter("conv2/weight").value), 2));
  EXPECT_EQ(bench.network.plan.norms().at(0)->norm->spec.method->id, "range_bn");
  EXPECT_EQ(&bench.site("weight/left"), kept) << "an unchanged quantizer keeps its state";
  bench.lower(3);
  bench.forward(3);
  EXPECT_EQ(seen("conv2"), values(bench.parameter("conv2/weight").value));
}

std::size_t quantize_nodes(Bench& bench) {
  std::size_t count = 0;
  for (const auto& node : bench.network.plan.nodes()) {
    count += node->type == network::Node::Type::kQuantize ? 1 : 0;
  }
  return count;
}

TEST(Rules, TwoContractionsThatReadOneTensorShareAQuantizeNode) {
  const Json shared = Json::array(
      {{{"site", "activation"}, {"layers", {"left", "right"}}, {"quantizer", fixed_point(2)}}});
  Bench bench(shared), plain(Json::array());
  bench.gradients();
  plain.gradients();
  EXPECT_EQ(quantize_nodes(bench), 1U);
  EXPECT_EQ(&bench.input_of("left"), &bench.input_of("right"));
  EXPECT_EQ(bench.x("left"), fixed(plain.y("relu2"), 2));
  // Both readers' gradients meet in the node and pass to the tensor below once.
  const std::vector<float> quantized = values(bench.input_of("left").gradient.value());
  EXPECT_EQ(bench.dy("relu2"), quantized) << "nothing is clipped";
  Bench differing(
      Json::array({fixed_rule("activation", "left", 2), fixed_rule("activation", "right", 3)}));
  differing.gradients();
  EXPECT_EQ(quantize_nodes(differing), 2U);
  EXPECT_EQ(differing.x("left"), fixed(plain.y("relu2"), 2));
  EXPECT_EQ(differing.x("right"), fixed(plain.y("relu2"), 3));
}

TEST(Rules, ASharedNodeGivesTheGradientsOfTwoEqualOnes) {
  // s24 and s23 round these values alike, but are two rules.
  Bench shared(
      Json::array({fixed_rule("activation", "left", 4), fixed_rule("activation", "right", 4)})),
      apart(Json::array(
          {fixed_rule("activation", "left", 4), fixed_rule("activation", "right", 4, 23)}));
  shared.gradients();
  apart.gradients();
  EXPECT_EQ(quantize_nodes(shared), 1U);
  EXPECT_EQ(quantize_nodes(apart), 2U);
  EXPECT_EQ(shared.parameter_gradients(), apart.parameter_gradients());
}

}  // namespace
}  // namespace qloom::test
