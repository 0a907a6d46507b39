// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/registry/calls/floating_point.hpp"

#include <gtest/gtest.h>

#include <cfenv>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

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

#if defined(__x86_64__)
TEST(FloatingPointGuard, NamesFlushToZeroAndPutsItBack) {
  const unsigned before = _mm_getcsr();
  {
    const FloatingPointGuard guard;
    _mm_setcsr(before | 0x8040U);
    EXPECT_NE(guard.change().find("flush-to-zero on, denormals-are-zero on"), std::string::npos)
        << guard.change();
  }
  EXPECT_EQ(_mm_getcsr() & ~0x3FU, before & ~0x3FU);
  volatile float subnormal = 1e-39F;
  EXPECT_NE(subnormal * 0.5F, 0.0F);
}
#endif

}  // namespace
}  // namespace qloom::registry
