// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <array>
#include <cmath>

#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace {

using namespace qloom;
using namespace qloom::test;

/// The handbook's interval: c = 0.5, d = 0.3.
const std::string kInterval = R"("initial_center": 0.5, "initial_half_width": 0.3)";

std::string qil_rule(const std::string& part, int bits, const std::string& more = "",
                     const std::string& rounding = "nearest_even") {
  return R"({"quantizer": {"plugin": "qil", "part": ")" + part +
         "\", \"bits\": " + std::to_string(bits) + (more.empty() ? "" : ", " + more) +
         R"(}, "rounding": {"plugin": ")" + rounding + R"("}})";
}

double transformed(double x, double c, double d, double gamma, bool is_weight) {
  const double u = ((is_weight ? std::fabs(x) : x) - c) / (2 * d) + 0.5;
  const double v = u < 0 ? 0 : u > 1 ? 1 : std::pow(u, gamma);
  return is_weight && x < 0 ? -v : v;
}

TEST(Qil, TransformIsThatOfTheHandbook) {
  const Tensor x = tensor({.1F, .2F, .3F, .5F, .79F, .9F, -.6F});
  const std::vector<float> v{0, 0, .166667F, .5F, .983333F, 1, -.666667F};
  const std::vector<float> y = Site(qil_rule("weight", 8, kInterval)).forward(x);
  for (std::size_t i = 0; i < v.size(); ++i) {
    EXPECT_NEAR(y[i], std::nearbyint(v[i] * 127) / 127, 1e-6) << x[i];
    EXPECT_NEAR(transformed(x[i], .5, .3, 1, true), v[i], 1e-6) << x[i];
  }
  EXPECT_NEAR(transformed(.3, .5, .3, .75, true), .260847, 5e-7);
  EXPECT_NEAR(transformed(.5, .5, .3, .75, true), .594604, 5e-7);
}

TEST(Qil, EqualsTheDefinition) {
  const Tensor x = gaussian({3000}, 12);
  for (const bool is_weight : {true, false}) {
    for (const double gamma : {1.0, .75, 2.0}) {
      if (!is_weight && gamma != 1.0) continue;
      const std::string more = kInterval + R"(, "gamma": )" + std::to_string(gamma);
      Site site(qil_rule(is_weight ? "weight" : "activation", 4, more));
      const std::vector<float> y = site.forward(x);
      const std::vector<std::int32_t> codes = site.encode(x);
      const float q = is_weight ? 7 : 15;
      for (std::size_t i = 0; i < y.size(); ++i) {
        const float v = static_cast<float>(transformed(x[i], .5F, .3F, gamma, is_weight));
        // A value within one float32 rounding of a tie may go either way.
        if (std::fabs(std::fabs(v * q - std::floor(v * q)) - .5F) < 1e-5F) continue;
        ASSERT_EQ(codes[i], static_cast<int>(std::nearbyint(v * q))) << x[i] << " gamma " << gamma;
        ASSERT_EQ(y[i], static_cast<float>(codes[i]) * (1.0F / q)) << x[i];
      }
    }
  }
}

TEST(Qil, FirstAndLastLevelBeginWhereTheHandbookSays) {
  struct Row {
    double gamma, first, last;
  };
  const auto threshold = [](double gamma, double share) {
    return .5 - .3 + 2 * .3 * std::pow(share, 1 / gamma);
  };
  const Row rows[] = {{1, .3, .7}, {2, .444949, 0}, {.5, .216667, 0}};
  for (const Row& row : rows) {
    EXPECT_NEAR(threshold(row.gamma, .5 / 3), row.first, 5e-7);
    const double last = threshold(row.gamma, 1 - .5 / 3);
    if (row.last > 0) {
      EXPECT_NEAR(last, row.last, 5e-7);
    }
    Site site(qil_rule("weight", 3, kInterval + R"(, "gamma": )" + std::to_string(row.gamma)));
    const auto e = 1e-5F;
    const auto first_f = static_cast<float>(row.first), last_f = static_cast<float>(last);
    const Tensor x = tensor({first_f - e, first_f + e, last_f - e, last_f + e, -first_f - e});
    (void)site.forward(x);
    EXPECT_EQ(site.encode(x), (std::vector<std::int32_t>{0, 1, 2, 3, -1})) << row.gamma;
  }
}

TEST(Qil, GradientsAreThoseOfTheHandbook) {
  for (const float sign : {1.0F, -1.0F}) {
    Site site(qil_rule("weight", 4, kInterval + R"(, "gamma": 0.75, "gamma_trainable": true)"));
    const Tensor x = tensor({sign * .6F});
    (void)site.forward(x);
    EXPECT_NEAR(site.backward(x, tensor({1}))[0], 1.383352, 2e-6);
    EXPECT_NEAR(site.learned_gradient("center"), sign * -1.383352, 2e-6);
    EXPECT_NEAR(site.learned_gradient("half_width"), sign * -.461117, 2e-6);
    EXPECT_NEAR(site.learned_gradient("gamma"), sign * -.299147, 2e-6);
  }
}

