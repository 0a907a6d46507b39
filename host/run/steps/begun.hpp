// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A run as it stood before its first step of training, taken again step by step.
#pragma once

#include <filesystem>
#include <optional>

#include "host/run/steps/training_step.hpp"
#include "host/run/trainer.hpp"

namespace qloom::run {

class Begun {
 public:
  /// As Finished, but with the weights that the run began with. InputError also where the first
  /// stage does not train, or another one does too, or the run that this one starts from is not in
  /// its folder.
  Begun(const std::filesystem::path& folder, const std::filesystem::path& pipeline_file,
        const registry::Registry& registry);

  [[nodiscard]] network::Network& network() { return trainer_.network(); }
  [[nodiscard]] const Setup& setup() const { return trainer_.setup(); }
  [[nodiscard]] RunState& state() { return trainer_.state(); }
  [[nodiscard]] const pipeline::Stage& stage() const { return setup().pipeline.stages[0]; }
  /// Steps of the stage.
  [[nodiscard]] std::uint64_t steps() const;
  [[nodiscard]] TrainingStep& parts() { return step_; }

  /// Loads the batch that comes next in the run's order.
  const Walk& next_batch();
  /// The step on that batch.
  void train();
  /// Goes to the next step without one.
  void advance();

 private:
  Trainer trainer_;
  TrainingStep step_;
  std::optional<Walk> walk_;  ///< of the epoch
};

}  // namespace qloom::run
