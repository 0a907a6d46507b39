// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Retraining-based iterative weight quantization (Lee, Kim, 2018).
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <qloom/chosen_layers.hpp>
#include <qloom/sdk.hpp>
#include <qloom/stage_rounds.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// Before each round of the stage, and when the last is complete: w = Q(w) in place, Q the weight
/// rule. Training in between is in float and knows nothing of Q. Elements that are held stay. The
/// relative error ||Q(w) - w|| / ||w|| before each Q is a series of the report for each layer.
class IterativeWeightQuant {
 public:
  static constexpr std::uint32_t kCaps = StageRounds::kEvents;

  explicit IterativeWeightQuant(const Params& params)
      : layers_(params),
        stage_(params),
        rounds_(static_cast<std::uint64_t>(params.integer("/rounds"))),
        resets_momentum_(params.flag("/reset_momentum")) {}

  void on(const Run& run, const qloom_event& event) const {
    if (stage_.begins(event)) quantize(run);
    if (!stage_.ends(event)) return;
    stage_.go_on(run, event, rounds_);
    if (event.round + 1 >= rounds_) quantize(run);
  }

 private:
  void quantize(const Run& run) const {
    for (const RunTensor& t : layers_.weights(run)) {
      std::vector<float> levels = levels_of(run, t);
      const std::vector<std::uint8_t> held = held_of(run, t);
      double error = 0, size = 0;
      for (std::uint64_t i = 0; i < t.n; ++i) {
        if (held[i] != 0) levels[i] = t.value[i];
        const double d = double{levels[i]} - double{t.value[i]};
        error += d * d;
        size += double{t.value[i]} * double{t.value[i]};
      }
      std::copy(levels.begin(), levels.end(), t.value);
      run.report((std::string("quantization_error/") + t.layer).c_str(),
                 size > 0 ? std::sqrt(error / size) : 0.0);
      if (resets_momentum_) reset_velocity(run, t);
    }
  }

  ChosenLayers layers_;
  StageRounds stage_;
  std::uint64_t rounds_;
  bool resets_momentum_;
};

}  // namespace

QLOOM_METHODS(Procedure<IterativeWeightQuant>)
