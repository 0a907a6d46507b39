// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// One library of a kind has all of its faults; which one it commits is the name of its file: the
// build lays copies side by side.
#pragma once

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <clocale>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include "float_control.h"

/// "races" in .../quantizer.races/quantizer.races.so.
class Fault {
 public:
  Fault() {
    static const char here = 0;
    Dl_info info{};
    if (::dladdr(&here, &info) == 0) return;
    const char* const slash = std::strrchr(info.dli_fname, '/');
    const char* const dot = std::strchr(slash == nullptr ? info.dli_fname : slash, '.');
    if (dot == nullptr) return;
    std::strncpy(name_, dot + 1, sizeof name_ - 1);
    if (char* const end = std::strrchr(name_, '.')) *end = '\0';
  }
  [[nodiscard]] bool is(const char* name) const noexcept { return std::strcmp(name_, name) == 0; }

 private:
  char name_[64] = {};
};

/// On a worker of the pool? The process's first thread sleeps a little here, so that on a busy
/// machine too the workers get their part of the elements.
inline bool is_on_worker() noexcept {
  if (::gettid() != ::getpid()) return true;
  ::usleep(50);
  return false;
}

/// Faults that are about the process, the same for methods of every kind.
inline void break_process(const Fault& fault) {
  if (fault.is("prints_output")) std::printf("step done\n");
  if (fault.is("prints_errors")) std::fprintf(stderr, "warning: a step was done\n");
  if (fault.is("closes_output")) ::close(STDOUT_FILENO);
  if (fault.is("closes_all")) {
    for (int file = 0; file < 64; ++file) ::close(file);
  }
  if (fault.is("opens_files") && ::open("/dev/null", O_RDONLY) < 0) std::abort();
  if (fault.is("starts_thread")) std::thread([] {}).join();
  if (fault.is("catches_signals")) std::signal(SIGTERM, SIG_IGN);
  if (fault.is("sets_locale")) ::setenv("LC_ALL", "POSIX", 1);
  if (fault.is("changes_folder") && ::chdir("/") != 0) std::abort();
  if (fault.is("forks") && ::fork() == 0) ::_exit(0);
}

/// Carries values through a room that other calls may use, so often that the way is most of the
/// call: threads meet here on a busy machine too. Alone it changes nothing.
template <class Value>
void pass_through(Value* room, Value* values, std::uint64_t count) noexcept {
  const std::uint64_t repeats = 1 + 100'000 / std::max<std::uint64_t>(count, 1);
  for (std::uint64_t repeat = 0; repeat < repeats; ++repeat) {
    std::copy_n(values, count, room);
    std::atomic_signal_fence(std::memory_order_seq_cst);  // the compiler reads the room again
    std::copy_n(room, count, values);
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
}
