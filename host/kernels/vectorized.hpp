// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Loops outside the compute core, compiled once for each instruction set.
#pragma once

#include "host/kernels/kernels.hpp"

namespace qloom::kernels {

#if defined(__x86_64__)
template <class Loop>
__attribute__((flatten, noinline, target("avx2,fma"))) void with_avx2(const Loop& loop) noexcept {
  loop();
}
template <class Loop>
__attribute__((flatten, noinline, target("avx512f,avx512cd,avx512dq,avx512bw,avx512vl"))) void
with_avx512(const Loop& loop) noexcept {
  loop();
}
#endif

/// loop() compiled for the instruction set of table(): what it calls must be inline. The same bits on
/// all of them, as a * b + c is never contracted.
template <class Loop>
void vectorized(const Loop& loop) noexcept {
#if defined(__x86_64__)
  static const std::uint32_t isa = table().isa;
  if (isa == QLOOM_ISA_AVX512) return with_avx512(loop);
  if (isa == QLOOM_ISA_AVX2) return with_avx2(loop);
#endif
  loop();
}

}  // namespace qloom::kernels
