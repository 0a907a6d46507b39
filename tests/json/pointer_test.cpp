// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/json/pointer.hpp"

#include <gtest/gtest.h>

#include "host/tensor/error.hpp"

namespace qloom::json {
namespace {

TEST(Pointer, PartsAndPointersAreEachOthersInverse) {
  using Parts = std::vector<std::string>;
  EXPECT_EQ(pointer_parts("", "x"), Parts());
  EXPECT_EQ(pointer_parts("/", "x"), Parts({""}));
  EXPECT_EQ(pointer_parts("/rules/0/a~1b~0c", "x"), Parts({"rules", "0", "a/b~c"}));
  EXPECT_EQ(pointer_part("a/b~c"), "/a~1b~0c");
  EXPECT_EQ(pointer_parts(pointer_part("~1/~"), "x"), Parts({"~1/~"}));
}

TEST(Pointer, WhatIsNoneIsRefused) {
  EXPECT_THROW(static_cast<void>(pointer_parts("a/b", "x")), InputError);
  EXPECT_THROW(static_cast<void>(pointer_parts("/a~", "x")), InputError);
  EXPECT_THROW(static_cast<void>(pointer_parts("/a~2", "x")), InputError);
}

}  // namespace
}  // namespace qloom::json
