// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <cmath>

#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace {

using namespace qloom;
using namespace qloom::test;

std::string lsq_rule(int bits, const std::string& more = "",
                     const std::string& rounding = "nearest_even") {
  return R"({"quantizer": {"plugin": "lsq", "bits": )" + std::to_string(bits) +
         (more.empty() ? "" : ", " + more) + R"(}, "rounding": {"plugin": ")" + rounding + R"("}})";
}

/// The step after the first tensor.
float first_step(const std::string& text, const Tensor& x) {
  Site site(text);
  (void)site.forward(x);
  return site.learned_value("step");
}

TEST(Lsq, ValuesAndStepGradientsAreThoseOfTheHandbook) {
  struct Row {
    float x, y, slope, dx;
  };
  const Row rows[] = {{-3, -2, -4, 0},        {-.9F, -1, -.2F, 1},  {-.1F, 0, .2F, 1},
                      {.24F, 0, -.48F, 1},    {.26F, .5F, .48F, 1}, {.6F, .5F, -.2F, 1},
                      {1.49F, 1.5F, .02F, 1}, {1.5F, 1.5F, 3, 0},   {2, 1.5F, 3, 0}};
  for (const Row& row : rows) {
    Site site(lsq_rule(3, R"("signed": true, "initial": 0.5, "grad_scale": false)"));
    EXPECT_EQ(site.forward(tensor({row.x}))[0], row.y) << row.x;
    EXPECT_EQ(site.backward(tensor({row.x}), tensor({1}))[0], row.dx) << row.x;
    EXPECT_NEAR(site.learned_gradient("step"), row.slope, 3e-7) << row.x;  // one rounding of x / s
  }
}

TEST(Lsq, UnsignedGridSendsNegativeValuesToZeroWithoutGradient) {
  Site site(lsq_rule(2, R"("signed": false, "initial": 0.5)"));
  EXPECT_EQ(site.forward(tensor({-3, -.1F, 9})), (std::vector<float>{0, 0, 1.5F}));
  EXPECT_EQ(site.backward(tensor({-3, -.1F, 9}), tensor({1, 1, 0})), (std::vector<float>{0, 0, 0}));
  EXPECT_EQ(site.learned_gradient("step"), 0.0F);
}

TEST(Lsq, FirstStepIsThatOfTheHandbook) {
  const Tensor x = tensor({.3F, -.2F, .5F, -.1F});
  EXPECT_NEAR(first_step(lsq_rule(2), x), .55, 1e-6);
  EXPECT_NEAR(first_step(lsq_rule(3), x), .317543, 1e-6);
  EXPECT_NEAR(first_step(lsq_rule(4), x), .207880, 1e-6);
  EXPECT_NEAR(first_step(lsq_rule(8), x), .048805, 1e-6);
  EXPECT_NEAR(first_step(lsq_rule(4, R"("initial": "minmax")"), x), .5 / 7, 1e-7);
  EXPECT_EQ(first_step(lsq_rule(4, R"("initial": 0.125)"), x), .125F);
}

TEST(Lsq, TheFirstStepWaitsForAValueThatIsNotZero) {
  const Tensor zeros = tensor({0, 0, 0, 0}), x = tensor({.3F, -.2F, .5F, -.1F});
  for (const char* init : {"lsq", "mse", "minmax"}) {
    const std::string init_is = std::string(R"("initial": ")") + init + "\"";
    Site site(lsq_rule(4, init_is.c_str()));
    EXPECT_EQ(site.forward(zeros), values(zeros));
    EXPECT_EQ(site.backward(zeros, x), values(x)) << "the gradient passes";
    (void)site.forward(x);
    EXPECT_EQ(site.node.learned().at(0).value[0], first_step(lsq_rule(4, init_is.c_str()), x))
        << init;
  }
}

// lsq: the handbook's numbers. mse: minimum over the step of the error integrated over the normal
// density (the handbook's .036 for 8 bits has 24 % more error than .0308).
TEST(Lsq, FirstStepOfGaussianDataIsTheOneOfTheory) {
  const Tensor x = gaussian({200000}, 17);
  const int bits[] = {2, 3, 4, 8};
  const double lsq[] = {1.5958, .9213, .6031, .1416}, mse[] = {1.0489, .6017, .3387, .0308};
  for (int i = 0; i < 4; ++i) {
    // mean|x| of n normal values deviates by 0.6028 / sqrt(n) = 0.17 %; six of these.
    EXPECT_NEAR(first_step(lsq_rule(bits[i]), x), lsq[i], lsq[i] * 0.0103) << bits[i];
    // The search's resolution is 1 % of max|x| / Qp, the error is flat at its minimum.
    const double resolution = 0.01 * 5 / ((1 << (bits[i] - 1)) - 1);
    const double found = first_step(lsq_rule(bits[i], R"("initial": "mse")"), x);
    EXPECT_NEAR(found, mse[i], resolution + 0.02 * mse[i]) << bits[i];
  }
}

