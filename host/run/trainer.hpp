// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The loop over the stages of a run.
#pragma once

#include <functional>

#include "host/run/keeper.hpp"
#include "host/run/progress.hpp"
#include "host/run/reload.hpp"
#include "host/run/services/run_service.hpp"
#include "host/run/state.hpp"

namespace qloom::run {

class Trainer {
 public:
  /// Loads and checks everything (setup.hpp), then makes the starting weights. InputError for wrong
  /// input; `tell` gets each warning when it is found.
  Trainer(pipeline::Pipeline pipeline, const registry::Registry& registry,
          results::Warnings::Tell tell = results::print_warning);
  Trainer(const Trainer&) = delete;  // procedures hold the address of its services
  Trainer& operator=(const Trainer&) = delete;

  /// From now on a library that is written anew replaces its methods at the next step.
  void watch_plugins() { reloads_.watch(); }
  void checkpoint_every(CheckpointInterval interval) { interval_ = interval; }
  /// Event PREPARE; once, for a run that is not resumed, in front of run_stages().
  void prepare();
  /// Runs the stages from the cursor on; calls `checkpoint` after each epoch and each stage, inside
  /// an epoch as the interval says, and before it throws Stopped (stop.hpp).
  void run_stages(const std::function<void()>& checkpoint, Progress& progress);

  [[nodiscard]] const Setup& setup() const { return setup_; }
  [[nodiscard]] RunState& state() { return state_; }
  [[nodiscard]] Services& services() { return services_; }
  [[nodiscard]] network::Network& network() { return *state_.network; }
  [[nodiscard]] const Cursor& cursor() const { return state_.cursor; }
  [[nodiscard]] const results::RunFacts& facts() const { return state_.facts; }

 private:
  void finalize_if_due();
  /// Event AFTER_STAGE.
  bool asks_for_another_round();

  RunState state_;
  Setup setup_;
  Services services_{setup_, state_};
  Reloads reloads_{setup_, state_};
  CheckpointInterval interval_;
};

}  // namespace qloom::run
