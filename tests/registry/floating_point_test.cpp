// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/registry/calls/floating_point.hpp"

#include <gtest/gtest.h>

#include <cfenv>

#include "tests/abi/hostile/float_control.h"

namespace qloom::registry {
namespace {

TEST(FloatingPointGuard, PutsTheRoundingDirectionBack) {
  ASSERT_EQ(std::fegetround(), FE_TONEAREST);
  {
    const FloatingPointGuard guard;
    EXPECT_EQ(guard.change(), "");
    std::fesetround(FE_UPWARD);
    EXPECT_NE(guard.change(), "");
  }
  EXPECT_EQ(std::fegetround(), FE_TONEAREST);
}

TEST(FloatingPointGuard, StatusFlagsAreNoChange) {
  const FloatingPointGuard guard;
  std::feraiseexcept(FE_INEXACT | FE_OVERFLOW);
  EXPECT_EQ(guard.change(), "");
}

TEST(FloatingPointGuard, NamesWhatItPutsBack) {
  const unsigned long before = float_control();
#if defined(__x86_64__)
  constexpr unsigned long kBoth = 0x8040, kFlags = 0x3F;
  const std::string expected = "flush-to-zero on, denormals-are-zero on";
#else
  constexpr unsigned long kBoth = 3UL << 24, kFlags = 0;
  const std::string expected = "flush-to-zero on, default NaN on";
#endif
  {
    const FloatingPointGuard guard;
    set_float_control(before | kBoth);
    EXPECT_NE(guard.change().find(expected), std::string::npos) << guard.change();
  }
  EXPECT_EQ(float_control() & ~kFlags, before & ~kFlags);
  volatile float subnormal = 1e-39F;
  EXPECT_NE(subnormal * 0.5F, 0.0F);
}

}  // namespace
}  // namespace qloom::registry
