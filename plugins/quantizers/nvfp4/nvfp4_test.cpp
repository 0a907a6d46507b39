// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Values, codes and scales of many inputs are compared with tests/oracles/mx.py in mx_test.cpp.
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

const char* const kNvfp4 = R"({"quantizer": {"plugin": "nvfp4"}})";

TEST(Nvfp4, AScaleIsTheGlobalOneTimesAnE4m3) {
  // g = 2688 / 2688 = 1; the blocks' largest are 2688 and 60: e4m3(448) and e4m3(10)
  std::vector<float> x(32, 0.0F);
  x[0] = -2688, x[1] = 700, x[16] = 60, x[17] = 27, x[18] = -5;
  Site site(kNvfp4);
  const std::vector<float> y = site.forward(tensor(x));
  const qloom_encoding e = site.node.encoding();
  ASSERT_EQ(e.groups, 2U);
  EXPECT_EQ(e.grid.scale[0], 448.0F);
  EXPECT_EQ(e.grid.scale[1], 10.0F);
  EXPECT_EQ(y[0], -2688.0F);
  EXPECT_EQ(y[1], 672.0F);  // 1.5625 elements: 1.5
  EXPECT_EQ(y[17], 30.0F);  // 2.7: 3
  EXPECT_EQ(y[18], -5.0F);  // 0.5
  EXPECT_EQ(site.encode(tensor(x))[18], 0b1001);
}

TEST(Nvfp4, EncodingCountsEightBitsForABlockAnd32ForTheTensor) {
  Site site(kNvfp4);
  (void)site.forward(gaussian({3, 40}, 1));
  const qloom_encoding e = site.node.encoding();
  EXPECT_EQ(e.groups, 9U);
  EXPECT_EQ(e.flags, 0U);
  EXPECT_EQ(e.stored_bits, 120 * 4 + 9 * 8 + 32);
  EXPECT_EQ(site.node.encoding_json()["granularity"], Json::parse(R"({"block": 16, "axis": -1})"));
}

TEST(Nvfp4, ZerosStayZeros) {
  Site site(kNvfp4);
  const Tensor zeros = tensor(std::vector<float>(40, 0.0F));
  EXPECT_EQ(site.forward(zeros), values(zeros));
  EXPECT_EQ(site.encode(zeros), std::vector<std::int32_t>(40, 0));
}

TEST(Nvfp4, GradientPassesStraightThrough) {
  const Tensor x = gaussian({2, 40}, 7), dy = gaussian({2, 40}, 8);
  Site site(kNvfp4);
  (void)site.forward(x);
  EXPECT_EQ(site.backward(x, dy), values(dy));
}

TEST(Nvfp4, Conforms) {
  const Tensor x = gaussian({37, 9, 31}, 9);
  expect_conforms(kNvfp4, x);
  expect_conforms(R"({"quantizer": {"plugin": "nvfp4", "axis": 0, "block": 5},
                      "rounding": {"plugin": "stochastic"}})",
                  x);
}

}  // namespace
}  // namespace qloom::test
