// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>
#include <cstring>

#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

std::string blend_rule(const std::string& inside, const std::string& more) {
  return R"({"quantizer": {"plugin": "alpha_blend", "quantizer": )" + inside + more + "}}";
}
const std::string kTernary = R"({"plugin": "twn"})";

/// alpha from y = (1 - alpha) * 0.1: of .1 and 2 ternary weights keep the larger one alone.
double blend_share(Site& site, std::uint64_t step, bool training = true) {
  return 1.0 - double{site.forward(tensor({.1F, 2.0F}), training, step)[0]} / double{.1F};
}
std::string blend_refusal(const std::string& rule) {
  try {
    Site site(rule);
    return "accepted";
  } catch (const InputError& e) {
    return e.what();
  }
}

TEST(AlphaBlend, RisesAsInTheHandbook) {
  Site site(blend_rule(kTernary, R"(, "finish_step": 100)"));
  const std::pair<std::uint64_t, double> kCourse[] = {
      {0, 0}, {10, .271}, {25, .578125}, {50, .875}, {75, .984375}, {100, 1}, {5000, 1}};
  for (const auto& [step, alpha] : kCourse)
    EXPECT_NEAR(blend_share(site, step), alpha, 1e-6) << step;
}

TEST(AlphaBlend, StartsLateMovesSeldomAndWithOtherExponents) {
  Site late(blend_rule(kTernary, R"(, "start_step": 10, "finish_step": 20, "exponent": 1)"));
  EXPECT_EQ(blend_share(late, 9), 0);
  EXPECT_EQ(blend_share(late, 10), 0);
  EXPECT_NEAR(blend_share(late, 14), .4, 1e-6);
  EXPECT_EQ(blend_share(late, 20), 1);
  Site seldom(blend_rule(
      kTernary, R"(, "start_step": 1, "finish_step": 11, "exponent": 2, "update_every": 4)"));
  EXPECT_EQ(blend_share(seldom, 4), 0);
  for (const std::uint64_t step : {5, 6, 8})
    EXPECT_NEAR(blend_share(seldom, step), .64, 1e-6) << step;
  EXPECT_NEAR(blend_share(seldom, 9), .96, 1e-6);
  EXPECT_EQ(blend_share(seldom, 11), 1);
  Site at_once(blend_rule(kTernary, R"(, "start_step": 3, "finish_step": 3)"));
  EXPECT_EQ(blend_share(at_once, 2), 0);
  EXPECT_EQ(blend_share(at_once, 3), 1);
}

TEST(AlphaBlend, EndsInTheLastStepOfTraining) {
  sites::SiteContext context{.name = "weight/test"};
  context.length = {.steps = 51, .epochs = 3};
  Site site(blend_rule(kTernary, ""), context);
  EXPECT_EQ(blend_share(site, 0), 0);
  EXPECT_NEAR(blend_share(site, 25), .875, 1e-6);
  EXPECT_LT(blend_share(site, 49), 1);
  EXPECT_EQ(blend_share(site, 50), 1);
}

TEST(AlphaBlend, EvaluationHasTheLastTrainingStepsAlpha) {
  Site site(blend_rule(kTernary, R"(, "finish_step": 100)"));
  EXPECT_EQ(blend_share(site, 70, false), 0);
  EXPECT_NEAR(blend_share(site, 50), .875, 1e-6);
  EXPECT_NEAR(blend_share(site, 0, false), .875, 1e-6);
  // Without training steps to come it is the quantizer inside.
  Site alone(blend_rule(kTernary, ""));
  EXPECT_EQ(blend_share(alone, 0, false), 1);
}

TEST(AlphaBlend, AtZeroValuesAndGradientsPassWithTheirBits) {
  Site site(blend_rule(kTernary, R"(, "start_step": 1)"));
  const Tensor x = tensor({-0.0F, 1e-41F, 3e38F, -1.5F, .3F});
  const Tensor dy = tensor({-0.0F, 1e-42F, 7.0F, -3e38F, .1F});
  const std::vector<float> y = site.forward(x), dx = site.backward(x, dy);
  EXPECT_EQ(std::memcmp(y.data(), x.data(), 5 * sizeof(float)), 0);
  EXPECT_EQ(std::memcmp(dx.data(), dy.data(), 5 * sizeof(float)), 0);
}

TEST(AlphaBlend, AtOneItIsTheQuantizerInsideAndNoGradientIsLeft) {
  const Tensor x = gaussian({3, 500}, 9), dy = gaussian({3, 500}, 10);
  for (const std::string& inside :
       {kTernary, std::string(R"({"plugin": "affine", "bits": 3, "symmetric": true})"),
        std::string(R"({"plugin": "lsq", "bits": 2})")}) {
    Site blend(blend_rule(inside, R"(, "finish_step": 0)"));
    Site bare(R"({"quantizer": )" + inside + "}");
    EXPECT_EQ(blend.forward(x), bare.forward(x)) << inside;
    EXPECT_EQ(blend.encode(x), bare.encode(x)) << inside;
    EXPECT_EQ(blend.node.encoding_json(), bare.node.encoding_json()) << inside;
    EXPECT_EQ(blend.backward(x, dy), std::vector<float>(x.size(), 0.0F)) << inside;
  }
}

