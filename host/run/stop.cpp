// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/run/stop.hpp"

#include <atomic>
#include <cstring>
#include <string>

#include <fmt/format.h>
#include <unistd.h>

#include "host/data/alternate_stack.hpp"
#include "host/data/streams.hpp"
#include "host/tensor/error.hpp"

namespace qloom::run {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM};

std::atomic<int> noted{0}, depth{0};
std::atomic<pid_t> children[kMostChildren];
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<pid_t>::is_always_lock_free,
              "a signal handler uses them");

void tell(pid_t child, int signal) noexcept { sigqueue(child, signal, sigval{}); }

/// Async-signal-safe. A queued signal of the parent's tells what the terminal or the parent's own
/// sender said; it is never the second one.
void on_signal(int signal, siginfo_t* info, void*) {
  const bool is_told = info->si_code == SI_QUEUE && info->si_pid == getppid();
  int none = 0;
  if (noted.compare_exchange_strong(none, signal)) {
    for (const auto& child : children) {
      if (const pid_t pid = child; pid > 0) tell(pid, signal);
    }
  } else if (!is_told) {
    struct sigaction at_once {};
    at_once.sa_handler = SIG_DFL;
    sigaction(signal, &at_once, nullptr);
    raise(signal);  // arrives when this function returns; children die with this process
  }
}

}  // namespace

StopSignals::StopSignals() : is_outermost_(depth++ == 0) {
  if (!is_outermost_) return;
  noted = 0;
  data::have_alternate_stacks();
  struct sigaction action {};
  action.sa_sigaction = &on_signal;
  action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  for (const int signal : kSignals) sigaddset(&action.sa_mask, signal);
  for (int i = 0; i < 2; ++i) {
    sigaction(kSignals[i], nullptr, &before_[i]);
    const bool is_ignored =
        (before_[i].sa_flags & SA_SIGINFO) == 0 && before_[i].sa_handler == SIG_IGN;
    if (!is_ignored) sigaction(kSignals[i], &action, nullptr);
  }
}

StopSignals::~StopSignals() {
  --depth;
  if (!is_outermost_) return;
  for (int i = 0; i < 2; ++i) sigaction(kSignals[i], &before_[i], nullptr);
}

int stop_signal() noexcept { return noted; }

void stop_if_asked(const char* where) {
  const int signal = noted;
  if (signal == 0) return;
  throw Stopped(fmt::format("stopped by {}; {}", signal == SIGINT ? "SIGINT" : "SIGTERM", where),
                signal);
}

data::Wait stoppable_wait() {
  return {.tell = [](const std::string& text) { data::say("{}\n", text); },
          .look = [] { stop_if_asked("it was waiting, nothing was begun"); }};
}

void tell_child_of_stop(pid_t child) noexcept {
  for (auto& place : children) {
    pid_t free = 0;
    if (place.compare_exchange_strong(free, child)) break;
  }
  if (const int signal = noted; signal != 0) tell(child, signal);
}

void forget_child(pid_t child) noexcept {
  for (auto& place : children) {
    pid_t known = child;
    if (place.compare_exchange_strong(known, 0)) return;
  }
}

}  // namespace qloom::run
