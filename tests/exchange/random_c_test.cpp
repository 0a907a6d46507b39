// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Random programs as C: every tensor is the executor's.
#include "tests/exchange/random_c.hpp"

namespace qloom::test {
namespace {

TEST(RandomC, EqualsTheExecutorWithGcc) { expect_equal_c({0, 40}, gcc_fast()); }
TEST(RandomC, EqualsTheExecutorUnderSanitizers) { expect_equal_c({20, 40}, clang_checking()); }
TEST(RandomC, UnpackedWeightsGiveTheSame) {
  expect_equal_c({0, 12}, gcc_fast(), {.is_packed = false});
}
TEST(RandomC, EqualsTheExecutorOn32Bits) { expect_equal_c({100, 12}, arm_emulated()); }

}  // namespace
}  // namespace qloom::test
