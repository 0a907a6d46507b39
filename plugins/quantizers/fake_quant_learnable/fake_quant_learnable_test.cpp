// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>

#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

std::string learnable_rule(int bits, const std::string& more = "") {
  return R"({"quantizer": {"plugin": "fake_quant_learnable", "bits": )" + std::to_string(bits) +
         more + "}}";
}
/// Codes 0 .. 7, scale 0.5 and the given zero point.
struct HalfSteps : Site {
  explicit HalfSteps(float zero_point, const std::string& more = "")
      : Site(learnable_rule(3, more)) {
    (void)forward(tensor({-1, 1}));
    learned_value("scale") = .5F;
    learned_value("zero_point") = zero_point;
  }
};

TEST(FakeQuantLearnable, ValuesAndGradientsAreThoseOfTheHandbook) {
  struct Row {
    float x, y, dx, scale, zero_point;
  };
  for (const Row& row :
       {Row{-3, -1.5F, 0, -3, -.5F}, Row{1.1F, 1, 1, -.2F, 0}, Row{.1F, 0, 1, -.2F, 0},
        Row{5, 2, 0, 4, -.5F}, Row{2.2F, 2, 1, -.4F, 0}, Row{-1.7F, -1.5F, 1, .4F, 0}}) {
    HalfSteps site(3);
    EXPECT_EQ(site.forward(tensor({row.x}))[0], row.y) << row.x;
    EXPECT_EQ(site.backward(tensor({row.x}), tensor({1}))[0], row.dx) << row.x;
    EXPECT_NEAR(site.learned_gradient("scale"), row.scale, 1e-6) << row.x;
    EXPECT_EQ(site.learned_gradient("zero_point"), row.zero_point) << row.x;
  }
}

TEST(FakeQuantLearnable, ZeroPointIsRoundedAndClamped) {
  const auto code_of_zero = [](float zero_point) {
    HalfSteps site(zero_point);
    (void)site.forward(tensor({0}));
    return site.encode(tensor({0}))[0];
  };
  EXPECT_EQ(code_of_zero(2.4F), 2);
  EXPECT_EQ(code_of_zero(2.5F), 2);
  EXPECT_EQ(code_of_zero(3.5F), 4);
  EXPECT_EQ(code_of_zero(-2), 0);
  EXPECT_EQ(code_of_zero(9), 7);
}

TEST(FakeQuantLearnable, GradientFactorIsThatOfPyTorch) {
  HalfSteps site(3, R"(, "grad_scale": true)");
  const Tensor x = tensor({-3, 0, 0, 0, 0, 0, 0});
  (void)site.forward(x);
  (void)site.backward(x, tensor({1, 0, 0, 0, 0, 0, 0}));
  EXPECT_NEAR(site.learned_gradient("scale"), -3 / std::sqrt(7 * 7), 1e-7);
  EXPECT_NEAR(site.learned_gradient("zero_point"), -.5 / std::sqrt(7 * 7), 1e-8);
}

TEST(FakeQuantLearnable, StartsFromTheRangeOfTheFirstTensor) {
  Site site(learnable_rule(8));
  (void)site.forward(tensor({-1, 4.1F}));
  EXPECT_EQ(site.learned_value("scale"), 5.1F / 255);
  EXPECT_EQ(site.learned_value("zero_point"), 50.0F);
}

TEST(FakeQuantLearnable, AnUpdateLeavesAScaleAndAZeroPointThatExist) {
  HalfSteps site(3);
  site.learned_value("scale") = -1;
  site.learned_value("zero_point") = 12;
  site.node.after_update();
  EXPECT_EQ(site.learned_value("scale"), 1.1920929e-07F);
  EXPECT_EQ(site.learned_value("zero_point"), 7.0F);
  site.learned_value("zero_point") = NAN;
  EXPECT_THROW(site.node.after_update(), RunError);
}

TEST(FakeQuantLearnable, Conforms) {
  const Tensor x = gaussian({37, 9, 31}, 2);
  expect_conforms(learnable_rule(4), x);
  expect_conforms(learnable_rule(8, R"(, "signed": true, "granularity": "channel")"), x);
}

}  // namespace
}  // namespace qloom::test
