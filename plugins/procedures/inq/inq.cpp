// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Incremental network quantization (Zhou, Yao, Guo, Xu, Chen, 2017).
#include <algorithm>
#include <string>
#include <vector>

#include <qloom/chosen_layers.hpp>
#include <qloom/sdk.hpp>
#include <qloom/stage_rounds.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// Before round r of the stage, and when the last round is complete: a share portions[r] of each
/// layer's weights takes the values of the weight rule and is held there; the others train on, in
/// float. A held weight never moves again; the last portion, 1, is not trained.
class Inq {
 public:
  static constexpr std::uint32_t kCaps = StageRounds::kEvents;

  explicit Inq(const Params& params)
      : layers_(params),
        stage_(params),
        is_random_(params.text("/partition") == "random"),
        resets_momentum_(params.flag("/reset_momentum")) {
    for (std::uint64_t i = 0; i < params.size("/portions"); ++i) {
      const std::string pointer = concat("/portions/", i);
      const double portion = params.number(pointer.c_str());
      if (!portions_.empty() && portion <= portions_.back()) {
        throw Error(QLOOM_E_INVALID, concat(pointer, ": ", portion, ", expected more than the ",
                                            portions_.back(), " before"));
      }
      portions_.push_back(portion);
    }
    if (portions_.back() != 1.0) {
      throw Error(QLOOM_E_INVALID, concat("/portions/", portions_.size() - 1, ": ",
                                          portions_.back(), ", expected 1, all weights, at last"));
    }
  }

  void on(const Run& run, const qloom_event& event) const {
    const std::uint64_t rounds = std::max<std::uint64_t>(1, portions_.size() - 1);
    const std::uint64_t last = portions_.size() - 1;  // others may ask for more rounds
    if (stage_.begins(event) && last > 0) quantize(run, std::min(event.round, last));
    if (!stage_.ends(event)) return;
    stage_.go_on(run, event, rounds);
    if (event.round + 1 >= rounds) quantize(run, last);
  }

 private:
  void quantize(const Run& run, std::uint64_t portion) const {
    for (const RunTensor& t : layers_.weights(run)) {
      const std::vector<float> levels = levels_of(run, t);
      std::vector<std::uint8_t> held = held_of(run, t);
      for (const std::uint64_t i : chosen(run, t, held, portion)) {
        t.value[i] = levels[i];
        held[i] = 1;
      }
      run.hold(t.index, held);
      if (resets_momentum_) reset_velocity(run, t);
    }
  }

  /// Places of free weights that bring the share of held ones to this portion.
  [[nodiscard]] std::vector<std::uint64_t> chosen(const Run& run, const RunTensor& t,
                                                  const std::vector<std::uint8_t>& held,
                                                  std::uint64_t portion) const {
    std::vector<std::uint64_t> places = by_falling_magnitude(t);
    std::erase_if(places, [&](std::uint64_t i) { return held[i] != 0; });
    if (is_random_) shuffle(run, t, places);
    const std::uint64_t wanted = count_of(t.n, portions_[portion]), have = t.n - places.size();
    places.resize(std::min<std::uint64_t>(places.size(), wanted > have ? wanted - have : 0));
    return places;
  }
  static void shuffle(const Run& run, const RunTensor& t, std::vector<std::uint64_t>& places) {
    std::vector<float> keys(t.n);
    run.random_uniform(concat("inq/", t.layer).c_str(), keys.data(), t.n);
    std::sort(places.begin(), places.end(), [&](std::uint64_t a, std::uint64_t b) {
      return std::pair(keys[a], a) < std::pair(keys[b], b);
    });
  }

  ChosenLayers layers_;
  StageRounds stage_;
  std::vector<double> portions_;
  bool is_random_, resets_momentum_;
};

}  // namespace

QLOOM_METHODS(Procedure<Inq>)
