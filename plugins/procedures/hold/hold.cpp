// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Differentiable quantization (Polino, Pascanu, Alistarh, 2018): the weights stay, what quantizes
// them learns.
#include <vector>

#include <qloom/chosen_layers.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// Every weight of the layers keeps its bits from the start on.
class Hold {
 public:
  static constexpr std::uint32_t kCaps = 1U << QLOOM_EVENT_PREPARE;

  explicit Hold(const Params& params) : layers_(params) {}

  void on(const Run& run, const qloom_event&) const {
    for (const RunTensor& t : layers_.weights(run)) {
      run.hold(t.index, std::vector<std::uint8_t>(t.n, 1));
    }
  }

 private:
  ChosenLayers layers_;
};

}  // namespace

QLOOM_METHODS(Procedure<Hold>)
