/* SPDX-License-Identifier: Apache-2.0
 * Copyright the qloom authors
 *
 * The processor's register of floating-point control, for faults in C and C++ that change it:
 * fesetround() is a function of libm and knows no flush-to-zero. */
#pragma once

#if defined(__x86_64__)
#include <xmmintrin.h>
#define FLOAT_CONTROL_NAME "MXCSR"
enum { kFlushToZero = 0x8000, kRounding = 0x6000, kUpward = 0x4000, kTowardZero = 0x6000 };
static inline unsigned long float_control(void) { return _mm_getcsr(); }
static inline void set_float_control(unsigned long bits) { _mm_setcsr((unsigned)bits); }
#elif defined(__aarch64__)
#define FLOAT_CONTROL_NAME "FPCR"
enum { kFlushToZero = 1 << 24, kRounding = 3 << 22, kUpward = 1 << 22, kTowardZero = 3 << 22 };
static inline unsigned long float_control(void) {
  unsigned long bits;
  __asm__ volatile("mrs %0, fpcr" : "=r"(bits));
  return bits;
}
static inline void set_float_control(unsigned long bits) {
  __asm__ volatile("msr fpcr, %0" : : "r"(bits));
}
#else
#error "tests of the floating-point state know x86-64 and 64-bit ARM"
#endif

static inline void set_flush_to_zero(void) { set_float_control(float_control() | kFlushToZero); }
static inline void set_rounding(unsigned long direction) {
  set_float_control((float_control() & ~(unsigned long)kRounding) | direction);
}
