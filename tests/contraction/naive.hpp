// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Layers as one would write them down: plain loops, no cutting, no order tricks.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <omp.h>

#include "host/contraction/contraction.hpp"
#include "host/tensor/random.hpp"

namespace qloom::test {

using contraction::ContractionShape;

/// Uniform in [lo, hi), of a numbered stream.
inline std::vector<float> random_values(std::int64_t n, std::uint64_t stream, float lo = -1,
                                        float hi = 1) {
  std::vector<float> x(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = lo + (hi - lo) * qloom::uniform(random_word(11, stream, 0, i));
  }
  return x;
}

/// Integers from lo to hi, of a numbered stream.
inline std::vector<std::int64_t> random_codes(std::int64_t n, std::uint64_t stream, std::int64_t lo,
                                              std::int64_t hi) {
  std::vector<std::int64_t> x(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = lo + static_cast<std::int64_t>(random_word(12, stream, 0, i)) % (hi - lo + 1);
  }
  return x;
}

/// One product of a contraction: y[y_index] += x[x_index] * w[w_index]. k is its place in the sum
/// of y (forward), dx (input gradient) or dw (weight gradient) when padding and skipped places
/// count.
struct Term {
  std::int64_t x, w, y;
  std::int64_t forward_k, input_k, weight_k;
};

/// Calls visit(term) for every product that does not lie in the padding.
template <class Visit>
void for_each_term(const ContractionShape& s, const Visit& visit) {
  const std::int64_t inputs = s.in_c / s.groups, outputs = s.out_c / s.groups;
  for (std::int64_t b = 0; b < s.batch; ++b)
    for (std::int64_t oh = 0; oh < s.out_h(); ++oh)
      for (std::int64_t ow = 0; ow < s.out_w(); ++ow)
        for (std::int64_t o = 0; o < s.out_c; ++o)
          for (std::int64_t kh = 0; kh < s.kernel_h; ++kh)
            for (std::int64_t kw = 0; kw < s.kernel_w; ++kw)
              for (std::int64_t i = 0; i < inputs; ++i) {
                const std::int64_t h = oh * s.stride_h + kh * s.dilation_h - s.pad_top;
                const std::int64_t w = ow * s.stride_w + kw * s.dilation_w - s.pad_left;
                if (h < 0 || h >= s.in_h || w < 0 || w >= s.in_w) continue;
                const std::int64_t place = kh * s.kernel_w + kw;
                const std::int64_t pixel = (b * s.out_h() + oh) * s.out_w() + ow;
                const std::int64_t in_channel = o / outputs * inputs + i;
                visit(Term{((b * s.in_h + h) * s.in_w + w) * s.in_c + in_channel,
                           (o * s.kernel_h * s.kernel_w + place) * inputs + i, pixel * s.out_c + o,
                           place * inputs + i, place * outputs + o % outputs, pixel});
              }
}

/// y = x * w in double.
inline std::vector<double> naive_forward(const ContractionShape& s, const std::vector<double>& x,
                                         const std::vector<double>& w) {
  std::vector<double> y(static_cast<std::size_t>(s.y_size()));
  for_each_term(s, [&](const Term& t) {
    y[static_cast<std::size_t>(t.y)] +=
        x[static_cast<std::size_t>(t.x)] * w[static_cast<std::size_t>(t.w)];
  });
  return y;
}

inline std::vector<double> widened(const std::vector<float>& x) { return {x.begin(), x.end()}; }

inline double dot(const std::vector<double>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// Central differences of a scalar function at x.
inline std::vector<double> differences(
    std::vector<double> x, const std::function<double(const std::vector<double>&)>& loss,
    double step = 1e-4) {
  std::vector<double> gradient(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double before = x[i];
    x[i] = before + step;
    const double above = loss(x);
    x[i] = before - step;
    const double below = loss(x);
    x[i] = before;
    gradient[i] = (above - below) / (2 * step);
  }
  return gradient;
}

inline void expect_near(const std::vector<float>& actual, const std::vector<double>& expected,
                        double tolerance, const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    ASSERT_NEAR(actual[i], expected[i], tolerance) << what << ", element " << i;
  }
}

/// Runs make() with 1, 2 and 3 threads; all results must be equal.
template <class Make>
void expect_same_for_any_threads(const Make& make) {
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const auto one = make();
  for (const int threads : {2, 3}) {
    omp_set_num_threads(threads);
    EXPECT_EQ(make(), one) << threads << " threads";
  }
  omp_set_num_threads(before);
}

struct NamedShape {
  std::string name;
  ContractionShape shape;
};

/// Every geometry that the layers know, small. More than forty lines: a table.
inline std::vector<NamedShape> small_shapes() {
  return {
      {"same padding",
       {.batch = 2,
        .in_h = 5,
        .in_w = 6,
        .in_c = 3,
        .out_c = 4,
        .kernel_h = 3,
        .kernel_w = 3,
        .pad_top = 1,
        .pad_bottom = 1,
        .pad_left = 1,
        .pad_right = 1}},
      {"no padding",
       {.batch = 2, .in_h = 6, .in_w = 5, .in_c = 1, .out_c = 6, .kernel_h = 5, .kernel_w = 3}},
      {"stride 2",
       {.batch = 2,
        .in_h = 7,
        .in_w = 6,
        .in_c = 4,
        .out_c = 5,
        .kernel_h = 3,
        .kernel_w = 3,
        .stride_h = 2,
        .stride_w = 2,
        .pad_top = 1,
        .pad_bottom = 1,
        .pad_left = 1,
        .pad_right = 1}},
      {"asymmetric padding, kernel and stride",
       {.batch = 2,
        .in_h = 6,
        .in_w = 7,
        .in_c = 3,
        .out_c = 4,
        .kernel_h = 3,
        .kernel_w = 2,
        .stride_h = 2,
        .stride_w = 1,
        .pad_top = 0,
        .pad_bottom = 1,
        .pad_left = 1,
        .pad_right = 0}},
      {"two groups",
       {.batch = 2,
        .in_h = 5,
        .in_w = 4,
        .in_c = 4,
        .out_c = 6,
        .kernel_h = 3,
        .kernel_w = 3,
        .pad_top = 1,
        .pad_bottom = 1,
        .pad_left = 1,
        .pad_right = 1,
        .groups = 2}},
      {"depthwise",
       {.batch = 2,
        .in_h = 5,
        .in_w = 4,
        .in_c = 6,
        .out_c = 6,
        .kernel_h = 3,
        .kernel_w = 3,
        .stride_h = 2,
        .stride_w = 2,
        .pad_top = 1,
        .pad_bottom = 1,
        .pad_left = 1,
        .pad_right = 1,
        .groups = 6}},
      {"depthwise, two outputs per channel",
       {.batch = 2,
        .in_h = 4,
        .in_w = 4,
        .in_c = 3,
        .out_c = 6,
        .kernel_h = 3,
        .kernel_w = 3,
        .pad_top = 1,
        .pad_bottom = 1,
        .pad_left = 1,
        .pad_right = 1,
        .groups = 3}},
      {"dilation 2",
       {.batch = 2,
        .in_h = 7,
        .in_w = 6,
        .in_c = 3,
        .out_c = 4,
        .kernel_h = 3,
        .kernel_w = 3,
        .pad_top = 2,
        .pad_bottom = 2,
        .pad_left = 2,
        .pad_right = 2,
        .dilation_h = 2,
        .dilation_w = 2}},
      {"dilation 3 and 2, stride 2, rows that nothing reads",
       {.batch = 2,
        .in_h = 10,
        .in_w = 9,
        .in_c = 2,
        .out_c = 3,
        .kernel_h = 3,
        .kernel_w = 2,
        .stride_h = 2,
        .stride_w = 2,
        .pad_left = 1,
        .dilation_h = 3,
        .dilation_w = 2}},
      {"two groups with dilation",
       {.batch = 2,
        .in_h = 6,
        .in_w = 7,
        .in_c = 4,
        .out_c = 6,
        .kernel_h = 2,
        .kernel_w = 3,
        .pad_top = 1,
        .pad_bottom = 1,
        .pad_left = 2,
        .pad_right = 1,
        .groups = 2,
        .dilation_h = 2,
        .dilation_w = 2}},
      {"1x1", {.batch = 3, .in_h = 3, .in_w = 4, .in_c = 5, .out_c = 7}},
      {"1x1, stride 2",
       {.batch = 2, .in_h = 5, .in_w = 5, .in_c = 4, .out_c = 3, .stride_h = 2, .stride_w = 2}},
      {"dense", {.batch = 5, .in_c = 19, .out_c = 7}},
      {"dense, batch of two slices", {.batch = 19, .in_c = 6, .out_c = 35}},
      {"three slices of a batch",
       {.batch = 19,
        .in_h = 4,
        .in_w = 3,
        .in_c = 2,
        .out_c = 3,
        .kernel_h = 3,
        .kernel_w = 3,
        .pad_top = 1,
        .pad_bottom = 1,
        .pad_left = 1,
        .pad_right = 1}},
  };
}

}  // namespace qloom::test
