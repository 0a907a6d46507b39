// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/registry/calls/floating_point.hpp"

#include <fmt/format.h>

namespace qloom::registry {
namespace {

#if defined(__x86_64__)
constexpr unsigned kFlags = 0x3F;  // MXCSR bits 0 to 5: sticky exception flags
constexpr unsigned kDenormalsAreZero = 0x40, kFlushToZero = 0x8000, kRounding = 0x6000;

std::string difference(const std::fenv_t& before, const std::fenv_t& now) {
  const unsigned a = before.__mxcsr & ~kFlags, b = now.__mxcsr & ~kFlags;
  if (a == b && before.__control_word == now.__control_word) return {};
  if (a == b) {
    return fmt::format("x87 control word {:#x} became {:#x}", before.__control_word,
                       now.__control_word);
  }
  std::string what;
  const auto note = [&](unsigned bit, const char* name) {
    if (((a ^ b) & bit) == 0) return;
    what += fmt::format("{}{} {}", what.empty() ? "" : ", ", name, (b & bit) != 0 ? "on" : "off");
  };
  note(kFlushToZero, "flush-to-zero");
  note(kDenormalsAreZero, "denormals-are-zero");
  if (((a ^ b) & kRounding) != 0) {
    what += what.empty() ? "rounding direction" : ", rounding direction";
  }
  if (what.empty()) what = "exception masks";
  return fmt::format("MXCSR {:#x} became {:#x} ({})", a, b, what);
}
#else
std::string difference(const std::fenv_t& before, const std::fenv_t& now) {
  std::fesetenv(&before);
  const int a = std::fegetround();
  std::fesetenv(&now);
  const int b = std::fegetround();
  return a == b ? std::string{} : fmt::format("rounding direction {} became {}", a, b);
}
#endif

std::fenv_t present() {
  std::fenv_t now;
  std::fegetenv(&now);
  return now;
}
const std::fenv_t program_environment = present();

}  // namespace

namespace detail {
const std::uint64_t program_floating_point = floating_point_word();
}  // namespace detail

std::string restore_program_floating_point() {
  std::string change = difference(program_environment, present());
  std::fesetenv(&program_environment);
  return change;
}

FloatingPointGuard::FloatingPointGuard() { std::fegetenv(&saved_); }
FloatingPointGuard::~FloatingPointGuard() { std::fesetenv(&saved_); }

std::string FloatingPointGuard::change() const { return difference(saved_, present()); }

}  // namespace qloom::registry
