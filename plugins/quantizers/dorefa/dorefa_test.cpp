// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "host/tensor/error.hpp"
#include "host/tensor/random.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

std::string dorefa(const std::string& part, int bits, const std::string& parameters = "") {
  return R"({"quantizer": {"plugin": "dorefa", "part": ")" + part + R"(", "bits": )" +
         std::to_string(bits) + parameters + "}}";
}

const std::vector<float> kWeights{-1.0F, -0.3F, 0.0F, 0.2F, 0.8F};

TEST(DorefaWeight, MatchesTheHandbook) {
  const auto y = [](int bits) {
    Site site(dorefa("weight", bits));
    return site.forward(tensor(kWeights));
  };
  expect_near(y(1), {-0.46F, -0.46F, 0.46F, 0.46F, 0.46F}, 1e-7);
  expect_near(y(2), {-1, -1 / 3.0F, 1 / 3.0F, 1 / 3.0F, 1}, 1e-7);
  expect_near(y(3), {-1, -3 / 7.0F, 1 / 7.0F, 1 / 7.0F, 1}, 1e-7);
  expect_near(y(4), {-1, -1 / 3.0F, 1 / 15.0F, 0.2F, 0.866667F}, 1e-6);
}

TEST(DorefaWeight, CodesAreTheOddIntegersAndTheEndsAreOne) {
  for (int bits = 2; bits <= 12; ++bits) {
    Site site(dorefa("weight", bits));
    const Tensor w = gaussian({4099}, 5);
    const auto y = site.forward(w);
    const int n = (1 << bits) - 1;
    EXPECT_EQ(
        std::max(*std::max_element(y.begin(), y.end()), -*std::min_element(y.begin(), y.end())),
        1.0F);
    for (const int code : site.encode(w)) {
      ASSERT_TRUE(code % 2 != 0 && code >= -n && code <= n) << code;
    }
    const auto encoding = site.node.encoding();
    EXPECT_EQ(encoding.bits, static_cast<std::uint32_t>(bits));
    EXPECT_EQ(encoding.grid.scale[0], 1.0F / static_cast<float>(n));
    EXPECT_EQ(encoding.grid.offset, nullptr);
  }
}

TEST(DorefaWeight, OneBitIsTheMeanMagnitudeWithZeroOnThePlusSide) {
  Site site(dorefa("weight", 1));
  const Tensor w = tensor({-1.0F, 0.0F, -0.0F, 3.0F});
  EXPECT_EQ(site.forward(w), (std::vector<float>{-1, 1, 1, 1}));
  EXPECT_EQ(site.encode(w), (std::vector<std::int32_t>{-1, 1, 1, 1}));
  EXPECT_EQ(site.node.encoding().bits, 1U);
  const Tensor dy = tensor({1.0F, 2.0F, 3.0F, 4.0F});
  EXPECT_EQ(site.backward(w, dy), values(dy));
}

TEST(DorefaWeight, GradientMatchesTheHandbook) {
  const Tensor w = tensor(kWeights), dy = tensor(std::vector<float>(5, 1.0F));
  const std::vector<float> plain{0.551441F, 1.201607F, 1.313035F, 1.261883F, 0.734059F};
  auto whole = plain;
  whole[0] = 0.412787F;
  Site without(dorefa("weight", 3, R"(, "max_grad": false)")), with(dorefa("weight", 3));
  without.forward(w);
  with.forward(w);
  expect_near(without.backward(w, dy), plain, 2e-6);
  expect_near(with.backward(w, dy), whole, 2e-6);
}

/// Surrogate: y = tanh(w) / max |tanh(w)| (2 u - 1 without rounding).
TEST(DorefaWeight, GradientEqualsCentralDifferencesOfTheSurrogate) {
  const Tensor w = gaussian({300}, 8, 0.7F), dy = gaussian({300}, 9);
  Site site(dorefa("weight", 4));
  site.forward(w);
  const auto dx = site.backward(w, dy);
  const auto loss = [&](std::size_t changed, double by) {
    double max = 0, sum = 0;
    std::vector<double> t(w.size());
    for (std::size_t i = 0; i < t.size(); ++i) {
      t[i] = std::tanh(w[i] + (i == changed ? by : 0.0));
      max = std::max(max, std::fabs(t[i]));
    }
    for (std::size_t i = 0; i < t.size(); ++i) sum += dy[i] * t[i] / max;
    return sum;
  };
  for (std::size_t i = 0; i < w.size(); ++i) {
    EXPECT_NEAR(dx[i], (loss(i, 1e-6) - loss(i, -1e-6)) / 2e-6, 1e-5) << i;
  }
}

