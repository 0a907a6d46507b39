// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Granularity and clamp of rules on weights and activations, in a network.
#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "host/tensor/error.hpp"
#include "tests/support/bench.hpp"

namespace qloom::test {
namespace {

/// Which group a value of a tensor belongs to.
using GroupOf = std::function<std::size_t(std::size_t)>;

Json affine_rule(const Json& site, const char* layer, const Json& granularity) {
  return {{"site", site},
          {"layers", Json::array({layer})},
          {"quantizer",
           {{"plugin", "affine"}, {"bits", 4}, {"symmetric", true}, {"granularity", granularity}}}};
}

/// Every group has the scale of its own largest magnitude (16 signed codes, 7.5 steps each way),
/// and its values are the nearest multiples of that scale.
void expect_grouped(const std::vector<float>& x, const std::vector<float>& y,
                    const sites::SiteQuantizer& site, std::size_t groups, const GroupOf& group) {
  const qloom_encoding e = site.encoding();
  ASSERT_EQ(e.groups, groups);
  ASSERT_EQ(x.size(), y.size());
  std::vector<float> largest(groups, 0.0F);
  for (std::size_t i = 0; i < x.size(); ++i) {
    largest[group(i)] = std::max(largest[group(i)], std::abs(x[i]));
  }
  for (std::size_t g = 0; g < groups; ++g) {
    EXPECT_NEAR(e.grid.scale[g], largest[g] / 7.5F, 1e-6) << "group " << g;
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double scale = e.grid.scale[group(i)], steps = x[i] / scale;
    ASSERT_NEAR(y[i] / scale, std::nearbyint(y[i] / scale), 1e-4) << i;
    ASSERT_LE(std::abs(y[i] / scale - std::clamp(steps, -8.0, 7.0)), 0.5001) << i;
  }
}

struct Granularity {
  Json text;
  std::size_t groups;
  GroupOf group;
};

TEST(Granularity, AWeightHasARangePerTensorOutputChannelOrGroup) {
  const std::size_t row = 3 * 3 * 4;  // conv2: 6 channels of 3 x 3 x 4
  for (const Granularity& g :
       {Granularity{"tensor", 1, [](std::size_t) { return 0; }},
        Granularity{"channel", 6, [=](std::size_t i) { return i / row; }},
        Granularity{{{"group", 12}}, 18, [](std::size_t i) { return i / 12; }},
        Granularity{{{"group", 36}}, 6, [](std::size_t i) { return i / 36; }}}) {
    Bench bench(Json::array({affine_rule("weight", "conv2", g.text)}));
    bench.forward();
    const auto& p = bench.parameter("conv2/weight");
    SCOPED_TRACE(g.text.dump());
    expect_grouped(values(p.value), values(p.quantized), bench.site("weight/conv2"), g.groups,
                   g.group);
    EXPECT_EQ(bench.w("conv2"), values(p.quantized));
  }
}

TEST(Granularity, AnActivationHasARangePerTensorChannelOrGroupOfASample) {
  const std::size_t channels = 4, sample = 4 * 4 * channels;  // pool1
  for (const Granularity& g :
       {Granularity{"tensor", 1, [](std::size_t) { return 0; }},
        Granularity{"channel", channels, [=](std::size_t i) { return i % channels; }},
        Granularity{
            {{"group", 16}}, sample / 16, [=](std::size_t i) { return i % sample / 16; }}}) {
    Bench bench(Json::array({affine_rule("activation", "conv2", g.text)}));
    bench.forward();
    SCOPED_TRACE(g.text.dump());
    expect_grouped(bench.y("pool1"), bench.x("conv2"), bench.site("activation/conv2"), g.groups,
                   g.group);
    // The ranges of training are those of evaluation.
    EXPECT_NO_THROW(bench.evaluate());
    EXPECT_EQ(bench.site("activation/conv2").encoding().groups, g.groups);
  }
}

TEST(Granularity, GroupsThatDoNotDivideASampleAreRefused) {
  try {
    Bench bench(Json::array({affine_rule("activation", "conv2", {{"group", 7}})}));
    bench.forward();
    FAIL() << "64 values do not divide into groups of 7";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("7"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("64 values"), std::string::npos) << error.what();
  }
}

std::string granularity_refusal(const Json& rule) {
  try {
    const Bench bench(Json::array({rule}));
    return "";
  } catch (const InputError& error) {
    const std::string message = error.what();
    return message.substr(message.find("/rules/0"));
  }
}

TEST(Granularity, GroupsOfAWeightStayInsideAnOutputChannel) {
  for (const char* site : {"weight", "gradient", "update", "momentum"}) {
    for (const auto& [k, fitting] : {std::pair{5, "4 or 6"}, {72, "36"}, {100, "36"}}) {
      // conv2 has 36 weights per output channel
      EXPECT_EQ(granularity_refusal(affine_rule(site, "conv2", {{"group", k}})),
                "/rules/0/quantizer/granularity/group: " + std::to_string(k) +
                    " does not divide the 36 values of an output channel of \"conv2\"; expected a "
                    "divisor, such as " +
                    fitting)
          << site;
    }
    EXPECT_EQ(granularity_refusal(affine_rule(site, "conv2", {{"group", 9}})), "") << site;
  }
}

TEST(Granularity, WhatIsLearnedPerGroupIsNotLearnedOnABatch) {
  Json rule = affine_rule("activation", "conv2", {{"group", 16}});
  rule["quantizer"] = {{"plugin", "lsq"}, {"granularity", {{"group", 16}}}};
  for (const char* site : {"activation", "error", "error.dx", "error.dw"}) {
    rule["site"] = site;
    EXPECT_EQ(granularity_refusal(rule),
              "/rules/0/quantizer/granularity: {\"group\":16} at \"" + std::string(site) +
                  "/conv2\": \"lsq\" learns something for each group, and the number of groups "
                  "changes with the batch; expected \"tensor\" or \"channel\"");
  }
  rule["site"] = "weight";
  rule["quantizer"]["granularity"]["group"] = 12;
  EXPECT_EQ(granularity_refusal(rule), "");
}

TEST(Granularity, ErrorsAndGradientsHaveChannelsAndGroupsToo) {
  Json rules = Json::array({affine_rule("error", "conv2", "channel"),
                            affine_rule("gradient", "conv2", {{"group", 12}}),
                            affine_rule("momentum", "conv2", "channel")});
  Bench bench(rules);
  bench.gradients();
  const std::vector<float> g = values(bench.parameter("conv2/weight").gradient);
  expect_grouped(bench.dy("conv2"), bench.error("conv2"), bench.site("error/conv2"), 6,
                 [](std::size_t i) { return i % 6; });
  bench.update();
  const auto& p = bench.parameter("conv2/weight");
  expect_grouped(g, values(p.gradient), bench.site("gradient/conv2"), 18,
                 [](std::size_t i) { return i / 12; });
  expect_grouped(values(p.gradient), values(p.velocity), bench.site("momentum/conv2"), 6,
                 [](std::size_t i) { return i / 36; });
}

Json clamped_rule(const char* site, const char* layer, double low, double high) {
  Json rule = fixed_rule(site, layer, 6);
  rule["clamp"] = {{"low", low}, {"high", high}};
  return rule;
}

TEST(Clamp, AWeightIsClippedBeforeItsQuantizerAndHasNoGradientOutside) {
  const float low = -0.1F, high = 0.15F;
  Bench bench(Json::array({clamped_rule("weight", "conv2", low, high)})), plain(Json::array());
  const std::vector<float> master = values(bench.parameter("conv2/weight").value);
  std::vector<float> clipped = master;
  for (float& w : clipped) w = fixed(std::clamp(w, low, high), 6);
  std::copy(clipped.begin(), clipped.end(), plain.parameter("conv2/weight").value.begin());
  bench.gradients();
  plain.gradients();
  EXPECT_EQ(bench.w("conv2"), clipped);
  EXPECT_EQ(values(bench.parameter("conv2/weight").value), master);
  std::vector<float> expected = values(plain.parameter("conv2/weight").gradient);
  std::size_t outside = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (master[i] >= low && master[i] <= high) continue;
    expected[i] = 0;
    ++outside;
  }
  EXPECT_EQ(values(bench.parameter("conv2/weight").gradient), expected);
  EXPECT_GT(outside, 10U);
  EXPECT_LT(outside, expected.size() - 10);
}

TEST(Clamp, ExtremesForAQuantizerAreThoseOfTheClippedTensor) {
  const float low = -0.05F, high = 0.11F;  // largest exponent -4: steps of 2^-10
  Json rule{{"site", "weight"},
            {"layers", {"conv2"}},
            {"quantizer", {{"plugin", "block_float"}, {"bits", 8}}}};
  Bench unclamped(Json::array({rule}));
  rule["clamp"] = {{"low", low}, {"high", high}};
  Bench bench(Json::array({rule}));
  const std::vector<float> master = values(bench.parameter("conv2/weight").value);
  unclamped.gradients();
  bench.gradients();
  float largest = 0;
  for (const float w : master) largest = std::max(largest, std::abs(w));
  ASSERT_GT(largest, 2 * high);
  const float wide = std::ldexp(1.0F, std::ilogb(largest) - 6);
  const auto rounded = [](float w, float step) {
    return std::clamp(std::nearbyint(w / step), -128.0F, 127.0F) * step;
  };
  for (std::size_t i = 0; i < master.size(); ++i) {
    ASSERT_EQ(bench.w("conv2")[i], rounded(std::clamp(master[i], low, high), 0x1p-10F)) << i;
    ASSERT_EQ(unclamped.w("conv2")[i], rounded(master[i], wide)) << i;
  }
}

TEST(Clamp, AnActivationIsClippedBeforeItsQuantizerAndHasNoGradientOutside) {
  const float low = 0.2F, high = 0.75F;
  Bench bench(Json::array({clamped_rule("activation", "conv2", low, high)})), plain(Json::array());
  plain.gradients();
  bench.gradients();
  const std::vector<float> x = bench.y("pool1");
  EXPECT_EQ(x, plain.y("pool1"));
  std::vector<float> clipped = x,
                     expected = values(bench.node("activation/conv2").gradient.value());
  std::size_t outside = 0, open = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    clipped[i] = fixed(std::clamp(x[i], low, high), 6);
    if (x[i] >= low && x[i] <= high) {
      ++open;
    } else {
      ++outside;
      expected[i] = 0;
    }
  }
  EXPECT_EQ(bench.x("conv2"), clipped);
  EXPECT_EQ(bench.dy("pool1"), expected);
  EXPECT_GT(outside, 10U);
  EXPECT_GT(open, 10U);
}

