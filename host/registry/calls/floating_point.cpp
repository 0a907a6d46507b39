// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/registry/calls/floating_point.hpp"

#include <array>

#include <fmt/format.h>

namespace qloom::registry {
namespace {

/// A bit of the control register, and what it turns on.
struct Switch {
  unsigned bit;
  const char* name;
};

#if defined(__x86_64__)
constexpr const char* kRegister = "MXCSR";
constexpr std::array kSwitches = {Switch{0x8000, "flush-to-zero"},
                                  Switch{0x40, "denormals-are-zero"}};
constexpr unsigned kRounding = 0x6000;
unsigned control(const std::fenv_t& state) {
  constexpr unsigned kFlags = 0x3F;  // bits 0 to 5: sticky exception flags
  return state.__mxcsr & ~kFlags;
}
/// What differs outside of the register.
std::string other_difference(const std::fenv_t& before, const std::fenv_t& now) {
  if (before.__control_word == now.__control_word) return {};
  return fmt::format("x87 control word {:#x} became {:#x}", before.__control_word,
                     now.__control_word);
}
#elif defined(__aarch64__)
constexpr const char* kRegister = "FPCR";
constexpr std::array kSwitches = {Switch{1U << 24, "flush-to-zero"},
                                  Switch{1U << 25, "default NaN"}};
constexpr unsigned kRounding = 3U << 22;
unsigned control(const std::fenv_t& state) { return state.__fpcr; }
std::string other_difference(const std::fenv_t&, const std::fenv_t&) { return {}; }
#else
constexpr const char* kRegister = "fegetround()";
constexpr std::array<Switch, 0> kSwitches{};
constexpr unsigned kRounding = ~0U;
unsigned control(const std::fenv_t& state) {
  std::fesetenv(&state);
  return static_cast<unsigned>(std::fegetround());
}
std::string other_difference(const std::fenv_t&, const std::fenv_t&) { return {}; }
#endif

std::string difference(const std::fenv_t& before, const std::fenv_t& now) {
  const unsigned a = control(before), b = control(now);
  if (a == b) return other_difference(before, now);
  std::string what;
  const auto note = [&what](const std::string& change) {
    what += (what.empty() ? "" : ", ") + change;
  };
  for (const Switch& s : kSwitches) {
    if (((a ^ b) & s.bit) != 0) note(fmt::format("{} {}", s.name, (b & s.bit) != 0 ? "on" : "off"));
  }
  if (((a ^ b) & kRounding) != 0) note("rounding direction");
  if (what.empty()) what = "exception masks";
  return fmt::format("{} {:#x} became {:#x} ({})", kRegister, a, b, what);
}

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
