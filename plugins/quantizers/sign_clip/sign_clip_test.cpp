// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

std::vector<float> clipped(const std::string& parameters, const std::vector<float>& x) {
  Site site(R"({"quantizer": {"plugin": "sign_clip")" + parameters + "}}");
  site.forward(tensor(x));
  return site.backward(tensor(x), tensor(std::vector<float>(x.size(), 1.0F)));
}

TEST(SignClip, IsThePlainSign) {
  Site site(R"({"quantizer": {"plugin": "sign_clip"}})");
  EXPECT_EQ(site.forward(tensor({-5.0F, -0.0F, 0.0F, 0.1F})), (std::vector<float>{-1, 1, 1, 1}));
}

TEST(SignClip, GradientStopsAtTheEndWhichIsInside) {
  EXPECT_EQ(clipped("", {1.3F, 1.3001F, -1.3F, -1.3001F, 0.0F}),
            (std::vector<float>{1, 0, 1, 0, 1}));
  EXPECT_EQ(clipped(R"(, "end": 1.25)", {1.25F, 1.2500001F, -1.25F}),
            (std::vector<float>{1, 0, 1}));
}

TEST(SignClip, WithoutAnEndTheGradientIsUnchanged) {
  EXPECT_EQ(clipped(R"(, "end": 3e38)", {-1e30F, -2.0F, 0.0F, 7.0F}),
            (std::vector<float>{1, 1, 1, 1}));
}

TEST(SignClip, Conforms) {
  for (const std::string parameters : {"", R"(, "end": 0.5)"}) {
    const std::string rule = R"({"quantizer": {"plugin": "sign_clip")" + parameters + "}}";
    expect_conforms(rule, gaussian({33, 3, 3, 31}, 1));
    expect_conforms(rule, gaussian({7}, 2), {.name = "activation/test"});
  }
}

}  // namespace
}  // namespace qloom::test