TEST(Clamp, OnItsOwnItIsASettingOfTheQuantizerThatStandsThere) {
  const Json alone = {
      {"site", "weight"}, {"layers", {"conv2"}}, {"clamp", {{"low", -0.125}, {"high", 0.25}}}};
  Bench bench(Json::array({fixed_rule("weight", "*", 6), alone})),
      together(Json::array(
          {fixed_rule("weight", "*", 6), clamped_rule("weight", "conv2", -0.125, 0.25)}));
  bench.gradients();
  together.gradients();
  EXPECT_EQ(bench.w("conv2"), together.w("conv2"));
  EXPECT_EQ(bench.parameter_gradients(), together.parameter_gradients());
  const std::vector<float> w = bench.w("conv2");
  EXPECT_EQ(*std::max_element(w.begin(), w.end()), 0.25F);
}

TEST(Clamp, ARangeSeesTheClippedValues) {
  Json rule = affine_rule("weight", "conv2", "tensor");
  rule["clamp"] = {{"low", -0.125}, {"high", 0.0625}};
  Bench bench(Json::array({rule}));
  bench.forward();
  EXPECT_FLOAT_EQ(bench.site("weight/conv2").encoding().grid.scale[0], 0.125F / 7.5F);
}

}  // namespace
}  // namespace qloom::test
