// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A signal that arrives while a kernel computes must not touch what it computes.
#include <algorithm>
#include <csignal>
#include <vector>

#include <sys/syscall.h>
#include <unistd.h>

#include "host/run/stop.hpp"
#include "host/tensor/error.hpp"

namespace qloom::test {
namespace {

TEST(StopSignals, HandlersHaveAStackOfTheirOwn) {
  const run::StopSignals signals;
  for (const int signal : {SIGINT, SIGTERM}) {
    struct sigaction action {};
    ASSERT_EQ(sigaction(signal, nullptr, &action), 0);
    EXPECT_NE(action.sa_flags & SA_ONSTACK, 0) << signal;
  }
  stack_t stack{};
  ASSERT_EQ(sigaltstack(nullptr, &stack), 0);
  EXPECT_EQ(stack.ss_flags & SS_DISABLE, 0);
  EXPECT_GE(stack.ss_size, 64U * 1024);
}

#if defined(__x86_64__)
/// SIGTERM to this thread while the stack pointer points to `data`, as in oneDNN's matrix kernels.
void get_signal_with_stack_pointer_at(void* data) {
  const long call = SYS_tgkill, process = getpid(), thread = gettid(), signal = SIGTERM;
  long result = 0;
  asm volatile(
      "mov %%rsp, %%rbx\n\t"
      "mov %[data], %%rsp\n\t"
      "syscall\n\t"
      "mov %%rbx, %%rsp"
      : "=a"(result)
      : "a"(call), "D"(process), "S"(thread), "d"(signal), [data] "r"(data)
      : "rbx", "rcx", "r11", "memory");
  EXPECT_EQ(result, 0);
}

TEST(StopSignals, ASignalLeavesWhatTheStackPointerPointsToAlone) {
  const run::StopSignals signals;
  std::vector<double> numbers(8192, 1.5);
  get_signal_with_stack_pointer_at(&numbers[6000]);
  EXPECT_EQ(run::stop_signal(), SIGTERM);
  EXPECT_THROW(run::stop_if_asked("in a test"), Stopped);
  EXPECT_EQ(std::count(numbers.begin(), numbers.end(), 1.5), 8192);
}
#endif

}  // namespace
}  // namespace qloom::test
