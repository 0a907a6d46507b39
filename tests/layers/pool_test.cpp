// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <limits>

#include "host/layers/common/pool.hpp"
#include "tests/contraction/naive.hpp"

namespace qloom::test {
namespace {

using layers::PoolShape;

struct Pool {
  std::string name;
  PoolShape shape;
};

std::vector<Pool> pools() {
  return {
      {"2x2", {.batch = 2, .in_h = 6, .in_w = 4, .channels = 3}},
      {"3x3 stride 2 padding 1",
       {.batch = 2,
        .in_h = 7,
        .in_w = 6,
        .channels = 2,
        .kernel_h = 3,
        .kernel_w = 3,
        .pad_top = 1,
        .pad_bottom = 1,
        .pad_left = 1,
        .pad_right = 1}},
      {"overlapping, asymmetric",
       {.batch = 2,
        .in_h = 5,
        .in_w = 6,
        .channels = 2,
        .kernel_h = 3,
        .kernel_w = 2,
        .stride_h = 1,
        .stride_w = 2,
        .pad_top = 0,
        .pad_bottom = 2,
        .pad_left = 1,
        .pad_right = 0}},
      {"with rows left over", {.batch = 1, .in_h = 5, .in_w = 7, .channels = 70}},
      {"global",
       {.batch = 3,
        .in_h = 4,
        .in_w = 5,
        .channels = 5,
        .kernel_h = 4,
        .kernel_w = 5,
        .stride_h = 1,
        .stride_w = 1}},
  };
}

std::size_t x_size(const PoolShape& s) {
  return static_cast<std::size_t>(s.batch * s.in_h * s.in_w * s.channels);
}
std::size_t y_size(const PoolShape& s) {
  return static_cast<std::size_t>(s.batch * s.out_h() * s.out_w() * s.channels);
}

/// visit(y index, x index) for every element of every window, in row-major order.
template <class Visit>
void for_each_element(const PoolShape& s, const Visit& visit) {
  std::size_t y = 0;
  for (std::int64_t b = 0; b < s.batch; ++b)
    for (std::int64_t oh = 0; oh < s.out_h(); ++oh)
      for (std::int64_t ow = 0; ow < s.out_w(); ++ow)
        for (std::int64_t c = 0; c < s.channels; ++c, ++y)
          for (std::int64_t kh = 0; kh < s.kernel_h; ++kh)
            for (std::int64_t kw = 0; kw < s.kernel_w; ++kw) {
              const std::int64_t h = oh * s.stride_h + kh - s.pad_top;
              const std::int64_t w = ow * s.stride_w + kw - s.pad_left;
              if (h < 0 || h >= s.in_h || w < 0 || w >= s.in_w) continue;
              visit(y, static_cast<std::size_t>(((b * s.in_h + h) * s.in_w + w) * s.channels + c));
            }
}

std::vector<double> naive_max(const PoolShape& s, const std::vector<double>& x,
                              std::vector<std::int32_t>* argmax = nullptr) {
  std::vector<double> y(y_size(s), -std::numeric_limits<double>::infinity());
  if (argmax != nullptr) argmax->assign(y.size(), -1);
  for_each_element(s, [&](std::size_t i, std::size_t j) {
    if (!(x[j] > y[i])) return;
    y[i] = x[j];
    if (argmax != nullptr) (*argmax)[i] = static_cast<std::int32_t>(j);
  });
  return y;
}

std::vector<double> naive_mean(const PoolShape& s, const std::vector<double>& x) {
  std::vector<double> sum(y_size(s)), count(y_size(s));
  for_each_element(s, [&](std::size_t i, std::size_t j) {
    sum[i] += x[j];
    count[i] += 1;
  });
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] /= count[i];
  return sum;
}

TEST(MaxPool, TakesTheFirstLargestElementOfTheWindow) {
  for (const auto& [name, shape] : pools()) {
    // Few different values: many ties.
    std::vector<float> x;
    for (const std::int64_t v : random_codes(static_cast<std::int64_t>(x_size(shape)), 1, -3, 3)) {
      x.push_back(static_cast<float>(v));
    }
    std::vector<float> y(y_size(shape));
    std::vector<std::int32_t> argmax(y.size()), expected_argmax;
    layers::max_pool(shape, x.data(), y.data(), argmax.data());
    const auto expected = naive_max(shape, widened(x), &expected_argmax);
    EXPECT_EQ(widened(y), expected) << name;
    EXPECT_EQ(argmax, expected_argmax) << name;
  }
}

TEST(MaxPool, GradientEqualsCentralDifferences) {
  for (const auto& [name, shape] : pools()) {
    const PoolShape s = shape;
    std::vector<float> x(x_size(s));
    for (std::size_t i = 0; i < x.size(); ++i) {  // all different, in no order
      x[i] = static_cast<float>((i * 7919) % x.size()) / static_cast<float>(x.size());
    }
    const auto dy = random_values(static_cast<std::int64_t>(y_size(s)), 2);
    std::vector<float> y(dy.size()), dx(x.size(), NAN);
    std::vector<std::int32_t> argmax(y.size());
    layers::max_pool(s, x.data(), y.data(), argmax.data());
    layers::max_pool_gradient(s, dy.data(), argmax.data(), dx.data());
    const auto expected = differences(
        widened(x), [&](const std::vector<double>& v) { return dot(naive_max(s, v), dy); }, 1e-6);
    expect_near(dx, expected, 1e-6, name);
  }
}

TEST(MaxPool, NotANumberAndInfinityComeThrough) {
  const PoolShape s{.batch = 1, .in_h = 2, .in_w = 6, .channels = 1};
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> x{1, NAN, -inf, -inf, 3, inf, 2, 5, -inf, -inf, 4, 1};
  std::vector<float> y(3);
  std::vector<std::int32_t> argmax(3);
  layers::max_pool(s, x.data(), y.data(), argmax.data());
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_EQ(argmax[0], 1);
  EXPECT_EQ(y[1], -inf);
  EXPECT_EQ(argmax[1], 2);
  EXPECT_EQ(y[2], inf);
  EXPECT_EQ(argmax[2], 5);
}

TEST(AveragePool, IsTheMeanOfTheElementsInsideTheImage) {
  for (const auto& [name, shape] : pools()) {
    const auto x = random_values(static_cast<std::int64_t>(x_size(shape)), 1);
    std::vector<float> y(y_size(shape), NAN);
    layers::average_pool(shape, x.data(), y.data());
    expect_near(y, naive_mean(shape, widened(x)), 1e-7, name);
  }
}

TEST(AveragePool, GradientEqualsCentralDifferences) {
  for (const auto& [name, shape] : pools()) {
    const PoolShape s = shape;
    const auto x = random_values(static_cast<std::int64_t>(x_size(s)), 1);
    const auto dy = random_values(static_cast<std::int64_t>(y_size(s)), 2);
    std::vector<float> dx(x.size(), NAN);
    layers::average_pool_gradient(s, dy.data(), dx.data());
    const auto expected = differences(
        widened(x), [&](const std::vector<double>& v) { return dot(naive_mean(s, v), dy); });
    expect_near(dx, expected, 1e-6, name);
  }
}

TEST(Pools, BitsDoNotDependOnTheNumberOfThreads) {
  for (const auto& [name, shape] : pools()) {
    SCOPED_TRACE(name);
    const PoolShape s = shape;
    const auto x = random_values(static_cast<std::int64_t>(x_size(s)), 1);
    const auto dy = random_values(static_cast<std::int64_t>(y_size(s)), 2);
    expect_same_for_any_threads([&] {
      std::vector<float> most(dy.size()), mean(dy.size()), dmost(x.size()), dmean(x.size());
      std::vector<std::int32_t> argmax(dy.size());
      layers::max_pool(s, x.data(), most.data(), argmax.data());
      layers::max_pool_gradient(s, dy.data(), argmax.data(), dmost.data());
      layers::average_pool(s, x.data(), mean.data());
      layers::average_pool_gradient(s, dy.data(), dmean.data());
      return std::vector{most, mean, dmost, dmean};
    });
  }
}

}  // namespace
}  // namespace qloom::test