TEST(DorefaWeight, GradientOfLargeWeightsKeepsItsDigits) {
  // 1 - tanh(w)^2 = 1 / cosh(w)^2 in double; from tanh in float32 6 % are lost at 8, all at 10
  const std::vector<float> w{-40, -20, -10, -9, -8, -5, -1e-3F, 0, 1e-20F, 0.5F, 3, 8, 12, 43};
  Site site(dorefa("weight", 4, R"(, "max_grad": false)"));
  site.forward(tensor(w));
  const auto dx = site.backward(tensor(w), tensor(std::vector<float>(w.size(), 1.0F)));
  for (std::size_t i = 0; i < w.size(); ++i) {
    const double cosh = std::cosh(double{w[i]}), expected = 1 / (cosh * cosh);
    EXPECT_NEAR(dx[i], expected, expected * 0x1p-21 + 0x1p-149) << w[i];
  }
}

TEST(DorefaWeight, EachChannelHasItsOwnMeanMaximumAndGradient) {
  const Tensor w = gaussian({4, 15}, 17), dy = gaussian({4, 15}, 18);
  for (const int bits : {1, 3}) {
    Site all(dorefa("weight", bits, R"(, "granularity": "channel")"),
             {.name = "weight/a", .channel_axis = 0});
    const auto y = all.forward(w), dx = all.backward(w, dy);
    for (std::ptrdiff_t c = 0; c < 4; ++c) {
      const Tensor part = tensor({w.begin() + 15 * c, w.begin() + 15 * (c + 1)});
      const Tensor part_dy = tensor({dy.begin() + 15 * c, dy.begin() + 15 * (c + 1)});
      Site one(dorefa("weight", bits));
      const auto part_y = one.forward(part), part_dx = one.backward(part, part_dy);
      EXPECT_TRUE(std::equal(part_y.begin(), part_y.end(), y.begin() + 15 * c));
      EXPECT_TRUE(std::equal(part_dx.begin(), part_dx.end(), dx.begin() + 15 * c));
    }
  }
}

TEST(DorefaWeight, ZerosHaveNoDivisionByZero) {
  const Tensor w = tensor({0.0F, 0.0F, 0.0F}), dy = tensor({1.0F, 2.0F, 3.0F});
  Site one(dorefa("weight", 1)), three(dorefa("weight", 3));
  EXPECT_EQ(one.forward(w), values(w));
  EXPECT_EQ(three.forward(w), std::vector<float>(3, 1.0F / 7.0F));
  EXPECT_EQ(three.backward(w, dy), values(dy)) << "a tensor of zeros would never move";
}

TEST(DorefaWeight, TiesInTheMaximumGiveItsGradientToTheFirst) {
  const Tensor w = tensor({0.1F, -0.5F, 0.5F}), dy = tensor({1.0F, -1.0F, 1.0F});
  Site with(dorefa("weight", 2)), without(dorefa("weight", 2, R"(, "max_grad": false)"));
  with.forward(w);
  without.forward(w);
  const auto a = with.backward(w, dy), b = without.backward(w, dy);
  EXPECT_EQ(a[0], b[0]);
  EXPECT_NE(a[1], b[1]);
  EXPECT_EQ(a[2], b[2]);
}

TEST(DorefaActivation, MatchesTheHandbook) {
  Site site(dorefa("activation", 2));
  const Tensor x = tensor({0.1666F, 0.1667F, 0.5F, 0.9F, -3.0F, 7.0F});
  expect_near(site.forward(x), {0, 1 / 3.0F, 2 / 3.0F, 1, 0, 1}, 1e-7);
  EXPECT_EQ(site.encode(x), (std::vector<std::int32_t>{0, 1, 2, 3, 0, 3}));
}