/// Central difference of sum dy * v in one of (c, d, gamma), the rounding passed straight through.
double quotient(const Tensor& x, const Tensor& dy, std::array<double, 3> at, int which,
                bool is_weight) {
  const double h = 1e-7;
  const auto total = [&](double shift) {
    std::array<double, 3> p = at;
    p[static_cast<std::size_t>(which)] += shift;
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      sum += dy[i] * transformed(x[i], p[0], p[1], p[2], is_weight);
    }
    return sum;
  };
  return (total(h) - total(-h)) / (2 * h);
}

TEST(Qil, GradientsEqualDifferenceQuotients) {
  // Away from the interval's ends, where v has corners.
  std::vector<float> inside = values(uniform({4000}, 3, .23F, .77F));
  for (std::size_t i = 0; i < inside.size(); i += 2) inside[i] = -inside[i];
  for (std::size_t i = 0; i < inside.size(); i += 5) inside[i] *= 4;  // clipped
  for (std::size_t i = 0; i < inside.size(); i += 7) inside[i] *= .2F;
  const Tensor dy = gaussian({4000}, 4);
  const auto near_corner = [](float a) {
    return std::fabs(std::fabs(std::fabs(a) - .5F) - .3F) < 1e-3F;
  };
  for (float& a : inside) a = near_corner(a) ? 0.0F : a;
  const Tensor x = tensor(inside);
  for (const bool is_weight : {true, false}) {
    const double gamma = is_weight ? .75 : 1.0;
    Site site(
        qil_rule(is_weight ? "weight" : "activation", 4,
                 kInterval + (is_weight ? R"(, "gamma": 0.75, "gamma_trainable": true)" : "")));
    (void)site.forward(x);
    const std::vector<float> dx = site.backward(x, dy);
    const std::array<double, 3> at{.5F, .3F, gamma};
    const char* names[] = {"center", "half_width", "gamma"};
    for (int i = 0; i < (is_weight ? 3 : 2); ++i) {
      const double expected = quotient(x, dy, at, i, is_weight);
      EXPECT_NEAR(site.learned_gradient(names[i]), expected, 1e-4 * (1 + std::fabs(expected)))
          << names[i];
    }
    for (std::size_t i = 0; i < 500; ++i) {
      const double h = 1e-7;
      const double slope = (transformed(x[i] + h, .5F, .3F, gamma, is_weight) -
                            transformed(x[i] - h, .5F, .3F, gamma, is_weight)) /
                           (2 * h);
      ASSERT_NEAR(dx[i], dy[i] * slope, 1e-5 * (1 + std::fabs(slope))) << x[i];
    }
  }
}

TEST(Qil, PrunedAndClippedValuesGiveNoGradient) {
  Site site(qil_rule("weight", 4, kInterval));
  const Tensor x = tensor({.1F, -.1F, .9F, -.9F, 0}), dy = tensor({1, 1, 1, 1, 1});
  EXPECT_EQ(site.forward(x), (std::vector<float>{0, 0, 1, -1, 0}));
  EXPECT_EQ(site.backward(x, dy), std::vector<float>(5, 0.0F));
  EXPECT_EQ(site.learned_gradient("center"), 0.0F);
  EXPECT_EQ(site.learned_gradient("half_width"), 0.0F);
}