TEST(Lsq, LeastErrorStepBeatsItsNeighbours) {
  const Tensor x = gaussian({3000}, 18);
  const double step = first_step(lsq_rule(3, R"("initial": "mse")"), x);
  const auto error = [&](double s) {
    double sum = 0;
    for (const float value : x) {
      sum += std::pow(s * std::clamp(std::nearbyint(value / s), -4.0, 3.0) - value, 2);
    }
    return sum;
  };
  for (const double factor : {0.8, 0.9, 1.1, 1.2}) EXPECT_LT(error(step), error(step * factor));
}

TEST(Lsq, GradientFactorIsThatOfTheHandbook) {
  const auto gradient = [](int bits, Shape shape, const std::string& more) {
    Tensor x(shape), dy(shape);
    x.fill(1000);  // all above the top: the sum is dy * Qp
    dy.fill(0);
    dy[0] = 1;
    Site site(lsq_rule(bits, more + R"("signed": true, "initial": 1)"));
    (void)site.forward(x);
    (void)site.backward(x, dy);
    return site.learned_gradient("step") / static_cast<float>((1 << (bits - 1)) - 1);
  };
  EXPECT_NEAR(gradient(3, {64, 9}, ""), .024056, 5e-7);
  EXPECT_NEAR(gradient(8, {64, 64}, ""), .00138649, 5e-9);
  EXPECT_NEAR(gradient(3, {8, 576}, R"("act_grad_n": "features", )"), .024056, 5e-7);
  EXPECT_NEAR(gradient(3, {576, 5}, R"("granularity": "channel", )"), .024056, 5e-7);
  EXPECT_EQ(gradient(3, {576}, R"("grad_scale": false, )"), 1.0F);
}

/// sum of dy * y(step) with the rounding frozen to its shift at step0: the function whose exact
/// derivative LSQ uses.
double surrogate(const Tensor& x, const Tensor& dy, double step, double step0) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double t0 = x[i] / step0, t = x[i] / step;
    const double shift = std::nearbyint(t0) - t0;
    sum += dy[i] * step * (t0 <= -4 ? -4 : t0 >= 3 ? 3 : t + shift);
  }
  return sum;
}

TEST(Lsq, StepGradientEqualsTheDifferenceQuotientOfTheSurrogate) {
  const Tensor x = gaussian({101, 83}, 5), dy = gaussian({101, 83}, 6);
  Site site(lsq_rule(3, R"("signed": true, "initial": 0.4375, "grad_scale": false)"));
  (void)site.forward(x);
  (void)site.backward(x, dy);
  const double s = .4375, h = 1e-6;
  const double expected = (surrogate(x, dy, s + h, s) - surrogate(x, dy, s - h, s)) / (2 * h);
  // Float32 rounding of t (at most 2^-23 * 4) over 8383 elements of size 1.
  EXPECT_NEAR(site.learned_gradient("step"), expected, 2e-4 + 1e-4 * std::fabs(expected));
}

TEST(Lsq, StepGradientJumpsUpAtEveryDecisionThreshold) {
  for (int code = -3; code < 3; ++code) {
    const float threshold = static_cast<float>(code) + 0.5F;
    const auto slope = [&](float x) {
      Site site(lsq_rule(3, R"("signed": true, "initial": 1, "grad_scale": false)"));
      (void)site.forward(tensor({x}));
      (void)site.backward(tensor({x}), tensor({1}));
      return site.learned_gradient("step");
    };
    EXPECT_NEAR(slope(threshold - 1e-3F), -.499, 1e-5);
    EXPECT_NEAR(slope(threshold + 1e-3F), .499, 1e-5);
  }
}

