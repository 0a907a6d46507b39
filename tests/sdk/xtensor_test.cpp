// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <vector>

#include <gtest/gtest.h>
#include <qloom/xtensor.hpp>
#include <xtensor/xmath.hpp>

namespace qloom::sdk {
namespace {

/// 2 x 3 x 4 with element (i, j, k) = 100 i + 10 j + k.
class XtensorView : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 2; ++i) {
      for (int j = 0; j < 3; ++j) {
        for (int k = 0; k < 4; ++k) values_.push_back(static_cast<float>(100 * i + 10 * j + k));
      }
    }
    tensor_ = {values_.data(), shape_, 3, 24, 2, 3, 4};
  }
  std::vector<float> values_;
  const std::int64_t shape_[3] = {2, 3, 4};
  qloom_tensor tensor_{};
};

TEST_F(XtensorView, HasTheTensorsShapeAndMemory) {
  const auto x = view(tensor_);
  ASSERT_EQ(x.dimension(), 3U);
  EXPECT_EQ(x.shape(0), 2U);
  EXPECT_EQ(x.shape(1), 3U);
  EXPECT_EQ(x.shape(2), 4U);
  EXPECT_EQ(x(1, 2, 3), 123.0F);
  EXPECT_EQ(x.data(), values_.data()) << "it must not copy";
  values_[23] = -1.0F;
  EXPECT_EQ(x(1, 2, 3), -1.0F);
}

TEST_F(XtensorView, OfAScalarHasNoAxes) {
  const qloom_tensor scalar{values_.data(), nullptr, 0, 1, 1, 1, 1};
  EXPECT_EQ(view(scalar).dimension(), 0U);
  EXPECT_EQ(view(scalar)(), 0.0F);
}

TEST_F(XtensorView, ByGroupGivesOneFigureForEach) {
  const xt::xtensor<float, 1> largest = xt::amax(grouped_view(tensor_), {0, 2});
  EXPECT_EQ(largest, (xt::xtensor<float, 1>{103.0F, 113.0F, 123.0F}));
}

TEST_F(XtensorView, OfABlockReadsAndWritesTheCallersMemory) {
  const qloom_block block{4, 5, 3, 4, 0, 3};
  std::vector<float> y(6, -99.0F);
  view(block, y.data()) = 2.0F * view(block, static_cast<const float*>(values_.data()));
  EXPECT_EQ(y, (std::vector<float>{0.0F, 2.0F, 4.0F, 6.0F, 20.0F, -99.0F}));
}

TEST_F(XtensorView, OfGeometryAloneIsAnError) {
  tensor_.data = nullptr;
  for (const auto& make : {+[](const qloom_tensor& t) { static_cast<void>(view(t)); },
                           +[](const qloom_tensor& t) { static_cast<void>(grouped_view(t)); }}) {
    try {
      make(tensor_);
      ADD_FAILURE() << "no Error";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), QLOOM_E_ORDER);
    }
  }
}

TEST_F(XtensorView, ByGroupRefusesAShortLastGroup) {
  const qloom_tensor uneven{values_.data(), shape_, 3, 24, 1, 5, 5};
  try {
    static_cast<void>(grouped_view(uneven));
    ADD_FAILURE() << "no Error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), QLOOM_E_UNSUPPORTED);
    EXPECT_NE(std::string(e.what()).find("short"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace qloom::sdk
