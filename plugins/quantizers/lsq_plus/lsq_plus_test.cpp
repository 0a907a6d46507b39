// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>

#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

std::string lsq_plus_rule(const char* part, int bits, const std::string& more = "") {
  return R"({"quantizer": {"plugin": "lsq_plus", "part": ")" + std::string(part) +
         R"(", "bits": )" + std::to_string(bits) + more + "}}";
}
const sites::SiteContext kOnActivation{.name = "activation/test"};

TEST(LsqPlus, ValuesAndGradientsAreThoseOfTheHandbook) {
  struct Row {
    float x, y, step, offset, dx;
  };
  for (const Row& row :
       {Row{-.3F, -.1F, 0, 1, 0}, Row{.1F, .15F, .2F, 0, 1}, Row{4, 3.65F, 15, 1, 0}}) {
    Site site(lsq_plus_rule("activation", 4, R"(, "grad_scale": false)"), kOnActivation);
    (void)site.forward(tensor({0, 1}));
    site.learned_value("step") = .25F;
    site.learned_value("offset") = -.1F;
    EXPECT_NEAR(site.forward(tensor({row.x}))[0], row.y, 1e-6) << row.x;
    EXPECT_EQ(site.backward(tensor({row.x}), tensor({1}))[0], row.dx) << row.x;
    EXPECT_NEAR(site.learned_gradient("step"), row.step, 1e-6) << row.x;
    EXPECT_EQ(site.learned_gradient("offset"), row.offset) << row.x;
  }
}

TEST(LsqPlus, ActivationsStartAtTheRangeOfTheFirstTensor) {
  Site site(lsq_plus_rule("activation", 4), kOnActivation);
  const Tensor x = tensor({-.5F, 1, 7});
  expect_near(site.forward(x), values(x), 1e-6);
  EXPECT_EQ(site.learned_value("step"), .5F);
  EXPECT_EQ(site.learned_value("offset"), -.5F);
}

TEST(LsqPlus, WeightsStartAtThreeDeviationsAndHaveNoOffset) {
  Site site(lsq_plus_rule("weight", 4));
  const Tensor x = tensor({1, -1, 1, -3});  // mean -.5, deviation sqrt(2.75)
  (void)site.forward(x);
  EXPECT_NEAR(site.learned_value("step"), (.5 + 3 * std::sqrt(2.75)) / 8, 1e-7);
  EXPECT_EQ(site.node.learned().size(), 1U);
  EXPECT_EQ(site.node.encoding().grid.offset, nullptr);
  EXPECT_EQ(site.forward(tensor({0}))[0], 0.0F);
}

TEST(LsqPlus, GradientFactorIsThatOfLsq) {
  Site site(lsq_plus_rule("activation", 4), kOnActivation);
  const Tensor x = tensor({0, 15});
  (void)site.forward(x);
  const Tensor above = tensor({99, 5});
  (void)site.forward(above);
  (void)site.backward(above, tensor({1, 0}));
  EXPECT_NEAR(site.learned_gradient("step"), 15 / std::sqrt(2 * 15.0), 1e-6);
  EXPECT_NEAR(site.learned_gradient("offset"), 1 / std::sqrt(2 * 15.0), 1e-7);
}

TEST(LsqPlus, StepGradientJumpsUpAtEveryDecisionThreshold) {
  Site site(lsq_plus_rule("activation", 2, R"(, "grad_scale": false)"), kOnActivation);
  (void)site.forward(tensor({0, 3}));
  const auto slope = [&](float x) {
    (void)site.forward(tensor({x}));
    (void)site.backward(tensor({x}), tensor({1}));
    return site.learned_gradient("step");
  };
  for (const float threshold : {.5F, 1.5F, 2.5F}) {
    EXPECT_NEAR(slope(threshold - 1e-3F), -.499, 1e-5);
    EXPECT_NEAR(slope(threshold + 1e-3F), .499, 1e-5);
  }
}

TEST(LsqPlus, StepIsKeptPositiveAndBothFinite) {
  Site site(lsq_plus_rule("activation", 4), kOnActivation);
  (void)site.forward(tensor({0, 15}));
  site.learned_value("step") = -2;
  site.node.after_update();
  EXPECT_EQ(site.learned_value("step"), 1e-8F);
  site.learned_value("offset") = NAN;
  EXPECT_THROW(site.node.after_update(), RunError);
}

TEST(LsqPlus, Conforms) {
  const Tensor x = gaussian({37, 9, 31}, 2);
  expect_conforms(lsq_plus_rule("weight", 4), x);
  expect_conforms(lsq_plus_rule("activation", 2, R"(, "granularity": "channel")"), x,
                  kOnActivation);
}

}  // namespace
}  // namespace qloom::test