TEST(Lsq, ChannelsAndGroupsLearnTheirOwnSteps) {
  const Tensor x = gaussian({4, 30}, 7), dy = gaussian({4, 30}, 8);
  for (const char* granularity : {R"("channel")", R"({"group": 30})"}) {
    Site site(lsq_rule(4, std::string(R"("granularity": )") + granularity),
              {.name = "weight/test", .channel_axis = 0});
    const std::vector<float> y = site.forward(x);
    const std::vector<float> dx = site.backward(x, dy);
    ASSERT_EQ(site.node.learned().at(0).gradient.size(), 4U);
    for (std::size_t c = 0; c < 4; ++c) {
      const auto part = [&](const std::vector<float>& all) {
        return std::vector<float>(all.begin() + static_cast<long>(30 * c),
                                  all.begin() + static_cast<long>(30 * (c + 1)));
      };
      const Tensor own = tensor(part(values(x)));
      Site alone(lsq_rule(4, R"("signed": true)"));
      EXPECT_EQ(alone.forward(own), part(y)) << granularity << c;
      EXPECT_EQ(alone.backward(own, tensor(part(values(dy)))), part(dx)) << granularity << c;
      EXPECT_NEAR(alone.learned_gradient("step"), site.node.learned()[0].gradient[c], 1e-6);
    }
  }
}

TEST(Lsq, SignComesFromTheFirstTensorAndStays) {
  Site site(lsq_rule(2));
  (void)site.forward(tensor({0, 1, 2, 3}));
  EXPECT_EQ(site.node.encoding().is_signed, 0U);
  (void)site.forward(tensor({-1, 2}));
  EXPECT_EQ(site.node.encoding().is_signed, 0U);
  EXPECT_EQ(site.forward(tensor({-1}))[0], 0.0F);
  Site other(lsq_rule(2));
  (void)other.forward(tensor({0, -1}));
  EXPECT_EQ(other.node.encoding().is_signed, 1U);
  Site fixed(lsq_rule(2, R"("signed": true)"));
  (void)fixed.forward(tensor({0, 1}));
  EXPECT_EQ(fixed.node.encoding().is_signed, 1U);
}

TEST(Lsq, OnlyTheFirstTensorSetsTheStep) {
  Site site(lsq_rule(4));
  (void)site.forward(gaussian({100}, 1));
  const float step = site.learned_value("step");
  (void)site.forward(gaussian({100}, 2, 50.0F));
  EXPECT_EQ(site.learned_value("step"), step);
  site.learned_value("step") = .5F;
  EXPECT_EQ(site.forward(tensor({1.3F}))[0], 1.5F);
  EXPECT_EQ(site.node.encoding().grid.scale[0], .5F);
}

TEST(Lsq, StepIsKeptPositiveAndFinite) {
  Site site(lsq_rule(4, R"("minimum": 0.001)"));
  (void)site.forward(tensor({-1, 1}));
  site.learned_value("step") = -3;
  site.node.after_update();
  EXPECT_EQ(site.learned_value("step"), .001F);
  site.learned_value("step") = std::nanf("");
  EXPECT_THROW(site.node.after_update(), RunError);
}

TEST(Lsq, StepIsLearnedAtItsOwnRateWithoutWeightDecay) {
  Site site(lsq_rule(4, R"("rate_factor": 0.25)"));
  (void)site.forward(tensor({-1, 1}));
  EXPECT_EQ(site.node.learned().at(0).name, "step");
  EXPECT_EQ(site.node.learned()[0].rate_factor, .25);
  EXPECT_EQ(site.node.learned()[0].decay_factor, 0.0);
}

TEST(Lsq, CheckpointKeepsStepAndSign) {
  Site site(lsq_rule(3));
  (void)site.forward(tensor({0, 1, 2, 3}));
  site.learned_value("step") = .3F;
  Site restored(lsq_rule(3));
  const qloom::data::Arrays saved = site.node.save();
  qloom::data::ArrayReader reader(saved, "state");
  restored.node.load(reader, "");
  const Tensor x = gaussian({100}, 3);
  EXPECT_EQ(restored.forward(x), site.forward(x));
  EXPECT_EQ(restored.node.encoding().is_signed, 0U);
}

TEST(Lsq, RefusesAnotherNumberOfGroups) {
  Site site(lsq_rule(4, R"("granularity": "channel")"));
  (void)site.forward(gaussian({5, 3}, 1));
  EXPECT_THROW(site.forward(gaussian({5, 4}, 1)), RunError);
  EXPECT_THROW(Site(lsq_rule(1)), InputError);
}

TEST(Lsq, Conforms) {
  const Tensor x = gaussian({37, 9, 31}, 2);
  expect_conforms(lsq_rule(4), x);
  expect_conforms(lsq_rule(2, R"("granularity": "channel")", "stochastic"), x);
  expect_conforms(lsq_rule(8, R"("granularity": {"group": 48}, "signed": false)"), x);
}

}  // namespace