TEST(DorefaActivation, GradientPassesFromZeroToOne) {
  Site site(dorefa("activation", 4));
  const Tensor x = tensor({-0.001F, 0.0F, 0.4F, 1.0F, 1.001F});
  site.forward(x);
  EXPECT_EQ(site.backward(x, tensor({1.0F, 2.0F, 3.0F, 4.0F, 5.0F})),
            (std::vector<float>{0, 2, 3, 4, 0}));
}

TEST(DorefaActivation, MayFoldNegativeValuesUp) {
  Site site(dorefa("activation", 2, R"(, "activation": "abs")"));
  const Tensor x = tensor({-0.9F, -0.5F, -0.1F, 0.0F, 0.5F, 3.0F, -1.0F});
  expect_near(site.forward(x), {1, 2.0F / 3, 0, 0, 2.0F / 3, 1, 1}, 1e-6);
  EXPECT_EQ(site.backward(x, tensor({1, 2, 3, 4, 5, 6, 7})),
            (std::vector<float>{-1, -2, -3, 0, 5, 0, -7}));
}

TEST(DorefaActivation, IsIdempotent) {
  for (int bits = 1; bits <= 8; ++bits) {
    Site site(dorefa("activation", bits));
    const auto y = site.forward(uniform({999}, 3, -0.2F, 1.2F));
    EXPECT_EQ(site.forward(tensor(y)), y) << bits;
  }
}

/// Many copies of a few values, one sample: the mean over a value's copies must be the value.
void expect_unbiased(const std::vector<float>& d, int bits, double m) {
  constexpr std::size_t kCopies = 100000;
  Tensor x({1, static_cast<std::int64_t>(kCopies * d.size())});
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = d[i % d.size()];
  Site site(dorefa("gradient", bits));
  const auto y = site.forward(x);
  const double step = 2 * m / ((1 << bits) - 1);
  for (std::size_t j = 0; j < d.size(); ++j) {
    double sum = 0;
    for (std::size_t i = j; i < y.size(); i += d.size()) {
      sum += y[i];
      ASSERT_NEAR(std::fabs(y[i] - d[j]), step / 2, step / 2 * (1 + 1e-5));  // a neighbour
    }
    const double t = (d[j] + m) / step, f = t - std::floor(t);
    const double bound = step * 4 * std::sqrt(f * (1 - f) / kCopies) + 1e-6;
    EXPECT_NEAR(sum / kCopies, d[j], bound) << "bits=" << bits << " d=" << d[j];
  }
}

TEST(DorefaGradient, IsUnbiased) {
  expect_unbiased({0.3F, -0.05F, 0.8F, -0.5F}, 2, 0.8F);
  expect_unbiased({0.3F, 0.0F, 0.99F, -1.0F}, 2, 1.0F);
  expect_unbiased({0.3F, 0.0F, 0.99F, -1.0F, 0.123F}, 6, 1.0F);
}

TEST(DorefaGradient, TakesOnlyTheLevelsOfItsSample) {
  Site site(dorefa("gradient", 2));
  const Tensor x = uniform({1, 5000}, 4, -0.8F, 0.8F);
  const float m = std::fabs(*std::max_element(
      x.begin(), x.end(), [](float a, float b) { return std::fabs(a) < std::fabs(b); }));
  for (const float y : site.forward(x)) {
    ASSERT_TRUE(std::fabs(std::fabs(y) - m) < 1e-6 || std::fabs(std::fabs(y) - m / 3) < 1e-6) << y;
  }
}

/// The formula in double with the same random words, for two steps.
TEST(DorefaGradient, IsTheFormulaWithTheWordsOfItsStream) {
  const Tensor x = gaussian({7, 600}, 3);
  Site site(dorefa("gradient", 4), {.name = "error/test", .seed = 77});
  for (const std::uint64_t step : {0, 5}) {
    site.forward(x, true, step);
    const auto codes = site.encode(x);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto row = x.begin() + static_cast<std::ptrdiff_t>(i / 600 * 600);
      double m = 0;
      for (int j = 0; j < 600; ++j) m = std::max(m, std::fabs(double{row[j]}));
      const double v = random_word(77, stream_id("error/test"), step, i) >> 8;
      const double u = (2 * v + 1) * 0x1p-25 - 0.5;
      const double r = std::clamp(x[i] / (2 * m) + 0.5 + u / 15, 0.0, 1.0);
      ASSERT_EQ(codes[i], static_cast<int>(std::nearbyint(15 * r))) << i;
    }
  }
}

