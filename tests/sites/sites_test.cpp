// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Every site takes a quantizer, which changes what it should and nothing else.
#include <cmath>
#include <string>
#include <vector>

#include "tests/support/bench.hpp"

namespace qloom::test {
namespace {

using contraction::Contraction;
using contraction::Operand;

const Json kSitesNone = Json::array();
const char* const kContractions[] = {"conv1", "conv2", "left", "right", "fc"};

Json rules(std::initializer_list<Json> list) { return Json(std::vector<Json>(list)); }

TEST(Sites, EverySiteOfTheGrammarCanBeGivenAMethodByARule) {
  for (const sites::Site& row : sites::table()) {
    const std::string site = row.name;
    const bool is_accumulator = row.takes_accumulator();
    const Json rule =
        is_accumulator
            ? Json{{"site", site}, {"accumulator", {{"plugin", "float_chunked"}}}}
            : Json{{"site", site},
                   {"quantizer", {{"plugin", "fixed_point"}, {"bits", 16}, {"fraction_bits", 5}}}};
    Bench bench(rules({rule})), plain(kSitesNone);
    for (std::uint64_t step = 0; step < 2; ++step) {
      bench.train(step);
      plain.train(step);
    }
    EXPECT_NE(values(bench.forward(2)), values(plain.forward(2))) << site;
    for (const auto& [key, node] : bench.network.sites.all()) EXPECT_EQ(key.site, &row);
    const auto& placed = bench.network.placement();
    EXPECT_EQ(placed.accumulators.size(), is_accumulator ? std::size(kContractions) : 0) << site;
    EXPECT_EQ(placed.quantizers.empty(), is_accumulator) << site;
  }
}

TEST(Sites, TheStarIsEverySiteButTheAccumulatorsAndTheUsesOfAnError) {
  Bench bench(rules(
      {Json{{"site", "*"},
            {"quantizer", {{"plugin", "fixed_point"}, {"bits", 16}, {"fraction_bits", 9}}}}}));
  bench.train();
  for (const char* key : {"weight/fc", "bias/fc", "activation/fc", "error/fc", "gradient/fc",
                          "update/fc", "momentum/fc", "logits/fc", "input/conv1", "norm/norm1/mean",
                          "norm/norm1/inv_scale", "norm/norm1/gamma", "norm/norm1/beta"}) {
    EXPECT_TRUE(bench.network.sites.all().contains(site_key(key))) << key;
  }
  // The error is quantized once, for both of its uses.
  EXPECT_FALSE(bench.network.sites.all().contains(site_key("error.dx/fc")));
  EXPECT_FALSE(bench.network.sites.all().contains(site_key("error.dw/fc")));
  EXPECT_TRUE(bench.network.placement().accumulators.empty());
  EXPECT_EQ(values(*bench.node("logits/fc").value), fixed(bench.y("fc"), 9, 16));
}

TEST(Sites, ANormsInputOutputAndErrorAreRoundedWhereTheNormReadsHandsOnAndGetsItsGradient) {
  Bench plain(kSitesNone);
  plain.gradients();
  Bench input(rules({fixed_rule("norm.input", "norm1", 3)}));
  input.gradients();
  EXPECT_EQ(values(*input.node("norm.input/norm1").value), fixed(plain.y("conv1"), 3));
  EXPECT_EQ(input.y("conv1"), plain.y("conv1"));
  EXPECT_NE(input.y("norm1"), plain.y("norm1"));

  Bench output(rules({fixed_rule("norm.output", "norm1", 3)}));
  output.gradients();
  EXPECT_EQ(output.y("norm1"), plain.y("norm1"));
  EXPECT_EQ(values(*output.node("norm.output/norm1").value), fixed(plain.y("norm1"), 3));

  Bench error(rules({fixed_rule("norm.error", "norm1", 9)}));
  error.gradients();
  EXPECT_EQ(error.y("fc"), plain.y("fc")) << "forward is untouched";
  EXPECT_EQ(error.dy("norm.error/norm1"), plain.dy("norm1"));
  EXPECT_EQ(error.dy("norm1"), fixed(plain.dy("norm1"), 9));
  EXPECT_NE(error.dy("norm1"), plain.dy("norm1"));
  EXPECT_NE(error.dy("conv1"), plain.dy("conv1"));
}

TEST(Sites, TheNormsFamilyIsReachedByItsName) {
  Json rule = fixed_rule("norm.*", "norm1", 6);
  Bench bench(rules({rule}));
  std::vector<std::string> keys;
  for (const auto& [key, site] : bench.network.sites.all()) keys.push_back(key.text());
  EXPECT_EQ(keys, (std::vector<std::string>{"norm.error/norm1", "norm.input/norm1",
                                            "norm.output/norm1"}));
}

TEST(Sites, AQuantizerWithPartsTakesTheOneOfEachSite) {
  const auto part = [](Bench& bench, const std::string& key) {
    return bench.site(key).spec().quantizer.params.at("part").get<std::string>();
  };
  const Json sites = {"weight", "bias", "input", "activation", "error", "norm.input", "norm.error"};
  const Json rule = {{"site", sites}, {"quantizer", {{"plugin", "dorefa"}, {"bits", 8}}}};
  Bench bench(rules({rule}));
  EXPECT_EQ(part(bench, "weight/fc"), "weight");
  EXPECT_EQ(part(bench, "bias/fc"), "weight");
  EXPECT_EQ(part(bench, "input/conv1"), "activation");
  EXPECT_EQ(part(bench, "activation/fc"), "activation");
  EXPECT_EQ(part(bench, "error/fc"), "gradient");
  EXPECT_EQ(part(bench, "norm.input/norm1"), "activation");
  EXPECT_EQ(part(bench, "norm.error/norm1"), "gradient");
  const Json wage = {{"site", {"error", "gradient"}}, {"quantizer", {{"plugin", "wage"}}}};
  Bench other(rules({wage}));
  EXPECT_EQ(part(other, "error/fc"), "error");
  EXPECT_EQ(part(other, "gradient/fc"), "gradient");
}

TEST(Sites, AQuantizedWeightOrBiasActsLikeAPlainNetworkWithTheRoundedOne) {
  for (const std::string role : {"weight", "bias"}) {
    for (const std::string layer : kContractions) {
      if (role == "bias" && layer == "conv1") continue;  // it has none
      const std::string name = layer + "/" + role;
      Bench bench(rules({fixed_rule(role, layer, 4)})), plain(kSitesNone);
      auto& replaced = plain.parameter(name).value;
      const std::vector<float> master = values(replaced), rounded = fixed(master, 4);
      ASSERT_NE(master, rounded);
      std::copy(rounded.begin(), rounded.end(), replaced.begin());
      bench.gradients();
      plain.gradients();
      EXPECT_EQ(values(bench.parameter(name).value), master) << "the stored value stays";
      EXPECT_EQ(values(bench.parameter(name).quantized), rounded);
      EXPECT_EQ(bench.w(layer), plain.w(layer)) << name;
      EXPECT_EQ(bench.y("fc"), plain.y("fc")) << name;
      EXPECT_EQ(bench.parameter_gradients(), plain.parameter_gradients()) << name;
    }
  }
}

TEST(Sites, AQuantizedInputOrActivationChangesOnlyWhatItsContractionReads) {
  for (const std::string layer : kContractions) {
    const std::string site = layer == "conv1" ? "input" : "activation";
    Bench bench(rules({fixed_rule(site, layer, 3)})), plain(kSitesNone);
    bench.gradients();
    plain.gradients();
    ASSERT_NE(bench.x(layer), plain.x(layer));
    EXPECT_EQ(bench.x(layer), fixed(plain.x(layer), 3)) << layer;
    // What lies below or beside sees the same as ever.
    for (const std::string other : kContractions) {
      if (other == layer) break;
      EXPECT_EQ(bench.y(other), plain.y(other)) << other << " with " << layer;
    }
    if (layer == "left") {
      EXPECT_EQ(bench.y("right"), plain.y("right"));
    }
    // The layer's own result and weight gradient are those of the rounded operand.
    const auto shape = bench.shape_of(layer);
    const std::vector<float> x = bench.x(layer), w = bench.w(layer), dy = bench.dy(layer);
    const auto& parameter = bench.parameter(layer + "/weight");
    const float* bias = layer == "conv1" ? nullptr : bench.parameter(layer + "/bias").value.data();
    std::vector<float> y(bench.y(layer).size()), dw(w.size());
    Contraction contraction;
    contraction.forward(shape, {.values = x.data()}, {.values = w.data()}, bias, y.data());
    contraction.weight_gradient(shape, {.values = x.data()}, {.values = dy.data()}, dw.data());
    EXPECT_EQ(bench.y(layer), y) << layer;
    EXPECT_EQ(values(parameter.gradient), dw) << layer;
  }
}

/// What the error sites of one layer should give, from the plain error.
struct ErrorUses {
  std::vector<float> dw, dx;
};

TEST(Sites, AQuantizedErrorActsOnBothUsesOrOnTheOneThatIsNamed) {
  for (const std::string layer : {"conv2", "fc"}) {
    for (const std::string site : {"error", "error.dx", "error.dw"}) {
      Bench bench(rules({fixed_rule(site, layer, 6)})), plain(kSitesNone);
      bench.gradients();
      plain.gradients();
      EXPECT_EQ(bench.y("fc"), plain.y("fc")) << "forward is untouched";
      const std::vector<float> error = plain.dy(layer), rounded = fixed(error, 6);
      ASSERT_NE(error, rounded);
      EXPECT_EQ(bench.dy(layer), error) << "above the layer nothing changes";
      const ErrorUses uses{site == "error.dx" ? error : rounded,
                           site == "error.dw" ? error : rounded};
      const std::vector<float> x = plain.x(layer), w = plain.w(layer);
      std::vector<float> dw(w.size()), dx(x.size());
      std::vector<float> db(bench.parameter(layer + "/bias").gradient.size());
      const auto shape = plain.shape_of(layer);
      Contraction contraction;
      contraction.weight_gradient(shape, {.values = x.data()}, {.values = uses.dw.data()},
                                  dw.data());
      contraction.input_gradient(shape, {.values = uses.dx.data()}, {.values = w.data()},
                                 dx.data());
      contraction::bias_gradient(shape, {.values = uses.dw.data()}, db.data());
      EXPECT_EQ(values(bench.parameter(layer + "/weight").gradient), dw) << site << layer;
      EXPECT_EQ(values(bench.parameter(layer + "/bias").gradient), db) << site << layer;
      EXPECT_EQ(values(bench.input_of(layer).gradient.value()), dx) << site << layer;
    }
  }
}

/// The stored tensors of one weight.
struct Stored {
  std::vector<float> value, velocity;
};

/// SGD by hand, each line with its site's rounding (no site: none).
Stored sgd_by_hand(const Stored& s, std::vector<float> g, const std::string& site, int f) {
  const auto at = [&](const char* name, float x) { return site == name ? fixed(x, f) : x; };
  Stored out = s;
  for (std::size_t i = 0; i < g.size(); ++i) {
    g[i] = at("gradient", g[i]);
    out.velocity[i] = at("momentum", 0.5F * s.velocity[i] + g[i]);
    out.value[i] = at("update", s.value[i] - 0.125F * out.velocity[i]);
  }
  return out;
}

TEST(Sites, GradientMomentumAndUpdateRoundTheirLineOfTheOptimizer) {
  for (const std::string site : {"gradient", "momentum", "update"}) {
    for (const std::string layer : {"conv2", "fc"}) {
      const std::string name = layer + "/weight";
      const int f = 7;
      Bench bench(rules({fixed_rule(site, layer, f)})), plain(kSitesNone);
      Stored stored{values(bench.parameter(name).value),
                    std::vector<float>(bench.parameter(name).value.size(), 0.0F)};
      for (std::uint64_t step = 0; step < 3; ++step) {
        bench.gradients(step);
        const std::vector<float> g = values(bench.parameter(name).gradient);
        if (step == 0) {
          plain.gradients();
          EXPECT_EQ(bench.parameter_gradients(), plain.parameter_gradients()) << site;
        }
        bench.update(step);
        stored = sgd_by_hand(stored, g, site, f);
        const auto& p = bench.parameter(name);
        EXPECT_EQ(values(p.value), stored.value) << site << " of " << name << ", step " << step;
        EXPECT_EQ(values(p.velocity), stored.velocity) << site << " of " << name;
        const Tensor& kept = site == "gradient"   ? p.gradient
                             : site == "momentum" ? p.velocity
                                                  : p.value;
        for (const float v : kept) ASSERT_EQ(std::ldexp(v, f), std::nearbyint(std::ldexp(v, f)));
        if (step > 0) continue;
        plain.update();
        EXPECT_NE(values(p.value), values(plain.parameter(name).value)) << site;
        EXPECT_EQ(bench.parameter_values(name), plain.parameter_values(name)) << site;
      }
    }
  }
}

/// Batch normalisation of one channel by hand, with one internal or all on the grid 2^-f.
struct NormByHand {
  std::string slot;  ///< "" for all
  int f;
  double at(const char* name, double v) const {
    return slot.empty() || slot == name ? double{fixed(static_cast<float>(v), f)} : v;
  }
  std::vector<float> operator()(const std::vector<float>& x, const Tensor& gamma,
                                const Tensor& beta) const {
    const std::size_t channels = gamma.size(), rows = x.size() / channels;
    std::vector<float> y(x.size());
    for (std::size_t c = 0; c < channels; ++c) {
      double mean = 0, variance = 0;
      for (std::size_t r = 0; r < rows; ++r) mean += x[r * channels + c] / double(rows);
      for (std::size_t r = 0; r < rows; ++r) {
        variance += std::pow(x[r * channels + c] - mean, 2) / double(rows);
      }
      const double inverse = at("inv_scale", 1 / std::sqrt(variance + 1e-5));
      mean = at("mean", mean);
      for (std::size_t r = 0; r < rows; ++r) {
        const std::size_t i = r * channels + c;
        y[i] = static_cast<float>((x[i] - mean) * inverse * at("gamma", gamma[c]) +
                                  at("beta", beta[c]));
      }
    }
    return y;
  }
};

TEST(Sites, ANormRuleRoundsEachInternalOrAllOfThem) {
  for (const std::string slot : {"mean", "inv_scale", "gamma", "beta", ""}) {
    const int f = slot == "mean" ? 5 : 3;
    Json rule = fixed_rule("norm", "norm1", f);
    if (!slot.empty()) rule["slot"] = slot;
    Bench bench(rules({rule})), plain(kSitesNone);
    bench.gradients();
    plain.gradients();
    EXPECT_EQ(bench.network.sites.all().size(), slot.empty() ? 4U : 1U) << slot;
    EXPECT_EQ(bench.y("conv1"), plain.y("conv1"));
    const Tensor &gamma = bench.parameter("norm1/gamma").value,
                 &beta = bench.parameter("norm1/beta").value;
    const std::vector<float> expected = NormByHand{slot, f}(bench.y("conv1"), gamma, beta);
    const std::vector<float> unrounded = NormByHand{"none", f}(bench.y("conv1"), gamma, beta);
    expect_near(bench.y("norm1"), expected, 1e-5);
    expect_near(plain.y("norm1"), unrounded, 1e-5);
    double change = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      change = std::max(change, std::abs(double(expected[i]) - unrounded[i]));
    }
    EXPECT_GT(change, 1e-3) << slot << ": the grid is coarse enough to be seen";
  }
}

TEST(Sites, TheInferenceFormOfANormUsesItsRoundedInternals) {
  for (const std::string slot : {"gamma", "beta"}) {
    Json rule = fixed_rule("norm", "norm1", 3);
    rule["slot"] = slot;
    Bench bench(rules({rule})), plain(kSitesNone);
    bench.forward();
    plain.forward();
    auto& replaced = plain.parameter("norm1/" + slot).value;
    ASSERT_NE(values(replaced), fixed(values(replaced), 3));
    const std::vector<float> rounded = fixed(values(replaced), 3);
    std::copy(rounded.begin(), rounded.end(), replaced.begin());
    EXPECT_EQ(values(bench.evaluate()), values(plain.evaluate())) << slot;
  }
}

TEST(Sites, QuantizedLogitsAreWhatTheLossSees) {
  Bench bench(rules({fixed_rule("logits", "fc", 4, 7)})), plain(kSitesNone);
  plain.gradients();
  EXPECT_EQ(values(bench.forward()), fixed(values(plain.forward()), 4, 7));
  EXPECT_EQ(bench.y("fc"), plain.y("fc")) << "the layer itself is as before";
  bench.gradients();
  std::vector<float> expected = values(bench.dlogits);
  const std::vector<float> logits = bench.y("fc");
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (fixed(logits[i], 4, 7) != fixed(logits[i], 4)) expected[i] = 0;
  }
  ASSERT_NE(expected, values(bench.dlogits)) << "some logits lie beyond s7.4";
  EXPECT_EQ(bench.dy("fc"), expected) << "no gradient where the code was clipped";
  EXPECT_EQ(values(bench.evaluate()), fixed(values(bench.evaluate()), 4, 7));
}

TEST(Sites, RulesThatAreSwitchedOffLeaveTheFloatNetwork) {
  Bench bench(rules({Json{{"site", "*"}, {"quantizer", {{"plugin", "affine"}, {"bits", 2}}}}})),
      plain(kSitesNone);
  network::Pass pass;
  pass.rules = network::Pass::Rules::kOff;
  EXPECT_EQ(values(bench.network.plan.forward(bench.batch, pass)), values(plain.evaluate()));
}

}  // namespace
}  // namespace qloom::test
