// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// SIGINT and SIGTERM ask a run to end at its next step, with a checkpoint; a second one ends the
// process at once.
#pragma once

#include <csignal>

#include <sys/types.h>

#include "host/data/claim.hpp"

namespace qloom::run {

/// While one lives, the first SIGINT or SIGTERM is noted; signals that were ignored stay ignored
/// (a shell's job in the background). May be nested: the outermost counts.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

 private:
  bool is_outermost_;
  struct sigaction before_[2];
};

/// The noted signal, or 0.
[[nodiscard]] int stop_signal() noexcept;
/// Stopped (host/tensor/error.hpp) when there is one; `where` says what was kept, for the message.
void stop_if_asked(const char* where);

/// Waits for the writer of a folder: says so, and ends as stop_if_asked() does.
[[nodiscard]] data::Wait stoppable_wait();

/// Children of this process that are told when it is. A child that runs qloom takes the message for
/// a first signal, never for a second one: a terminal sends the same signal to both.
inline constexpr int kMostChildren = 1024;
/// Tells it at once when the process was told already. At most kMostChildren.
void tell_child_of_stop(pid_t child) noexcept;
void forget_child(pid_t child) noexcept;

}  // namespace qloom::run
