// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

const sites::SiteContext kSignSite{.name = "activation/test"};

std::string sign_act(const std::string& parameters = "") {
  return R"({"quantizer": {"plugin": "sign_act")" + parameters + "}}";
}

TEST(SignAct, TheSignOfZeroIsOne) {
  Site site(sign_act(), kSignSite);
  const Tensor x = tensor({-2.0F, -1e-45F, -0.0F, 0.0F, 1e-45F, 3.0F});
  EXPECT_EQ(site.forward(x), (std::vector<float>{-1, -1, 1, 1, 1, 1}));
  EXPECT_EQ(site.encode(x), (std::vector<std::int32_t>{-1, -1, 1, 1, 1, 1}));
  const auto encoding = site.node.encoding();
  EXPECT_EQ(encoding.kind, static_cast<std::uint32_t>(QLOOM_ENCODING_AFFINE));
  EXPECT_EQ(encoding.bits, 1U);
  EXPECT_EQ(encoding.grid.scale[0], 1.0F);
}

std::vector<float> slopes(const std::string& parameters, const std::vector<float>& x) {
  Site site(sign_act(parameters), kSignSite);
  site.forward(tensor(x));
  return site.backward(tensor(x), tensor(std::vector<float>(x.size(), 1.0F)));
}

TEST(SignAct, EachEstimatorHasItsSlope) {
  const std::vector<float> x{-3.0F, -2.0F, -0.25F, 0.0F, 0.5F, 2.0F, 3.0F, 4.0F};
  const std::pair<const char*, std::vector<float>> cases[] = {
      {R"(, "ste": "identity")", {1, 1, 1, 1, 1, 1, 1, 1}},
      {R"(, "ste": "relu")", {0, 0, 0, 0, 1, 1, 1, 1}},
      {R"(, "ste": "clipped_relu", "end": 2)", {0, 0, 0, 0, 1, 1, 0, 0}},
      {R"(, "ste": "clipped_relu", "end": 2, "ste_inclusive": false)", {0, 0, 0, 0, 1, 0, 0, 0}},
      {R"(, "ste": "log_tailed", "end": 2)", {0, 0, 0, 0, 1, 1, 0.5F, 1.0F / 3}},
      {R"(, "ste": "hard_tanh", "end": 2)", {0, 1, 1, 1, 1, 1, 0, 0}},
      {R"(, "ste": "hard_tanh", "end": 2, "ste_inclusive": false)", {0, 0, 1, 1, 1, 0, 0, 0}},
      {R"(, "ste": "approx_sign")", {0, 0, 1.5F, 2, 1, 0, 0, 0}}};
  for (const auto& [parameters, expected] : cases) EXPECT_EQ(slopes(parameters, x), expected);
}

TEST(SignAct, SwishSignFollowsItsFormulaAndStaysFinite) {
  std::vector<float> x;
  for (int i = -60; i <= 60; ++i) x.push_back(static_cast<float>(i) / 16.0F);
  const auto slope = slopes(R"(, "ste": "swish_sign")", x);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double u = 5.0 * x[i];
    const double expected = 5.0 * (2.0 - u * std::tanh(u / 2)) / (1.0 + std::cosh(u));
    EXPECT_NEAR(slope[i], expected, 1e-6 * std::fabs(expected) + 1e-12) << "x = " << x[i];
  }
  EXPECT_EQ(slope[60], 5.0F);  // b
  EXPECT_EQ(slopes(R"(, "ste": "swish_sign")", {-3e38F, 3e38F, 400.0F}),
            (std::vector<float>{0, 0, 0}));
}

/// Both jump by 2, as the sign does.
TEST(SignAct, ApproxSignAndSwishSignIntegrateToTwo) {
  std::vector<float> x;
  for (int i = -8000; i < 8000; ++i) x.push_back((static_cast<float>(i) + 0.5F) / 1000.0F);
  for (const std::string ste : {"approx_sign", "swish_sign", "hard_tanh"}) {
    double sum = 0;
    for (const float s : slopes(R"(, "ste": ")" + ste + R"(")", x)) sum += s / 1000.0;
    EXPECT_NEAR(sum, 2.0, 1e-4) << ste;
  }
}

TEST(SignAct, RefusesAnEndThatIsNotPositiveAndAnUnknownEstimator) {
  for (const std::string bad : {R"(, "end": 0)", R"(, "ste": "clipped")", R"(, "bits": 1)"}) {
    EXPECT_THROW(Site(sign_act(bad), kSignSite), InputError) << bad;
  }
}

TEST(SignAct, Conforms) {
  for (const std::string ste : {"identity", "relu", "clipped_relu", "log_tailed", "hard_tanh",
                                "approx_sign", "swish_sign"}) {
    const std::string rule = sign_act(R"(, "ste": ")" + ste + R"(")");
    expect_conforms(rule, gaussian({9, 7, 5, 31}, 1), kSignSite);
    expect_conforms(rule, gaussian({7}, 2), kSignSite);
  }
}

}  // namespace
}  // namespace qloom::test
