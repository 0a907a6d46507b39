// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <limits>

#include "host/layers/common/elementwise.hpp"
#include "host/layers/common/rows.hpp"
#include "tests/contraction/naive.hpp"

namespace qloom::test {
namespace {

constexpr float kNoCeiling = std::numeric_limits<float>::infinity();
constexpr std::int64_t kCount = 9001;  // more than two tiles, no multiple of anything

/// Values in [-9, 9) that keep away from the corners at 0 and 6.
std::vector<float> values_off_corners(std::uint64_t stream) {
  std::vector<float> x = random_values(kCount, stream, -9, 9);
  for (float& v : x) {
    if (std::abs(v) < 0.01F || std::abs(v - 6) < 0.01F) v += 0.05F;
  }
  return x;
}

double clipped(double x, double ceiling) { return std::min(std::max(x, 0.0), ceiling); }

TEST(Relu, ClipsToZeroAndTheCeiling) {
  const auto x = values_off_corners(1);
  for (const float ceiling : {kNoCeiling, 6.0F}) {
    std::vector<float> y(x.size());
    layers::relu(x.data(), y.data(), x.size(), ceiling);
    for (std::size_t i = 0; i < x.size(); ++i) ASSERT_EQ(y[i], clipped(x[i], ceiling)) << i;
  }
}

TEST(Relu, GradientEqualsCentralDifferences) {
  const auto x = values_off_corners(1), dy = random_values(kCount, 2);
  for (const float ceiling : {kNoCeiling, 6.0F}) {
    std::vector<float> y(x.size()), dx(x.size());
    layers::relu(x.data(), y.data(), x.size(), ceiling);
    layers::relu_gradient(y.data(), dy.data(), dx.data(), x.size(), ceiling);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double step = 1e-3, v = x[i];
      const double slope = (clipped(v + step, ceiling) - clipped(v - step, ceiling)) / (2 * step);
      ASSERT_NEAR(dx[i], slope * dy[i], 1e-6) << i;
    }
    std::vector<float> in_place = dy;
    layers::relu_gradient(y.data(), in_place.data(), in_place.data(), x.size(), ceiling);
    EXPECT_EQ(in_place, dx);
  }
}

TEST(Relu, CornersPassNoGradientAndNotANumberComesThrough) {
  const std::vector<float> x{0, 6, -0.0F, 5, NAN}, dy(5, 1.0F);
  std::vector<float> y(5), dx(5);
  layers::relu(x.data(), y.data(), 5, 6);
  layers::relu_gradient(y.data(), dy.data(), dx.data(), 5, 6);
  EXPECT_EQ(y[1], 6);
  EXPECT_TRUE(std::isnan(y[4]));
  EXPECT_EQ(dx, (std::vector<float>{0, 0, 0, 1, 0}));
}

TEST(Add, AddsElementByElement) {
  const auto a = random_values(kCount, 1), b = random_values(kCount, 2);
  std::vector<float> y(a.size()), sum = a;
  layers::add(a.data(), b.data(), y.data(), y.size());
  layers::add(sum.data(), b.data(), sum.data(), sum.size());
  for (std::size_t i = 0; i < y.size(); ++i) ASSERT_EQ(y[i], a[i] + b[i]) << i;
  EXPECT_EQ(sum, y);
}

TEST(Concat, PartsLieSideBySideAndTheGradientTakesThemApart) {
  constexpr std::int64_t kRows = 3000, kLeft = 5, kRight = 3, kAll = kLeft + kRight;
  const auto a = random_values(kRows * kLeft, 1), b = random_values(kRows * kRight, 2);
  std::vector<float> y(kRows * kAll, NAN);
  layers::concat_part(a.data(), kRows, kLeft, y.data(), kAll, 0);
  layers::concat_part(b.data(), kRows, kRight, y.data(), kAll, kLeft);
  for (std::size_t i = 0; i < y.size(); ++i) {
    const std::size_t row = i / kAll, c = i % kAll;
    ASSERT_EQ(y[i], c < kLeft ? a[row * kLeft + c] : b[row * kRight + c - kLeft]) << i;
  }
  // d(sum y * dy) / da: a's own slots of dy.
  const auto dy = random_values(kRows * kAll, 3);
  std::vector<float> da(a.size(), NAN), db(b.size(), NAN);
  layers::concat_part_gradient(dy.data(), kRows, kLeft, da.data(), kAll, 0);
  layers::concat_part_gradient(dy.data(), kRows, kRight, db.data(), kAll, kLeft);
  for (std::size_t i = 0; i < dy.size(); ++i) {
    const std::size_t row = i / kAll, c = i % kAll;
    ASSERT_EQ(dy[i], c < kLeft ? da[row * kLeft + c] : db[row * kRight + c - kLeft]) << i;
  }
}

TEST(ScaleShift, RoundsTheProductAndTheSum) {
  constexpr std::int64_t kRows = 2000, kChannels = 7;
  const auto x = random_values(kRows * kChannels, 1);
  const auto scale = random_values(kChannels, 2), shift = random_values(kChannels, 3);
  std::vector<float> y(x.size());
  layers::scale_shift(x.data(), scale.data(), shift.data(), kRows, kChannels, y.data());
  for (std::size_t i = 0; i < y.size(); ++i) {
    const std::size_t c = i % kChannels;
    const auto product = static_cast<float>(double{x[i]} * double{scale[c]});  // 48 bits: exact
    ASSERT_EQ(y[i], static_cast<float>(double{product} + double{shift[c]})) << i;
  }
}

TEST(Pointwise, BitsDoNotDependOnTheNumberOfThreads) {
  const auto x = values_off_corners(1), dy = random_values(kCount, 2);
  expect_same_for_any_threads([&] {
    std::vector<float> y(x.size()), dx(x.size()), sum(x.size());
    layers::relu(x.data(), y.data(), x.size(), 6);
    layers::relu_gradient(y.data(), dy.data(), dx.data(), x.size(), 6);
    layers::add(x.data(), dy.data(), sum.data(), x.size());
    return std::vector{y, dx, sum};
  });
}

}  // namespace
}  // namespace qloom::test
