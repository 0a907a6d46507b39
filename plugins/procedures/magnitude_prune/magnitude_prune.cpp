// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Pruning of Deep Compression (Han, Mao, Dally, 2016): small weights become 0 for good.
#include <algorithm>
#include <string>
#include <vector>

#include <qloom/chosen_layers.hpp>
#include <qloom/sdk.hpp>
#include <qloom/stage_rounds.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// Before round r of the stage, r = 1 .. rounds: the weights of least magnitude of each layer
/// become 0 and are held, until a share sparsity (1 - (1 - r / rounds)^exponent) of them is 0 (the
/// cubic course is that of Zhu, Gupta, 2017, eq. 1). A weight that is held at another value stays.
class MagnitudePrune {
 public:
  static constexpr std::uint32_t kCaps = StageRounds::kEvents;

  explicit MagnitudePrune(const Params& params)
      : layers_(params),
        stage_(params),
        sparsity_(params.number("/sparsity")),
        rounds_(static_cast<std::uint64_t>(params.integer("/rounds"))),
        exponent_(params.integer("/exponent")) {}

  void on(const Run& run, const qloom_event& event) const {
    if (stage_.ends(event)) stage_.go_on(run, event, rounds_);
    if (!stage_.begins(event)) return;
    const std::uint64_t round = std::min(event.round + 1, rounds_);  // others may ask for more
    const double left = 1.0 - static_cast<double>(round) / static_cast<double>(rounds_);
    double power = 1.0;
    for (std::int64_t i = 0; i < exponent_; ++i) power *= left;
    for (const RunTensor& t : layers_.weights(run)) {
      prune(run, t, count_of(t.n, sparsity_ * (1.0 - power)));
    }
  }

 private:
  static void prune(const Run& run, const RunTensor& t, std::uint64_t zeros) {
    const std::vector<std::uint64_t> places = by_falling_magnitude(t);
    std::vector<std::uint8_t> held = held_of(run, t);
    for (std::uint64_t i = t.n - zeros; i < t.n; ++i) {
      if (held[places[i]] != 0) continue;
      t.value[places[i]] = 0.0F;
      held[places[i]] = 1;
    }
    run.hold(t.index, held);
    std::uint64_t left = 0;
    for (std::uint64_t i = 0; i < t.n; ++i) left += t.value[i] != 0.0F;
    run.report((std::string("density/") + t.layer).c_str(),
               static_cast<double>(left) / static_cast<double>(t.n));
  }

  ChosenLayers layers_;
  StageRounds stage_;
  double sparsity_;
  std::uint64_t rounds_;
  std::int64_t exponent_;
};

}  // namespace

QLOOM_METHODS(Procedure<MagnitudePrune>)
