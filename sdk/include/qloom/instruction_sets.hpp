// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// One loop compiled for several instruction sets, the way plugins and host share. Same bits on all:
// a * b + c is never contracted (-ffp-contract=off).
#pragma once

#include <cstdint>

#include <qloom/abi.h>

/// Before a loop whose steps do not depend on each other: it is vectorized without a look at run
/// time whether its arrays overlap. clang looks.
#ifdef __clang__
#define QLOOM_INDEPENDENT_STEPS
#else
#define QLOOM_INDEPENDENT_STEPS _Pragma("GCC ivdep")
#endif

namespace qloom {

#if defined(__x86_64__)
namespace detail {

template <class Loop>
__attribute__((flatten, noinline, target("avx2,fma"))) void with_avx2(const Loop& loop) noexcept {
  loop();
}
template <class Loop>
__attribute__((flatten, noinline, target("avx512f,avx512cd,avx512dq,avx512bw,avx512vl"))) void
with_avx512(const Loop& loop) noexcept {
  loop();
}

}  // namespace detail
#endif

/// loop() for the instruction set `isa`, QLOOM_ISA_*: all that it calls and that can be inlined is
/// compiled for that set.
template <class Loop>
void run_on([[maybe_unused]] std::uint32_t isa, const Loop& loop) noexcept {
#if defined(__x86_64__)
  if (isa == QLOOM_ISA_AVX512) return detail::with_avx512(loop);
  if (isa == QLOOM_ISA_AVX2) return detail::with_avx2(loop);
#endif
  loop();
}

}  // namespace qloom
