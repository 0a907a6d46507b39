// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Values of the layers without weights, worked out by hand or in double.
#include <cmath>
#include <functional>
#include <limits>

#include "host/layers/layer.hpp"
#include "host/tensor/random.hpp"
#include "tests/contraction/naive.hpp"

namespace qloom::test {
namespace {
using layers::Layer;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr layers::Step kTraining{11, 5, true}, kEvaluation{11, 5, false};

Layer make(const char* type) {
  Layer layer;
  layer.type = layers::find_type(type);
  layer.slope = 0.25F;
  return layer;
}

std::vector<float> outputs(const Layer& layer, const std::vector<float>& x,
                           const layers::Step& step = kTraining,
                           const std::vector<float>& second = {}) {
  std::vector<float> y(x.size());
  layer.type->elementwise.forward(layer, step, {0, x.size()}, x.data(), second.data(), y.data());
  return y;
}

std::vector<float> slopes(const Layer& layer, const std::vector<float>& seen) {
  std::vector<float> dx(seen.size());
  const std::vector<float> dy(seen.size(), 1.0F);
  layer.type->elementwise.gradient(layer, kTraining, {0, seen.size()}, seen.data(), dy.data(),
                                   dx.data());
  return dx;
}

TEST(Activation, EqualsItsFormulaInDouble) {
  const std::pair<const char*, std::function<double(double)>> formulas[] = {
      {"sigmoid", [](double x) { return 0.5 + 0.5 * std::tanh(x / 2); }},
      {"tanh", [](double x) { return 1 - 2 / (std::exp(2 * x) + 1); }},
      {"hard_swish", [](double x) { return x * std::clamp(x + 3, 0.0, 6.0) / 6; }},
      {"leaky_relu", [](double x) { return x < 0 ? 0.25 * x : x; }}};
  const auto x = random_values(5000, 1, -9, 9);
  for (const auto& [type, formula] : formulas) {
    const auto y = outputs(make(type), x);
    for (std::size_t i = 0; i < x.size(); ++i) {
      // three roundings to float32 of values that the result's size bounds
      ASSERT_NEAR(y[i], formula(x[i]), 3 * 0x1p-24 * std::max(1.0, std::abs(double{x[i]})))
          << type << " of " << x[i];
    }
  }
}

TEST(Activation, EndsCornersAndNotANumberAreExact) {
  EXPECT_EQ(outputs(make("sigmoid"), {-kInfinity, 0, kInfinity}), (std::vector<float>{0, 0.5F, 1}));
  EXPECT_EQ(outputs(make("tanh"), {-kInfinity, 0, kInfinity}), (std::vector<float>{-1, 0, 1}));
  EXPECT_EQ(outputs(make("hard_swish"), {-4, -3, 0, 3, 5}), (std::vector<float>{0, 0, 0, 3, 5}));
  EXPECT_EQ(slopes(make("hard_swish"), {-4, -3, -1.5F, 0, 3, 5}),
            (std::vector<float>{0, 0, 0, 0.5F, 1, 1}));
  EXPECT_EQ(outputs(make("leaky_relu"), {-4, 0, 3}), (std::vector<float>{-1, 0, 3}));
  EXPECT_EQ(slopes(make("leaky_relu"), {-1, 0, 3}), (std::vector<float>{0.25F, 1, 1}));
  for (const char* type : {"sigmoid", "tanh", "hard_swish", "leaky_relu"}) {
    EXPECT_TRUE(std::isnan(outputs(make(type), {NAN})[0])) << type;
  }
}

TEST(Dropout, KeepsByTheElementsRandomWordAndScales) {
  Layer layer = make("dropout");
  layer.rate = 0.25F;
  layer.stream = stream_id("dropout/drop");
  const auto x = random_values(9001, 2);
  const auto y = outputs(layer, x), dx = slopes(layer, x);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const bool keeps = random_word(11, layer.stream, 5, i) >= 0x40000000U;
    ASSERT_EQ(y[i], keeps ? x[i] * (1 / 0.75F) : 0.0F) << i;
    ASSERT_EQ(dx[i], keeps ? 1 / 0.75F : 0.0F) << i;
    kept += keeps ? 1 : 0;
  }
  // binomial, deviation sqrt(n * 0.25 * 0.75) = 41; six of them: fewer than one in a million
  EXPECT_NEAR(static_cast<double>(kept), 0.75 * 9001, 6 * 41);
  EXPECT_EQ(outputs(layer, x, kEvaluation), x);
  EXPECT_NE(outputs(layer, x, {11, 6, true}), y);
  EXPECT_NE(outputs(layer, x, {12, 5, true}), y);
  layer.rate = 0;
  EXPECT_EQ(outputs(layer, x), x);
}

TEST(Multiply, EachInputGetsTheOtherTimesTheGradient) {
  Layer layer = make("multiply");
  layer.out = {1, 1, 3};
  const std::vector<float> a{1, -2, 3}, b{4, 5, -6}, dy{1, 10, 100};
  EXPECT_EQ(outputs(layer, a, kTraining, b), (std::vector<float>{4, -10, -18}));
  const float* values[] = {a.data(), b.data()};
  const layers::SampleShape shapes[] = {layer.out, layer.out};
  std::vector<float> da(3), db(3);
  layer.type->whole.gradient(layer, {1, values, shapes}, {}, dy.data(), 0, da.data());
  layer.type->whole.gradient(layer, {1, values, shapes}, {}, dy.data(), 1, db.data());
  EXPECT_EQ(da, (std::vector<float>{4, 50, -600}));
  EXPECT_EQ(db, (std::vector<float>{1, -20, 300}));
}

/// Forward of a layer on whole tensors, one input.
std::vector<float> whole(const Layer& layer, std::int64_t batch, const std::vector<float>& x) {
  std::vector<float> y(static_cast<std::size_t>(batch * layer.out.size()), NAN);
  const float* values[] = {x.data()};
  std::vector<std::int32_t> places;
  layer.type->whole.forward(layer, {batch, values, {&layer.in, 1}}, y.data(), places);
  return y;
}

TEST(ChannelMean, IsTheMeanOfEachPixel) {
  Layer layer = make("channel_mean");
  layer.in = {1, 2, 3};
  layer.out = {1, 2, 1};
  EXPECT_EQ(whole(layer, 2, {1, 2, 3, 4, 4, 7, 0, 0, 0, -1, -2, -6}),
            (std::vector<float>{2, 5, 0, -3}));
}

TEST(Pad, FramesEachSample) {
  Layer layer = make("pad");
  layer.in = {1, 2, 2};
  layer.out = {2, 3, 2};
  layer.pad_top = layer.pad_left = 1;
  layer.value = 9;
  EXPECT_EQ(whole(layer, 2, {1, 2, 3, 4, 5, 6, 7, 8}),
            (std::vector<float>{9, 9, 9, 9, 9, 9, 9, 9, 1, 2, 3, 4,  //
                                9, 9, 9, 9, 9, 9, 9, 9, 5, 6, 7, 8}));
}

}  // namespace
}  // namespace qloom::test
