// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The last line of a process that a method brings down.
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstring>

#include "host/data/alternate_stack.hpp"
#include "host/registry/calls/call_record.hpp"

namespace qloom::registry {
namespace detail {
extern std::atomic<const CallRecord* const*> reporting_thread;
}  // namespace detail
namespace {

struct Crash {
  int signal;
  const char* name;
};
constexpr Crash kCrashes[] = {{SIGSEGV, "SIGSEGV"},
                              {SIGBUS, "SIGBUS"},
                              {SIGFPE, "SIGFPE"},
                              {SIGILL, "SIGILL"},
                              {SIGABRT, "SIGABRT"}};

/// Async-signal-safe throughout. Crash signals are blocked in it: a fault of its own ends the
/// process at once.
void on_crash(int signal) {
  static std::atomic_flag is_told = ATOMIC_FLAG_INIT;
  if (!is_told.test_and_set()) {
    std::array<char, 4608> line{};
    std::size_t n = 0;
    const auto add = [&](const char* text) {
      for (; *text != '\0' && n + 1 < line.size(); ++text) line[n++] = *text;
    };
    add("qloom: ");
    for (const Crash& crash : kCrashes) {
      if (crash.signal == signal) add(crash.name);
    }
    std::array<char, 4096> call{};
    const bool has_call = describe_call(call.data(), call.size()) > 0;
    add(has_call ? " in " : " outside of any call of a method");
    add(call.data());
    add("\n");
    static_cast<void>(!write(STDERR_FILENO, line.data(), n));
  }
  struct sigaction as_before {};
  as_before.sa_handler = SIG_DFL;
  sigaction(signal, &as_before, nullptr);
  raise(signal);  // arrives when this function returns
}

}  // namespace

void report_crashes() {
  detail::reporting_thread = CallRecord::slot();
  data::have_alternate_stacks();
  struct sigaction action {};
  action.sa_handler = &on_crash;
  action.sa_flags = SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  for (const Crash& crash : kCrashes) sigaddset(&action.sa_mask, crash.signal);
  for (const Crash& crash : kCrashes) {
    struct sigaction known {};
    sigaction(crash.signal, nullptr, &known);
    if ((known.sa_flags & SA_SIGINFO) != 0 || known.sa_handler != SIG_DFL) continue;
    sigaction(crash.signal, &action, nullptr);
  }
}

}  // namespace qloom::registry