TEST(Qil, SlopeStaysFiniteAtTheIntervalsLowEnd) {
  Site site(qil_rule("weight", 4, R"("initial_center": 0.5, "initial_half_width": 0.5, "gamma": 0.1,
                                 "gamma_trainable": true)"));
  (void)site.forward(tensor({1}));  // a first tensor that is not 0
  const Tensor x = tensor({0});     // u = 0
  (void)site.forward(x);
  // 0.1 * (1e-6)^(0.1 - 1) / (2 * 0.5)
  EXPECT_NEAR(site.backward(x, tensor({1}))[0], .1 * std::pow(1e-6, -.9), 1);
  EXPECT_TRUE(std::isfinite(site.learned_gradient("gamma")));
}

TEST(Qil, ActivationsHaveNoSignAndAllUnsignedCodes) {
  Site site(qil_rule("activation", 2, kInterval));
  const Tensor x = tensor({-.9F, .1F, .39F, .5F, .61F, .9F});
  // u = 0, 0, .3167, .5, .6833, 1; times q = 3: 0, 0, .95, 1.5, 2.05, 3
  (void)site.forward(x);
  const std::vector<std::int32_t> codes = site.encode(x);
  EXPECT_EQ(codes[0], 0);
  EXPECT_EQ(codes[1], 0);
  EXPECT_EQ(codes[2], 1);
  EXPECT_EQ(codes[4], 2);
  EXPECT_EQ(codes[5], 3);
  const qloom_encoding e = site.node.encoding();
  EXPECT_EQ(e.is_signed, 0U);
  EXPECT_EQ(e.grid.scale[0], 1 / 3.0F);
  EXPECT_EQ(e.grid.code_max[0], 3);
}

TEST(Qil, WeightCodesAreSymmetricWithScaleOneOverQ) {
  Site site(qil_rule("weight", 3));
  (void)site.forward(gaussian({100}, 2));
  const qloom_encoding e = site.node.encoding();
  EXPECT_EQ(e.bits, 3U);
  EXPECT_EQ(e.grid.code_min[0], -3);
  EXPECT_EQ(e.grid.code_max[0], 3);
  EXPECT_EQ(e.grid.scale[0], 1 / 3.0F);
}

TEST(Qil, FirstIntervalReachesFromZeroToTheLargestMagnitude) {
  Site site(qil_rule("weight", 4));
  EXPECT_EQ(site.forward(tensor({-4, 1, 2}))[0], -1.0F);
  EXPECT_EQ(site.learned_value("center"), 2.0F);
  EXPECT_EQ(site.learned_value("half_width"), 2.0F);
  (void)site.forward(tensor({100}));  // later tensors change nothing
  EXPECT_EQ(site.learned_value("center"), 2.0F);
  Site activation(qil_rule("activation", 4));
  (void)activation.forward(tensor({-4, 1, 2}));
  EXPECT_EQ(activation.learned_value("half_width"), 1.0F);
  Site zeros(qil_rule("weight", 4));
  EXPECT_EQ(zeros.forward(tensor({0, 0})), (std::vector<float>{0, 0}));
}

TEST(Qil, UpdatesAreProjected) {
  Site site(qil_rule("weight", 4, R"("gamma_trainable": true)"));
  (void)site.forward(tensor({-4, 1}));
  site.learned_value("center") = -1;
  site.learned_value("half_width") = -1;
  site.learned_value("gamma") = 50;
  site.node.after_update();
  EXPECT_EQ(site.learned_value("center"), 0.0F);
  EXPECT_FLOAT_EQ(site.learned_value("half_width"), .004F);
  EXPECT_EQ(site.learned_value("gamma"), 10.0F);
  site.learned_value("center") = std::nanf("");
  EXPECT_THROW(site.node.after_update(), RunError);
}

TEST(Qil, LearnsAtItsOwnRateAndGammaOnlyOnRequest) {
  Site site(qil_rule("weight", 4));
  (void)site.forward(tensor({-4, 1}));
  ASSERT_EQ(site.node.learned().size(), 2U);
  EXPECT_EQ(site.node.learned()[0].rate_factor, .1);
  EXPECT_EQ(site.node.learned()[1].decay_factor, 0.0);
}

TEST(Qil, ChannelsLearnTheirOwnIntervals) {
  const Tensor x = gaussian({3, 40}, 7), dy = gaussian({3, 40}, 8);
  Site site(qil_rule("weight", 4, R"("granularity": "channel", "gamma": 0.5)"),
            {.name = "weight/test", .channel_axis = 0});
  const std::vector<float> y = site.forward(x), dx = site.backward(x, dy);
  for (std::size_t c = 0; c < 3; ++c) {
    const auto part = [&](const std::vector<float>& all) {
      return std::vector<float>(all.begin() + static_cast<long>(40 * c),
                                all.begin() + static_cast<long>(40 * (c + 1)));
    };
    Site alone(qil_rule("weight", 4, R"("gamma": 0.5)"));
    const Tensor own = tensor(part(values(x)));
    EXPECT_EQ(alone.forward(own), part(y));
    EXPECT_EQ(alone.backward(own, tensor(part(values(dy)))), part(dx));
    EXPECT_NEAR(alone.learned_gradient("half_width"), site.node.learned()[1].gradient[c], 1e-6);
  }
}

TEST(Qil, RefusesWhatThePartDoesNotHave) {
  EXPECT_THROW(Site(qil_rule("weight", 1)), InputError);
  EXPECT_THROW(Site(qil_rule("activation", 4, R"("gamma": 0.5)")), InputError);
  EXPECT_THROW(Site(qil_rule("activation", 4, R"("gamma_trainable": true)")), InputError);
  EXPECT_THROW(Site(qil_rule("weight", 4, R"("initial_half_width": 0)")), InputError);
  EXPECT_THROW(Site(R"({"quantizer": {"plugin": "qil"}})"), InputError);
}

TEST(Qil, Conforms) {
  const Tensor x = gaussian({37, 9, 31}, 2);
  expect_conforms(qil_rule("weight", 4), x);
  expect_conforms(qil_rule("activation", 1), x);
  expect_conforms(qil_rule("weight", 3, R"("gamma": 0.75, "granularity": "channel")", "stochastic"),
                  x);
  expect_conforms(qil_rule("activation", 8, R"("granularity": {"group": 48})"), x);
}

}  // namespace
