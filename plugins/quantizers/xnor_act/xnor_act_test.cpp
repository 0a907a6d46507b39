// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

const char* const kXnor = R"({"quantizer": {"plugin": "xnor_act"}})";

TEST(XnorAct, GradientIsZeroFromOneOn) {
  Site site(kXnor, {.name = "activation/test"});
  const Tensor x = tensor({-1.0F, -0.9999F, 0.0F, 0.9999F, 1.0F, 5.0F});
  EXPECT_EQ(site.forward(x), (std::vector<float>{-1, -1, 1, 1, 1, 1}));
  EXPECT_EQ(site.backward(x, tensor({1, 2, 3, 4, 5, 6})), (std::vector<float>{0, 2, 3, 4, 0, 0}));
}

TEST(XnorAct, Conforms) {
  expect_conforms(kXnor, gaussian({9, 7, 5, 31}, 1), {.name = "activation/test"});
  expect_conforms(kXnor, gaussian({7}, 2), {.name = "activation/test"});
}

}  // namespace
}  // namespace qloom::test
