// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// y = x, and from a step on one of the faults that a run has to survive, report or name.
#include <cfenv>
#include <csignal>
#include <cstdlib>

#include <signal.h>
#include <unistd.h>

#include <qloom/sdk.hpp>

#include "qloom_manifest.h"
#include "tests/abi/hostile/float_control.h"

namespace {

using namespace qloom::sdk;

volatile int zero = 0;
int* volatile nowhere = nullptr;

/// Uses up the stack; the sum keeps the calls from becoming a loop.
int deeper(int n) {
  volatile char frame[4096];
  frame[0] = static_cast<char>(n);
  return n < 0 ? 0 : deeper(n + 1) + frame[0];
}

void flush_to_zero(void*, std::uint64_t) noexcept { set_flush_to_zero(); }

bool is_child_of_qloom() {
  const auto program = [](const std::string& process) {
    char path[4096] = {};
    const ssize_t n = readlink(("/proc/" + process + "/exe").c_str(), path, sizeof path - 1);
    return n > 0 ? std::string(path) : "none of " + process;
  };
  return program(std::to_string(getppid())) == program("self");
}

/// "15 7" in MISBEHAVING_SIGNAL: sends the process signal 15 in step 7, once; "-15 7": twice;
/// "+15 7": to the qloom that started it, or to itself when something else did.
void send_signal(std::uint64_t step) {
  static bool is_sent = false;
  const char* text = std::getenv("MISBEHAVING_SIGNAL");
  if (text == nullptr || is_sent) return;
  char* rest = nullptr;
  const long signal = std::strtol(text, &rest, 10);
  if (std::strtoull(rest, nullptr, 10) != step) return;
  is_sent = true;
  if (*text == '+') {
    kill(is_child_of_qloom() ? getppid() : getpid(), static_cast<int>(signal));
    return;
  }
  std::raise(static_cast<int>(std::labs(signal)));
  if (signal < 0) std::raise(static_cast<int>(-signal));
}

class Misbehaving {
 public:
  Misbehaving(const Params& params, const qloom_site* site)
      : fault_(params.text("/fault")), step_(static_cast<std::uint64_t>(params.integer("/step"))) {
    if (fault_ != "refuse_site" || site == nullptr || site->channels == 0) return;
    throw Error(QLOOM_E_INVALID,
                concat("not at ", site->name, " of ", site->layer, ", role ", site->role, ", ",
                       site->channels, " channels, fan-in ", site->fan_in));
  }

  void prepare(const qloom_prepare& in) {
    if (in.training != 0) send_signal(in.step);
    is_due_ = in.training != 0 && in.step >= step_;
    if (!is_due_) return;
    if (fault_ == "segv_in_prepare") *nowhere = 1;
    if (fault_ == "stack_overflow") deeper(1);
    if (fault_ == "abort") std::abort();
    if (fault_ == "division") zero = 100 / zero;
    if (fault_ == "rounding_in_prepare") std::fesetround(FE_UPWARD);
    if (fault_ == "refuse") throw Error(QLOOM_E_INVALID, "not \x1b[31mtoday\nqloom: done");
    if (fault_ == "exit_0") std::exit(0);
    if (fault_ == "flush_to_zero_in_loop") services.parallel->for_each(64, &flush_to_zero, nullptr);
  }
  void apply(const qloom_call&, const qloom_block& block, const float* x, float* y) const noexcept {
    if (is_due_ && fault_ == "segv_in_apply") *nowhere = 1;
    for (std::uint64_t i = 0; i < block.n; ++i) y[i] = x[i];
    if (is_due_ && fault_ == "rounding_in_apply") std::fesetround(FE_UPWARD);
  }

 private:
  std::string fault_;
  std::uint64_t step_;
  bool is_due_ = false;
};

}  // namespace

QLOOM_METHODS(Quantizer<Misbehaving>)
