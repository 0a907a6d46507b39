// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The rule keys "pad" and "dynamic", and norms without gamma and beta, in a network.
#include <algorithm>
#include <string>
#include <vector>

#include "host/tensor/error.hpp"
#include "tests/contraction/naive.hpp"
#include "tests/support/bench.hpp"

namespace qloom::test {
namespace {

Json sign_rule(const char* layer, double pad) {
  return {{"site", "activation"},
          {"layers", {layer}},
          {"quantizer", {{"plugin", "sign_clip"}}},
          {"pad", pad}};
}

/// x with rows and columns of `pad` around it, one on each side.
std::vector<double> framed(const contraction::ContractionShape& s, const std::vector<float>& x,
                           double pad) {
  const std::int64_t height = s.in_h + 2, width = s.in_w + 2;
  std::vector<double> out(static_cast<std::size_t>(s.batch * height * width * s.in_c), pad);
  for (std::int64_t i = 0; i < s.x_size(); ++i) {
    const std::int64_t c = i % s.in_c, w = i / s.in_c % s.in_w, h = i / s.in_c / s.in_w % s.in_h;
    const std::int64_t b = i / s.in_c / s.in_w / s.in_h;
    out[static_cast<std::size_t>(((b * height + h + 1) * width + w + 1) * s.in_c + c)] =
        x[static_cast<std::size_t>(i)];
  }
  return out;
}

contraction::ContractionShape without_padding(contraction::ContractionShape s) {
  s.in_h += 2;
  s.in_w += 2;
  s.pad_top = s.pad_bottom = s.pad_left = s.pad_right = 0;
  return s;
}

TEST(Padding, AConvolutionReadsThePadOfItsRuleForwardAndInTheWeightGradient) {
  for (const double pad : {-1.0, 1.0, 0.5}) {
    Bench bench(Json::array({sign_rule("conv2", pad)}));
    bench.gradients();
    const auto s = bench.shape_of("conv2");
    ASSERT_EQ(s.pad_top, 1);
    const auto x = framed(s, bench.x("conv2"), pad);
    auto y = naive_forward(without_padding(s), x, widened(bench.w("conv2")));
    const Tensor& bias = bench.parameter("conv2/bias").value;
    for (std::size_t i = 0; i < y.size(); ++i) y[i] += bias[i % bias.size()];
    expect_near(bench.y("conv2"), y, 1e-4, "forward");
    const auto dy = bench.error("conv2");
    const auto dw = differences(widened(bench.w("conv2")), [&](const std::vector<double>& w) {
      return dot(naive_forward(without_padding(s), x, w), dy);
    });
    expect_near(values(bench.parameter("conv2/weight").gradient), dw, 1e-4, "weight gradient");
  }
}

TEST(Padding, WithoutRulesAndInOtherLayersItIsZero) {
  Bench padded(Json::array({sign_rule("conv2", -1)})), plain(Json::array());
  EXPECT_EQ(values(padded.input_of("conv1").out), values(plain.input_of("conv1").out));
  padded.forward();
  plain.forward();
  EXPECT_EQ(padded.y("conv1"), plain.y("conv1"));
  network::Pass pass;
  pass.rules = network::Pass::Rules::kOff;
  EXPECT_EQ(values(padded.network.plan.forward(padded.batch, pass)),
            values(plain.network.plan.forward(plain.batch, pass)));
}

TEST(Padding, FusedOrNotTheBitsAreTheSame) {
  Bench one(Json::array({sign_rule("conv2", -1)})), other(Json::array({sign_rule("conv2", -1)}));
  other.network.plan.fuse(true);
  one.gradients();
  other.gradients();
  EXPECT_EQ(one.parameter_gradients(), other.parameter_gradients());
}

TEST(Padding, TheEncodingNamesIt) {
  Bench bench(Json::array({sign_rule("conv2", -1), sign_rule("left", 0)}));
  bench.forward();
  EXPECT_EQ(bench.site("activation/conv2").encoding_json()["pad"], -1.0);
  EXPECT_FALSE(bench.site("activation/left").encoding_json().contains("pad"));
}

TEST(Padding, ReadersOfOneTensorWithOtherPadsHaveNodesOfTheirOwn) {
  Bench same(Json::array({sign_rule("left", -1), sign_rule("right", -1)}));
  EXPECT_EQ(&same.site("activation/left"), &same.site("activation/right"));
  Bench other(Json::array({sign_rule("left", 1), sign_rule("right", -1)}));
  EXPECT_NE(&other.site("activation/left"), &other.site("activation/right"));
}

TEST(Padding, AnIntegerAccumulatorTakesAPadThatIsACodeAndRefusesAnother) {
  const Json weight{{"site", "weight"},
                    {"layers", {"conv2"}},
                    {"quantizer", {{"plugin", "affine"}, {"bits", 8}, {"symmetric", true}}}};
  const Json sums{{"site", "accumulator.forward"},
                  {"layers", {"conv2"}},
                  {"accumulator", {{"plugin", "integer"}, {"bits", 32}}}};
  Bench modelled(Json::array({weight, sign_rule("conv2", -1), sums}));
  Bench exact(Json::array({weight, sign_rule("conv2", -1)}));
  modelled.forward();
  exact.forward();
  EXPECT_EQ(modelled.y("conv2"), exact.y("conv2"));
  Bench off_grid(Json::array({weight, sign_rule("conv2", -0.5), sums}));
  EXPECT_THROW(off_grid.forward(), RunError);
}

Json ranged(const char* range, bool is_dynamic) {
  Json rule{{"site", "activation"},
            {"quantizer", {{"plugin", "affine"}, {"bits", 4}}},
            {"range", {{"plugin", range}}}};
  if (is_dynamic) rule["dynamic"] = true;
  return rule;
}

TEST(Dynamic, EvaluationFindsTheRangeOfEachTensorAndKeepsNothing) {
  Bench bench(Json::array({ranged("min_max", true)}));
  sites::SiteQuantizer& site = bench.site("activation/conv2");
  EXPECT_TRUE(site.is_known());
  EXPECT_EQ(site.passes(), 0U) << "nothing to calibrate";
  const auto scale = [&] { return site.encoding_json()["scale"][0].get<float>(); };
  bench.evaluate();
  const auto x = values(*bench.node("pool1").value);
  const float largest = *std::max_element(x.begin(), x.end());
  EXPECT_FLOAT_EQ(scale(), largest / 15) << "behind a ReLU: 15 steps from 0";
  const float before = scale();
  const auto state = site.save();
  for (float& v : bench.batch) v *= 4;
  bench.parameter("norm1/gamma").value.fill(3.0F);
  bench.evaluate();
  EXPECT_NE(scale(), before) << "its own range";
  const auto after = site.save();
  ASSERT_EQ(after.size(), state.size());
  for (const auto& [key, array] : state) EXPECT_EQ(after.at(key).values, array.values) << key;
}

TEST(Dynamic, AnEstimatorThatRemembersForgetsWhatEvaluationShows) {
  Bench bench(Json::array({ranged("moving_average_min_max", true)}));
  bench.forward(0);
  const auto state = bench.site("activation/conv2").save();
  bench.parameter("norm1/gamma").value.fill(5.0F);
  bench.evaluate();
  for (const auto& [key, array] : state) {
    EXPECT_EQ(bench.site("activation/conv2").save().at(key).values, array.values) << key;
  }
}

TEST(Dynamic, WithoutItEvaluationNeedsACalibration) {
  Bench bench(Json::array({ranged("min_max", false)}));
  EXPECT_THROW(bench.evaluate(), RunError);
}

TEST(Dynamic, EachSampleMayHaveItsOwnRange) {
  Json rule = ranged("min_max", true);
  rule["quantizer"]["granularity"] = "sample";
  Bench bench(Json::array({rule}));
  bench.evaluate();
  EXPECT_EQ(bench.site("activation/conv2").encoding().groups,
            static_cast<std::uint64_t>(Bench::kBatch));
}

TEST(Dynamic, AQuantizerWithoutARangeIsRefused) {
  try {
    Bench bench(Json::array(
        {{{"site", "activation"}, {"quantizer", {{"plugin", "sign_clip"}}}, {"dynamic", true}}}));
    FAIL() << "not refused";
  } catch (const InputError& e) {
    EXPECT_NE(
        std::string(e.what()).find("/rules/0/dynamic: quantizer \"sign_clip\" takes no range"),
        std::string::npos)
        << e.what();
  }
}

Json without_affine(const char* plugin) {
  return {{"norm", {{"plugin", plugin}, {"affine", false}}}};
}

TEST(NormWithoutAffine, HasNoGammaAndBetaAndOnlyNormalises) {
  for (const char* plugin : {"batch_norm", "l1_bn", "range_bn", "shift_bn", "frozen_bn"}) {
    Bench bare(Json::array(), without_affine(plugin)),
        with(Json::array(), {{"norm", {{"plugin", plugin}}}});
    for (const network::Parameter* p : bare.network.parameters.list()) {
      EXPECT_NE(p->layer, "norm1") << plugin << ": " << p->name();
    }
    EXPECT_EQ(bare.network.parameters.list().size() + 2, with.network.parameters.list().size());
    with.parameter("norm1/gamma").value.fill(1.0F);
    with.parameter("norm1/beta").value.fill(0.0F);
    for (network::Parameter* p : bare.network.parameters.list()) {
      p->value = with.parameter(p->name()).value;
    }
    bare.gradients();
    with.gradients();
    EXPECT_EQ(bare.y("norm1"), with.y("norm1")) << plugin;
    EXPECT_EQ(values(bare.parameter("conv1/weight").gradient),
              values(with.parameter("conv1/weight").gradient))
        << plugin;
  }
}

TEST(NormWithoutAffine, ARuleMayTakeGammaAndBetaAway) {
  const Json later{{"norm", {{"plugin", "batch_norm"}, {"affine", false}}},
                   {"layers", {"norm1"}},
                   {"from", {{"epoch", 1}}}};
  Bench bench(Json::array({later}));
  const std::size_t with = bench.network.parameters.list().size();
  bench.train();
  bench.lower(1);
  EXPECT_EQ(bench.network.parameters.list().size(), with - 2);
  bench.train(1);
  EXPECT_EQ(bench.network.parameters.list().size(), with - 2);
}

TEST(NormWithoutAffine, ANormThatNeverHasThemTakesNoSuchParameter) {
  EXPECT_THROW(Bench(Json::array(), without_affine("const_scale")), InputError);
}

}  // namespace
}  // namespace qloom::test