TEST(DorefaGradient, EachSampleHasItsOwnScaleAndZerosStayZero) {
  Site site(dorefa("gradient", 8));
  const Tensor x = tensor({0, 0, 0, 1e-3F, -1e-3F, 5e-4F, 100, 50, -100}, {3, 3});
  const auto y = site.forward(x);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(y[i], 0.0F);
  EXPECT_NEAR(y[3], 1e-3, 1e-8);
  EXPECT_EQ(y[4], -1e-3F);
  EXPECT_NEAR(y[5], 5e-4, 2e-3 / 255);
  EXPECT_NEAR(y[6], 100, 1e-4);
  EXPECT_NEAR(y[7], 50, 200.0 / 255);
  EXPECT_EQ(y[8], -100.0F);
  const auto encoding = site.node.encoding();
  EXPECT_EQ(encoding.groups, 3U);
  EXPECT_EQ(encoding.grid.offset[2], -100.0F);
  EXPECT_EQ(encoding.grid.scale[2], 200.0F / 255.0F);
}

TEST(DorefaGradient, AGridThatFloat32CannotHoldIsRefused) {
  const float half = std::numeric_limits<float>::max() / 2;
  Site site(dorefa("gradient", 8));
  for (const float y : site.forward(tensor({half, -half, half / 3, 0}))) {
    EXPECT_TRUE(std::isfinite(y)) << y;
  }
  try {
    site.forward(tensor({1, 2, -3e38F, 0}, {2, 2}));
    ADD_FAILURE() << "expected a refusal";
  } catch (const RunError& e) {
    EXPECT_NE(std::string(e.what()).find("of sample 1 is 3e+38"), std::string::npos) << e.what();
  }
}

TEST(DorefaGradient, RoundingModeHasNoSay) {
  const Tensor x = gaussian({2, 300}, 3);
  Site nearest(dorefa("gradient", 3));
  const std::string rule = R"({"quantizer": {"plugin": "dorefa", "part": "gradient", "bits": 3},)"
                           R"( "rounding": {"plugin": "toward_zero"}})";
  Site other(rule);
  EXPECT_EQ(nearest.forward(x), other.forward(x));
}

TEST(Dorefa, RefusesWrongParametersAndNan) {
  const auto refused = [](const std::string& quantizer) {
    EXPECT_THROW(Site site(R"({"quantizer": {"plugin": "dorefa", )" + quantizer + "}}"), InputError)
        << quantizer;
  };
  refused(R"("bits": 4)");
  refused(R"("part": "weight")");
  refused(R"("part": "bias", "bits": 4)");
  refused(R"("part": "weight", "bits": 0)");
  refused(R"("part": "weight", "bits": 17)");
  for (const std::string part : {"weight", "gradient"}) {
    for (const int bits : {1, 4}) {
      Site site(dorefa(part, bits));
      EXPECT_THROW(site.forward(tensor({1.0F, std::nanf("")})), RunError);
    }
  }
}

TEST(Dorefa, Conforms) {
  for (const std::string part : {"weight", "activation", "gradient"}) {
    for (const int bits : {1, 2, 4, 8, 16}) {
      expect_conforms(dorefa(part, bits), gaussian({9, 7, 5, 31}, 1));
      expect_conforms(dorefa(part, bits), gaussian({7}, 2));
    }
  }
  for (const int bits : {1, 4}) {
    for (const std::string granularity : {R"("channel")", R"({"group": 50})"}) {
      expect_conforms(dorefa("weight", bits, R"(, "granularity": )" + granularity),
                      gaussian({33, 3, 3, 31}, 1), {.name = "weight/test", .channel_axis = 0});
    }
  }
}

}  // namespace
}  // namespace qloom::test
