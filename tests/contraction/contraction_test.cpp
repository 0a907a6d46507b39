// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Contractions of real operands, against plain loops in double and central differences.
#include "host/contraction/contraction.hpp"

#include "host/tensor/error.hpp"
#include "tests/contraction/naive.hpp"

namespace qloom::test {
namespace {

using contraction::Contraction;
using contraction::Operand;

constexpr double kTolerance = 2e-5;  // a few hundred products of numbers below 1

Operand real(const std::vector<float>& values) { return {.values = values.data()}; }

struct Case {
  explicit Case(const ContractionShape& shape)
      : s(shape),
        x(random_values(s.x_size(), 1)),
        w(random_values(s.w_size(), 2)),
        bias(random_values(s.out_c, 3)),
        dy(random_values(s.y_size(), 4)) {}

  std::vector<float> forward(Contraction& contraction, bool has_bias) const {
    std::vector<float> y(dy.size(), NAN);
    contraction.forward(s, real(x), real(w), has_bias ? bias.data() : nullptr, y.data());
    return y;
  }
  std::vector<float> input_gradient(Contraction& contraction) const {
    std::vector<float> dx(x.size(), NAN);
    contraction.input_gradient(s, real(dy), real(w), dx.data());
    return dx;
  }
  std::vector<float> weight_gradient(Contraction& contraction) const {
    std::vector<float> dw(w.size(), NAN);
    contraction.weight_gradient(s, real(x), real(dy), dw.data());
    return dw;
  }

  ContractionShape s;
  std::vector<float> x, w, bias, dy;
};

TEST(Contraction, ForwardIsTheSumOfProductsPlusBias) {
  for (const auto& [name, shape] : small_shapes()) {
    const Case c(shape);
    Contraction contraction;
    std::vector<double> expected = naive_forward(shape, widened(c.x), widened(c.w));
    expect_near(c.forward(contraction, false), expected, kTolerance, name);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      expected[i] += c.bias[i % static_cast<std::size_t>(shape.out_c)];
    }
    expect_near(c.forward(contraction, true), expected, kTolerance, name + " with bias");
  }
}

TEST(Contraction, InputGradientEqualsCentralDifferences) {
  for (const auto& [name, shape] : small_shapes()) {
    const Case c(shape);
    const auto w = widened(c.w);
    const auto expected = differences(widened(c.x), [&](const std::vector<double>& x) {
      return dot(naive_forward(c.s, x, w), c.dy);
    });
    Contraction contraction;
    expect_near(c.input_gradient(contraction), expected, kTolerance, name);
  }
}

TEST(Contraction, WeightGradientEqualsCentralDifferences) {
  for (const auto& [name, shape] : small_shapes()) {
    const Case c(shape);
    const auto x = widened(c.x);
    const auto expected = differences(widened(c.w), [&](const std::vector<double>& w) {
      return dot(naive_forward(c.s, x, w), c.dy);
    });
    Contraction contraction;
    expect_near(c.weight_gradient(contraction), expected, kTolerance, name);
  }
}

TEST(Contraction, BiasGradientIsTheSumOverPixels) {
  for (const auto& [name, shape] : small_shapes()) {
    const Case c(shape);
    std::vector<double> expected(c.bias.size());
    for (std::size_t i = 0; i < c.dy.size(); ++i) expected[i % expected.size()] += c.dy[i];
    std::vector<float> db(c.bias.size(), NAN);
    contraction::bias_gradient(shape, {.values = c.dy.data()}, db.data());
    expect_near(db, expected, 1e-6, name);
  }
}

TEST(Contraction, ManyChannelsHaveTheRightBiasGradient) {
  const ContractionShape shape{.batch = 40, .in_c = 1, .out_c = 150};
  const std::vector<float> dy = random_values(shape.y_size(), 5);
  std::vector<double> expected(150);
  for (std::size_t i = 0; i < dy.size(); ++i) expected[i % 150] += dy[i];
  std::vector<float> db(150);
  contraction::bias_gradient(shape, {.values = dy.data()}, db.data());
  expect_near(db, expected, 1e-6, "150 channels");
}

std::vector<NamedShape> layers_of_a_network() {
  return {{"first layer",
           {.batch = 37,
            .in_h = 12,
            .in_w = 12,
            .in_c = 1,
            .out_c = 16,
            .kernel_h = 3,
            .kernel_w = 3,
            .pad_top = 1,
            .pad_bottom = 1,
            .pad_left = 1,
            .pad_right = 1}},
          {"5x5",
           {.batch = 37,
            .in_h = 7,
            .in_w = 7,
            .in_c = 16,
            .out_c = 32,
            .kernel_h = 5,
            .kernel_w = 5,
            .pad_top = 2,
            .pad_bottom = 2,
            .pad_left = 2,
            .pad_right = 2}},
          {"depthwise",
           {.batch = 37,
            .in_h = 7,
            .in_w = 7,
            .in_c = 32,
            .out_c = 32,
            .kernel_h = 3,
            .kernel_w = 3,
            .pad_top = 1,
            .pad_bottom = 1,
            .pad_left = 1,
            .pad_right = 1,
            .groups = 32}},
          {"1x1", {.batch = 37, .in_h = 7, .in_w = 7, .in_c = 32, .out_c = 48}},
          {"dense", {.batch = 37, .in_c = 300, .out_c = 100}}};
}

TEST(Contraction, BitsDoNotDependOnTheNumberOfThreads) {
  for (const auto& [name, shape] : layers_of_a_network()) {
    SCOPED_TRACE(name);
    const Case c(shape);
    expect_same_for_any_threads([&] {
      Contraction contraction;
      std::vector<float> db(c.bias.size());
      contraction::bias_gradient(c.s, {.values = c.dy.data()}, db.data());
      return std::vector{c.forward(contraction, true), c.input_gradient(contraction),
                         c.weight_gradient(contraction), db};
    });
  }
}

TEST(Contraction, OneObjectServesChangingThreadsAndBatches) {
  Contraction kept;
  for (const int threads : {1, 3, 2}) {
    omp_set_num_threads(threads);
    for (const std::int64_t batch : {8, 21, 3}) {
      ContractionShape shape = layers_of_a_network()[1].shape;
      shape.batch = batch;
      const Case c(shape);
      Contraction fresh;
      EXPECT_EQ(c.forward(kept, true), c.forward(fresh, true)) << batch << ", " << threads;
      EXPECT_EQ(c.input_gradient(kept), c.input_gradient(fresh)) << batch << ", " << threads;
      EXPECT_EQ(c.weight_gradient(kept), c.weight_gradient(fresh)) << batch << ", " << threads;
    }
  }
}

TEST(Contraction, ImpossibleGeometryIsNamed) {
  Contraction contraction;
  const ContractionShape shape{
      .batch = 1, .in_h = 2, .in_w = 9, .in_c = 3, .out_c = 4, .kernel_h = 5};
  const Case c({.batch = 1, .in_c = 1, .out_c = 1});
  std::vector<float> y(1);
  try {
    contraction.forward(shape, real(c.x), real(c.w), nullptr, y.data());
    FAIL() << "a kernel higher than the image was accepted";
  } catch (const RunError& error) {
    EXPECT_NE(std::string(error.what()).find("1 x 2 x 9 x 3"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace qloom::test
