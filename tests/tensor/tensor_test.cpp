// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Tensors that hold nothing, and one that holds a scalar.
#include <utility>

#include "host/tensor/tensor.hpp"

namespace qloom::test {
namespace {

TEST(Tensor, ACopyOfAnEmptyOneIsEmpty) {
  const Tensor empty;
  const Tensor copy = empty;
  EXPECT_TRUE(copy.empty());
  Tensor full({2, 3});
  full = empty;
  EXPECT_TRUE(full.empty());
  EXPECT_TRUE(full.shape().empty());
  EXPECT_GE(full.capacity(), 6U);
}

TEST(Tensor, ACopyKeepsTheShapeOfNoElements) {
  const Tensor empty({3, 0});
  const Tensor copy = empty;
  EXPECT_EQ(copy.shape(), (Shape{3, 0}));
  EXPECT_TRUE(copy.empty());
}

TEST(Tensor, AScalarHasOneElement) {
  Tensor scalar{Shape{}};
  scalar[0] = 3;
  const Tensor copy = scalar;
  ASSERT_EQ(copy.size(), 1U);
  EXPECT_EQ(copy[0], 3);
}

TEST(Tensor, WhatIsMovedFromIsEmpty) {
  Tensor from({4}), to({2});
  from.fill(7);
  to = std::move(from);
  EXPECT_EQ(to.shape(), Shape{4});
  EXPECT_EQ(to[3], 7);
  EXPECT_TRUE(from.empty());
  EXPECT_TRUE(from.shape().empty());
  Tensor made(std::move(to));
  EXPECT_EQ(made.size(), 4U);
  EXPECT_TRUE(to.empty());
  Tensor& same = made;
  made = std::move(same);
  EXPECT_EQ(made.size(), 4U);
}

}  // namespace
}  // namespace qloom::test
