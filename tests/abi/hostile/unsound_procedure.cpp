// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Keeps weights within a limit; breaks the promise named by its file, see fault.hpp.
#include <algorithm>
#include <cmath>
#include <vector>

#include <qloom/sdk.hpp>

#include "fault.hpp"
#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

std::uint64_t calls = 0;  // state outside of the instance
float* volatile leaked = nullptr;

class Unsound {
 public:
  static constexpr std::uint32_t kCaps =
      1U << QLOOM_EVENT_AFTER_STEP | 1U << QLOOM_EVENT_AFTER_EPOCH;

  explicit Unsound(const Params& params) : limit_(static_cast<float>(params.number("/limit"))) {}

  void on(Run& run, const qloom_event& event) {
    break_process(fault_);
    if (fault_.is("leaks")) leaked = new float[4];
    if (fault_.is("rounds_late") && event.epoch >= 2) set_rounding(kUpward);
    if (event.event == QLOOM_EVENT_AFTER_EPOCH) return run.report("largest", largest_);
    for (const qloom_run_tensor& t : run.tensors()) {
      for (std::uint64_t i = 0; i < t.n; ++i) {
        t.value[i] = std::clamp(t.value[i], -limit_, limit_);
        largest_ = std::max(largest_, std::fabs(t.value[i]));
      }
      if (fault_.is("writes_outside")) t.value[t.n] = 0.0F;
      if (fault_.is("keeps_a_count")) t.value[0] += static_cast<float>(++calls % 7) * 0.01F;
      if (fault_.is("gives_nan")) t.value[0] = 0.0F / (t.value[0] - t.value[0]);
    }
  }
  template <class Archive>
  void state(Archive& archive) {
    float nothing = 0;
    archive("largest", fault_.is("forgets_state") ? nothing : largest_);
  }

 private:
  Fault fault_;
  float limit_, largest_ = 0;
};

}  // namespace

QLOOM_METHODS(Procedure<Unsound>)
