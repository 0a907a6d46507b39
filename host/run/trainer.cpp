// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/run/trainer.hpp"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <utility>

#include "host/run/stages/stage.hpp"

namespace qloom::run {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

const stages::Action& stages::action_of(const pipeline::StageType& type) {
  for (const Action* action : table()) {
    if (std::string_view(action->name) == type.name) return *action;
  }
  throw std::logic_error(std::string("host/run/stages has no file for ") + type.name);
}

Trainer::Trainer(pipeline::Pipeline pipeline, const registry::Registry& registry,
                 results::Warnings::Tell tell)
    : state_{.network = nullptr,
             .procedures = {},
             .cursor = {},
             .added_rules = {},
             .event = 0,
             .lent = {},
             .facts = {},
             .warnings = results::Warnings(std::move(tell)),
             .step = {},
             .again = RunState::Again::kNoTime},
      setup_(std::move(pipeline), registry, state_.warnings) {
  install_run_service();
  state_.facts.methods = setup_.methods();
  state_.network = setup_.new_network();
  setup_.lower(*state_.network, {}, {});
  state_.network->parameters.initialise(setup_.model);
  state_.procedures = setup_.new_procedures();
}

void Trainer::prepare() { emit(services_, QLOOM_EVENT_PREPARE); }

bool Trainer::asks_for_another_round() {
  state_.again = RunState::Again::kMay;
  emit(services_, QLOOM_EVENT_AFTER_STAGE);
  return std::exchange(state_.again, RunState::Again::kNoTime) == RunState::Again::kAsked;
}

void Trainer::finalize_if_due() {
  Cursor& cursor = state_.cursor;
  const auto& stages = setup_.pipeline.stages;
  const bool more =
      std::any_of(stages.begin() + static_cast<std::ptrdiff_t>(cursor.stage), stages.end(),
                  [](const pipeline::Stage& stage) { return stage.type->trains; });
  if (more || cursor.weights == Cursor::Weights::kFinal) return;
  cursor.weights = Cursor::Weights::kFinal;
  emit(services_, QLOOM_EVENT_FINALIZE);
}

void Trainer::run_stages(const std::function<void()>& checkpoint, Progress& progress) {
  Keeper keeper(checkpoint, interval_);
  stages::Work work{services_, reloads_, keeper, progress};
  Cursor& cursor = state_.cursor;
  results::RunFacts& facts = state_.facts;
  emit(services_, QLOOM_EVENT_START);
  finalize_if_due();
  while (cursor.stage < setup_.pipeline.stages.size()) {
    const auto& stage = setup_.pipeline.stages[static_cast<std::size_t>(cursor.stage)];
    if (stage.type->trains) drop_inherited_averages(state_);
    if (cursor.epoch_of_stage == 0 && cursor.step_of_epoch == 0) {
      emit(services_, QLOOM_EVENT_STAGE);
    }
    const auto start = std::chrono::steady_clock::now();
    Json row = stages::action_of(*stage.type).run(work, stage);
    if (stage.type->trains) facts.training_seconds += seconds_since(start);
    row["type"] = stage.type->name;
    if (cursor.round > 0) row["round"] = cursor.round;
    facts.stages.push_back(std::move(row));
    cursor.epoch_of_stage = 0;
    if (asks_for_another_round()) {
      ++cursor.round;
    } else {
      ++cursor.stage;
      cursor.round = 0;
      if (stage.type->trains) finalize_if_due();
    }
    facts.seconds += seconds_since(start);
    keeper.keep(cursor.steps);
  }
  emit(services_, QLOOM_EVENT_END);
}

}  // namespace qloom::run
