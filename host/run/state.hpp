// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What a run changes: all of it stands in a checkpoint, but for the step under way.
#pragma once

#include <cstdint>
#include <filesystem>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "host/data/arrays/array_reader.hpp"
#include "host/methods/procedure.hpp"
#include "host/network/network.hpp"
#include "host/placing/placing.hpp"
#include "host/results/checkpoint_text.hpp"
#include "host/results/facts.hpp"
#include "host/results/warnings.hpp"
#include "host/run/setup.hpp"

namespace qloom::run {

using json::Json;
using results::Cursor;

/// A training step as procedures see it.
struct Step {
  enum class Phase {
    kNone,      ///< no step is under way
    kUnderWay,  ///< there are gradients
    kAtLoss     ///< between forward and backward: there are logits, quantizers stay as they are
  };
  Phase phase = Phase::kNone;
  double rate_factor = 1;  ///< what the learning rate of the step is multiplied by
  // At the loss alone.
  const float* logits = nullptr;
  float* gradient = nullptr;
  const std::int32_t* labels = nullptr;
  std::int64_t batch = 0, classes = 0;
};

struct RunState {
  std::unique_ptr<network::Network> network;
  std::vector<methods::Procedure> procedures;
  Cursor cursor;
  std::vector<pipeline::Rule> added_rules;  ///< of procedures, as facts.added_rules
  std::uint32_t event = 0;                  ///< QLOOM_EVENT_*, the last one that was told
  std::list<qloom_encoding> lent;           ///< to a procedure, while its event lasts
  results::RunFacts facts;  ///< what it has collected so far; facts.hpp completes it
  results::Warnings warnings;
  Step step;
  /// May a procedure ask for one more round of the stage, and has it?
  enum class Again { kNoTime, kMay, kAsked } again = Again::kNoTime;

  /// How far training has come.
  [[nodiscard]] placing::Moment done() const { return {cursor.epochs, cursor.steps}; }
};

/// Starting weights from a checkpoint or .npz: parameters and norm statistics; with `takes_state`
/// also what methods learned at readers that keep it, and shadows with their norm statistics,
/// which a train stage drops. InputError as Setup::check_stages().
void start_from(const Setup& setup, RunState& state, const std::filesystem::path& weights,
                bool takes_state);
/// Shadows that came with the starting weights go; before training, and before a procedure sets
/// its own.
void drop_inherited_averages(RunState& state);

/// All that a checkpoint holds, and the way back; `where` names it in messages. InputError when it
/// is of another pipeline or seed.
[[nodiscard]] data::Arrays arrays_of(const Setup& setup, const RunState& state);
void restore(const Setup& setup, RunState& state, const data::Arrays& arrays,
             const std::string& where);

}  // namespace qloom::run
