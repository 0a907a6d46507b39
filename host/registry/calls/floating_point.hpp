// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <cfenv>
#include <cstdint>
#include <string>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace qloom::registry {

/// The thread's floating-point control state (rounding direction, flush-to-zero,
/// denormals-are-zero, exception masks), taken when constructed and put back when destroyed.
class FloatingPointGuard {
 public:
  FloatingPointGuard();
  ~FloatingPointGuard();
  FloatingPointGuard(const FloatingPointGuard&) = delete;
  FloatingPointGuard& operator=(const FloatingPointGuard&) = delete;

  /// What differs now, for instance "MXCSR 0x1f80 became 0x9fc0 (flush-to-zero on,
  /// denormals-are-zero on)" or "FPCR 0x0 became 0x1000000 (flush-to-zero on)"; empty when nothing
  /// does. Status flags do not count.
  [[nodiscard]] std::string change() const;

 private:
  std::fenv_t saved_;
};

namespace detail {

/// Control bits in one word; on x86 MXCSR without its sticky flags (bits 0 to 5), and the x87
/// control word above; on 64-bit ARM FPCR, which has no flags.
inline std::uint64_t floating_point_word() noexcept {
#if defined(__x86_64__)
  constexpr std::uint64_t kFlags = 0x3F;
  std::uint16_t x87 = 0;
  __asm__ volatile("fnstcw %0" : "=m"(x87));
  return (std::uint64_t{_mm_getcsr()} & ~kFlags) | std::uint64_t{x87} << 32;
#elif defined(__aarch64__)
  std::uint64_t fpcr = 0;
  __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
  return fpcr;
#else
  return static_cast<std::uint64_t>(std::fegetround());
#endif
}

/// Of the thread that started the program, before main(): what all threads of it begin with.
extern const std::uint64_t program_floating_point;

}  // namespace detail

/// Is the thread's control state the one that the program started with? Cheap: two register reads.
[[nodiscard]] inline bool has_program_floating_point() noexcept {
  return detail::floating_point_word() == detail::program_floating_point;
}

/// Puts the thread's state back to the program's; says what differed, as change() does.
std::string restore_program_floating_point();

}  // namespace qloom::registry
