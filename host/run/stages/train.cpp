// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Epochs and steps of training, checkpoints inside an epoch.
#include <utility>

#include <fmt/format.h>

#include "host/registry/calls/call_record.hpp"
#include "host/results/formats/formats.hpp"
#include "host/run/stages/stage.hpp"
#include "host/run/steps/training_step.hpp"
#include "host/tensor/error.hpp"

namespace qloom::run::stages {
namespace {

/// "training diverged" only where values are not finite: a method that merely refuses is told as it
/// is, whatever a buffer holds that nobody has written yet.
std::string cause_of(const RunError& error, const network::Network& network) {
  const bool was_seen = dynamic_cast<const NotFinite*>(&error) != nullptr;
  const auto* refusal = dynamic_cast<const registry::Refusal*>(&error);
  const bool may_be = was_seen || (refusal != nullptr && refusal->status() == QLOOM_E_NUMERIC);
  const std::string tensor = may_be ? network.first_non_finite() : "";
  if (!was_seen && tensor.empty()) return error.what();
  return fmt::format("training diverged{}: {}",
                     tensor.empty() ? "" : fmt::format(", first seen in \"{}\"", tensor),
                     error.what());
}

/// Once a step: what no call was seen to change, for instance on a thread of the pool inside a
/// kernel that called a rounding method. RunError that names who may have done it.
void require_floating_point(const std::set<const registry::Method*>& methods) {
  registry::require_floating_point();
  const std::string change = registry::restore_all_threads();
  if (change.empty()) return;
  std::string names;
  for (const registry::Method* m : methods) {
    names += fmt::format("{}{} \"{}\"", names.empty() ? "" : ", ", m->kind, m->id);
  }
  throw RunError(
      fmt::format("one of {} changed the floating-point state of a thread: {}", names, change));
}

/// A train stage under way.
class Training {
 public:
  Training(Work& work, const pipeline::Stage& stage)
      : work_(work),
        setup_(work.run.setup),
        state_(work.run.state),
        cursor_(work.run.state.cursor),
        stage_(stage),
        steps_(setup_.batches.per_epoch()),
        step_(work.run, stage) {}

  void run() {
    const auto epochs = static_cast<std::uint64_t>(stage_.epochs);
    cursor_.loss = setup_.reported_loss(stage_);
    if (stage_.optimizer.resets && cursor_.epoch_of_stage == 0 && cursor_.step_of_epoch == 0) {
      state_.network->reset_optimizer();
      cursor_.optimizer_start = cursor_.steps;
    }
    while (cursor_.epoch_of_stage < epochs) {
      epoch();
      state_.facts.formats_of_training =
          results::formats_of(*state_.network, results::FormatsOf::kTraining);
      cursor_.step_of_epoch = 0;
      ++cursor_.epoch_of_stage;
      ++cursor_.epochs;
      emit(work_.run, QLOOM_EVENT_AFTER_EPOCH);
      lower_if_due();  // before the checkpoint, which then holds the state of the new methods
      if (cursor_.epoch_of_stage < epochs) work_.keeper.keep(cursor_.steps);
    }
  }

 private:
  void lower_if_due() { setup_.lower_if_due(*state_.network, state_.done(), state_.added_rules); }

  void epoch() {
    Walk samples = setup_.batches.training(cursor_.epochs);
    work_.progress.begin(fmt::format("epoch {}/{}", cursor_.epoch_of_stage + 1, stage_.epochs),
                         steps_);
    std::uint64_t& i = cursor_.step_of_epoch;  // not 0 after a stop inside the epoch
    if (i == 0) cursor_.sums = {};
    std::string figures;
    while (i < steps_) {
      samples.load(i);
      add(work_.reloads.step([&] { return named_step(samples); }, work_.progress), samples.size());
      figures = fmt::format("loss {:.4f}, accuracy {:.2f} %", mean_loss(), 100.0 * accuracy());
      work_.progress.step(i, figures);
      if (i == steps_) break;
      lower_if_due();
      if (work_.keeper.is_due(cursor_.steps)) work_.keeper.keep(cursor_.steps);
    }
    Json& series = state_.facts.series;
    series["epoch"].push_back(cursor_.epochs + 1);
    series["loss"].push_back(mean_loss());
    series["accuracy"].push_back(accuracy());
    series["learning_rate"].push_back(cursor_.learning_rate);
    work_.progress.end(figures);
  }

  /// A step is done.
  void add(const layers::Loss& loss, std::int64_t samples) {
    cursor_.sums.loss += loss.sum;
    cursor_.sums.correct += loss.correct;
    cursor_.sums.seen += samples;
    ++cursor_.steps;
    ++state_.facts.steps_run;
    ++cursor_.step_of_epoch;
  }
  [[nodiscard]] double mean_loss() const { return cursor_.sums.loss / double(cursor_.sums.seen); }
  [[nodiscard]] double accuracy() const {
    return double(cursor_.sums.correct) / double(cursor_.sums.seen);
  }

  /// step(); what goes wrong says at which.
  layers::Loss named_step(const Walk& batch) try {
    registry::set_present_step(cursor_.steps);
    const layers::Loss loss = step_.run(batch);
    state_.step = {};
    require_floating_point(state_.facts.methods);
    registry::set_present_step(registry::kNoStep);
    return loss;
  } catch (const RunError& error) {
    state_.step = {};
    throw RunError(fmt::format("step {}: {}", cursor_.steps, cause_of(error, *state_.network)));
  }

  Work& work_;
  const Setup& setup_;
  RunState& state_;
  Cursor& cursor_;
  const pipeline::Stage& stage_;
  std::uint64_t steps_;  ///< of an epoch
  TrainingStep step_;
};

Json train(Work& work, const pipeline::Stage& stage) {
  Training(work, stage).run();
  return {{"epochs", stage.epochs}};
}

}  // namespace

extern const Action kTrain{"train", &train};

}  // namespace qloom::run::stages
