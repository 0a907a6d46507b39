// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Which method is being called: what a crash, a premature exit() and a changed floating-point state
// are reported with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "host/registry/calls/floating_point.hpp"
#include "host/registry/registry.hpp"

namespace qloom::registry {

/// One call of a method, from construction to destruction; lives on the stack of the thread that
/// makes it. When it ends, the thread's floating-point state must be the program's: otherwise it is
/// put back and the method noted for require_floating_point().
///
/// cost:     a few loads and stores, two reads of control registers
/// threads:  each thread has its own record
class CallRecord {
 public:
  /// `what` is the function of the method, `site` where it acts ("weight/conv1"; may be empty);
  /// both outlive the record.
  CallRecord(const Method& method, const char* what, const char* site = "") noexcept
      : method_(&method), what_(what), site_(site), outer_(innermost_) {
    innermost_ = this;
  }
  /// The same call on another thread, inside a parallel loop that the method asked for. Null: none.
  explicit CallRecord(const CallRecord* caller) noexcept;
  ~CallRecord() {
    if (!has_program_floating_point()) note_change();
    innermost_ = outer_;
  }
  CallRecord(const CallRecord&) = delete;
  CallRecord& operator=(const CallRecord&) = delete;

  /// The present call on this thread, or null.
  [[nodiscard]] static const CallRecord* innermost() noexcept { return innermost_; }
  /// Where this thread keeps innermost(), for a reader on another one.
  [[nodiscard]] static const CallRecord* const* slot() noexcept { return &innermost_; }
  [[nodiscard]] const Method* method() const noexcept { return method_; }
  [[nodiscard]] const char* what() const noexcept { return what_; }
  [[nodiscard]] const char* site() const noexcept { return site_; }

 private:
  void note_change() const noexcept;

  static inline thread_local constinit const CallRecord* innermost_ = nullptr;
  const Method* method_;
  const char *what_, *site_;
  const CallRecord* outer_;
};

/// What body() gives, a call of the method, with a record while it runs.
template <class Body>
auto recorded(const Method& method, const char* what, const char* site, const Body& body) {
  const CallRecord call(method, what, site);
  return body();
}

/// RunError that names method, function, site and change when a call since the last look left a
/// thread's floating-point state changed; the state is put back by then.
void require_floating_point();

/// Puts back the state of each OpenMP thread where it is not the program's; what differed on one of
/// them, or "".
[[nodiscard]] std::string restore_all_threads();

/// The training step that calls belong to, for messages; kNoStep outside of training.
inline constexpr std::uint64_t kNoStep = UINT64_MAX;
void set_present_step(std::uint64_t step) noexcept;

/// `quantizer "lsq": apply, weight/conv1, step 12, library /x/lsq.so`: the call in progress on this
/// thread, or else on the thread that report_crashes() ran on; "" when there is none. Control
/// characters are left out.
///
/// threads:  any, also in a signal handler and while the process exits
/// result:   number of bytes written, without the final 0
std::size_t describe_call(char* out, std::size_t size) noexcept;
[[nodiscard]] std::string call_in_progress();

/// From now on SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT write one line with the call in progress
/// to standard error before the process dies of the signal as before. A signal that somebody else
/// handles already (a sanitizer) stays his. The calling thread and OpenMP's get an alternate stack,
/// so that a stack that overflows is told too.
void report_crashes();

}  // namespace qloom::registry
