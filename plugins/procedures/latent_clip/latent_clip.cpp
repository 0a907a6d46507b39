// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>

#include <qloom/chosen_layers.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// After each update the stored weights are clipped to [-bound, bound], so that a weight whose sign
/// is all that counts can still change it (Courbariaux, Bengio, David, 2015).
class LatentClip {
 public:
  static constexpr std::uint32_t kCaps = 1U << QLOOM_EVENT_AFTER_STEP;

  explicit LatentClip(const Params& params)
      : layers_(params),
        start_epoch_(static_cast<std::uint64_t>(params.integer("/start_epoch"))),
        bound_(static_cast<float>(params.number("/bound"))) {}
  void on(Run& run, const qloom_event& event) const {
    if (event.epoch < start_epoch_) return;
    for (const qloom_run_tensor& t : layers_.weights(run)) {
      for (std::uint64_t i = 0; i < t.n; ++i) t.value[i] = std::clamp(t.value[i], -bound_, bound_);
    }
  }

 private:
  ChosenLayers layers_;
  std::uint64_t start_epoch_;
  float bound_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Procedure<LatentClip>)
