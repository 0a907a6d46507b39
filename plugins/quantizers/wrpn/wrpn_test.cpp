// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

std::string wrpn_rule(const char* part, int bits, const char* rounding = "nearest_even") {
  return R"({"quantizer": {"plugin": "wrpn", "part": ")" + std::string(part) + R"(", "bits": )" +
         std::to_string(bits) + R"(}, "rounding": {"plugin": ")" + rounding + R"("}})";
}

TEST(Wrpn, WeightsAreThoseOfTheHandbook) {
  Site four(wrpn_rule("weight", 4));
  expect_near(four.forward(tensor({-1.2F, -.5F, .07F, .0715F, .5F})),
              {-1, -4.0F / 7, 0, 1.0F / 7, 4.0F / 7}, 1e-7);
  EXPECT_EQ(four.encode(tensor({-1.2F, .5F})), (std::vector<std::int32_t>{-7, 4}));
  Site two(wrpn_rule("weight", 2));
  EXPECT_EQ(two.forward(tensor({-.6F, -.5F, .51F})), (std::vector<float>{-1, 0, 1}));
  Site away(wrpn_rule("weight", 2, "nearest_away"));
  EXPECT_EQ(away.forward(tensor({-.5F}))[0], -1.0F);
}

TEST(Wrpn, ActivationsAreUnsigned) {
  Site site(wrpn_rule("activation", 2), {.name = "activation/test"});
  expect_near(site.forward(tensor({-3, .1F, .2F, .5F, .6F, 2})),
              {0, 0, 1.0F / 3, 2.0F / 3, 2.0F / 3, 1}, 1e-7);
}

TEST(Wrpn, GradientPassesBetweenTheEnds) {
  Site weight(wrpn_rule("weight", 4));
  const Tensor x = tensor({-1.01F, -1, 0, 1, 1.01F}), ones = tensor({1, 1, 1, 1, 1});
  (void)weight.forward(x);
  EXPECT_EQ(weight.backward(x, ones), (std::vector<float>{0, 1, 1, 1, 0}));
  Site activation(wrpn_rule("activation", 4), {.name = "activation/test"});
  (void)activation.forward(x);
  EXPECT_EQ(activation.backward(x, ones), (std::vector<float>{0, 0, 1, 1, 0}));
}

TEST(Wrpn, RefusesWeightsOfOneBit) {
  EXPECT_THROW(Site(wrpn_rule("weight", 1)), InputError);
  Site activation(wrpn_rule("activation", 1), {.name = "activation/test"});
  EXPECT_EQ(activation.forward(tensor({.4F, .6F})), (std::vector<float>{0, 1}));
}

TEST(Wrpn, Conforms) {
  const Tensor x = gaussian({37, 9, 31}, 2);
  expect_conforms(wrpn_rule("weight", 3, "stochastic"), x);
  expect_conforms(wrpn_rule("activation", 4), x, {.name = "activation/test"});
}

}  // namespace
}  // namespace qloom::test
