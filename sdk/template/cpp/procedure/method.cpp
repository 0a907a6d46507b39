// @ID@: see plugin.json for what it does. The places to change are marked CHANGE.
#include <algorithm>
#include <cmath>

#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

class Method {
 public:
  /// CHANGE: the events to be called for, QLOOM_EVENT_* in qloom/abi.h.
  static constexpr std::uint32_t kCaps =
      1U << QLOOM_EVENT_AFTER_STEP | 1U << QLOOM_EVENT_AFTER_EPOCH;

  explicit Method(const Params& params) : limit_(static_cast<float>(params.number("/limit"))) {}

  /// CHANGE: Run (qloom/kinds/procedure.hpp) gives tensors, gradients, norms, logits, the learning
  /// rate, random numbers, and takes figures for the report.
  void on(Run& run, const qloom_event& event) {
    if (event.event == QLOOM_EVENT_AFTER_STEP) {
      for (const RunTensor& t : weights(run)) {
        for (std::uint64_t i = 0; i < t.n; ++i) {
          t.value[i] = std::clamp(t.value[i], -limit_, limit_);
        }
      }
    } else {
      float largest = 0;
      for (const RunTensor& t : weights(run)) {
        for (std::uint64_t i = 0; i < t.n; ++i) largest = std::max(largest, std::fabs(t.value[i]));
      }
      run.report("largest_weight", largest);
    }
  }
  // A procedure that remembers something from step to step also has
  //   template <class Archive> void state(Archive& archive) { archive("name", member_); }

 private:
  [[nodiscard]] static std::vector<RunTensor> weights(const Run& run) {
    std::vector<RunTensor> tensors = run.tensors();
    std::erase_if(tensors, [](const auto& t) { return t.role != QLOOM_ROLE_WEIGHT; });
    return tensors;
  }
  float limit_;
};

}  // namespace

QLOOM_METHODS(Procedure<Method>)
