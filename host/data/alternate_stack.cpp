// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/data/alternate_stack.hpp"

#include <csignal>
#include <cstddef>

#include <sys/mman.h>

namespace qloom::data {
namespace {

class AlternateStack {
 public:
  AlternateStack() {
    memory_ = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory_ == MAP_FAILED) return;
    const stack_t stack{.ss_sp = memory_, .ss_flags = 0, .ss_size = kBytes};
    sigaltstack(&stack, nullptr);
  }
  ~AlternateStack() {
    if (memory_ == MAP_FAILED) return;
    const stack_t none{.ss_sp = nullptr, .ss_flags = SS_DISABLE, .ss_size = 0};
    sigaltstack(&none, nullptr);
    munmap(memory_, kBytes);
  }
  AlternateStack(const AlternateStack&) = delete;
  AlternateStack& operator=(const AlternateStack&) = delete;
  void keep() const {}

 private:
  static constexpr std::size_t kBytes = 64 * 1024;  // a crash's line of 4 KiB, many times
  void* memory_ = MAP_FAILED;
};

}  // namespace

void have_alternate_stacks() {
#pragma omp parallel
  {
    static thread_local const AlternateStack stack;
    stack.keep();
  }
}

}  // namespace qloom::data
