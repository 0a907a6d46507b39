// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Random programs as C with every level of optimisation, and many of them.
#include "tests/exchange/random_c.hpp"

namespace qloom::test {
namespace {

TEST(EveryLevel, GccAndClang) {
  for (const char* compiler : {QLOOM_GCC, QLOOM_CLANG_C}) {
    for (const char* level : {"-O0", "-O1", "-O2", "-Os", "-O3", "-O3 -march=native"}) {
      expect_equal_c({200, 30}, {std::string(compiler) + " " + level, "", "gcc, clang"});
    }
  }
}

TEST(EveryLevel, SanitizersOfGcc) {
  expect_equal_c(
      {300, 60},
      {QLOOM_GCC " -O1 -fsanitize=undefined,address -fno-sanitize-recover=all", "", "gcc"});
}

TEST(EveryLevel, ManyPrograms) {
  expect_equal_c({1000, 500}, gcc_fast());
  expect_equal_c({1500, 200}, clang_checking());
  expect_equal_c({1700, 60}, arm_emulated());
}

TEST(EveryLevel, X86Of32Bits) {
  const Folder folder;
  const std::string probe =
      "cd '" + folder.path().string() +
      "' && echo '#include <stdio.h>\nint main(void) { return 0; }' > a.c && ";
  if (tell(probe + QLOOM_GCC " -m32 a.c -o a && ./a").status != 0) {
    GTEST_SKIP() << "gcc -m32 makes no program here: gcc-12-multilib has it on Debian 12";
  }
  expect_equal_c({2000, 40}, {QLOOM_GCC " -m32 -O2", "", "gcc-multilib"});
}

}  // namespace
}  // namespace qloom::test