TEST(AlphaBlend, ValuesAreLinearInAlphaAndSoIsTheGradient) {
  const Tensor x = gaussian({700}, 3), dy = gaussian({700}, 4);
  Site bare(R"({"quantizer": {"plugin": "twn"}})");
  const std::vector<float> q = bare.forward(x);
  Site site(blend_rule(kTernary, R"(, "finish_step": 4, "exponent": 1)"));
  Site ste(blend_rule(kTernary, R"(, "finish_step": 4, "exponent": 1, "use_ste": true)"));
  for (const std::uint64_t step : {1, 2, 3}) {
    const double alpha = static_cast<double>(step) / 4.0;  // exact, so are the products in double
    const std::vector<float> y = site.forward(x, true, step), dx = site.backward(x, dy);
    (void)ste.forward(x, true, step);
    EXPECT_EQ(ste.backward(x, dy), values(dy));
    for (std::size_t i = 0; i < x.size(); ++i) {
      ASSERT_EQ(y[i], static_cast<float>((1 - alpha) * double{x[i]} + alpha * double{q[i]})) << i;
      ASSERT_EQ(dx[i], static_cast<float>(1 - alpha) * dy[i]) << i;
    }
  }
}

TEST(AlphaBlend, WhatTheQuantizerInsideLearnsHasAlphaTimesItsGradient) {
  const Tensor x = gaussian({3000}, 5), dy = gaussian({3000}, 6);
  const std::string inside = R"({"plugin": "lsq", "bits": 3})";
  Site bare(R"({"quantizer": )" + inside + "}");
  Site blend(blend_rule(inside, R"(, "finish_step": 4, "exponent": 1)"));
  for (const std::uint64_t step : {0, 1, 3, 4}) {
    (void)bare.forward(x, true, step);
    (void)bare.backward(x, dy);
    (void)blend.forward(x, true, step);
    (void)blend.backward(x, dy);
    const std::string name = bare.node.learned()[0].name;
    EXPECT_NE(bare.learned_gradient(name), 0);
    EXPECT_EQ(blend.learned_value(name), bare.learned_value(name));
    EXPECT_FLOAT_EQ(blend.learned_gradient(name),
                    static_cast<float>(step) / 4.0F * bare.learned_gradient(name))
        << step;
  }
  // A gradient in place of dy gives the same sums.
  Tensor in_place = dy;
  Site other(blend_rule(inside, R"(, "finish_step": 4, "exponent": 1)"));
  (void)other.forward(x, true, 2);
  other.node.backward(x, in_place, in_place);
  Site fresh(blend_rule(inside, R"(, "finish_step": 4, "exponent": 1)"));
  (void)fresh.forward(x, true, 2);
  EXPECT_EQ(values(in_place), fresh.backward(x, dy));
  const std::string name = fresh.node.learned()[0].name;
  EXPECT_EQ(other.learned_gradient(name), fresh.learned_gradient(name));
}

TEST(AlphaBlend, HasNoCodesBeforeTheEnd) {
  Site site(blend_rule(kTernary, R"(, "finish_step": 9)"));
  const Tensor x = tensor({.1F, 2.0F, -2.0F});
  (void)site.forward(x, true, 8);
  EXPECT_EQ(site.node.encoding().kind, static_cast<std::uint32_t>(QLOOM_ENCODING_NONE));
  try {
    (void)site.encode(x);
    ADD_FAILURE() << "expected a refusal";
  } catch (const RunError& e) {
    EXPECT_NE(std::string(e.what()).find("a blend has no codes, alpha is below 1"),
              std::string::npos)
        << e.what();
  }
  (void)site.forward(x, true, 9);
  EXPECT_EQ(site.node.encoding().kind, static_cast<std::uint32_t>(QLOOM_ENCODING_AFFINE));
  EXPECT_EQ(site.encode(x), (std::vector<std::int32_t>{0, 1, -1}));
}

TEST(AlphaBlend, RefusesAnEndBeforeItsStart) {
  EXPECT_NE(blend_refusal(blend_rule(kTernary, R"(, "start_step": 7, "finish_step": 5)"))
                .find("/finish_step: 5 is before start_step, expected 7 or more"),
            std::string::npos)
      << blend_refusal(blend_rule(kTernary, R"(, "start_step": 7, "finish_step": 5)"));
}

TEST(AlphaBlend, Conforms) {
  for (const std::string& inside :
       {std::string(R"({"plugin": "twn", "granularity": "channel"})"),
        std::string(R"({"plugin": "affine", "bits": 4, "granularity": {"group": 16}})"),
        std::string(R"({"plugin": "lsq", "bits": 3})"),
        std::string(R"({"plugin": "kmeans_codebook", "centroids": 4})")}) {
    expect_conforms(blend_rule(inside, R"(, "finish_step": 0)"), gaussian({5, 400}, 1),
                    {.name = "weight/test", .channel_axis = 0});
  }
}

}  // namespace
}  // namespace qloom::test
