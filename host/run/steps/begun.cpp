// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/run/steps/begun.hpp"

#include <fmt/format.h>

#include "host/run/finished.hpp"
#include "host/tensor/error.hpp"

namespace qloom::run {
namespace {

/// InputError unless the first stage is the one that trains.
pipeline::Pipeline training_pipeline(pipeline::Pipeline pipeline) {
  const auto refuse = [&](std::size_t stage, const char* message) {
    throw InputError(fmt::format("{}: /stages/{}: {}", pipeline.file.string(), stage, message));
  };
  const auto& stages = pipeline.stages;
  if (stages.empty() || !stages[0].type->trains) refuse(0, "expected a stage that trains");
  for (std::size_t i = 1; i < stages.size(); ++i) {
    if (stages[i].type->trains) refuse(i, "a second stage that trains, expected one");
  }
  return pipeline;
}

}  // namespace

Begun::Begun(const std::filesystem::path& folder, const std::filesystem::path& pipeline_file,
             const registry::Registry& registry)
    : trainer_(training_pipeline(pipeline_of(folder, pipeline_file, registry)), registry,
               [](const Warning&) {}),  // the run has told them
      step_(trainer_.services(), trainer_.setup().pipeline.stages[0]) {
  const pipeline::Pipeline& pipeline = setup().pipeline;
  if (!pipeline.weights.empty()) start_from(setup(), state(), pipeline.weights, true);
  if (!pipeline.start_from.empty()) {
    const std::filesystem::path begun = folder / "start_from" / "checkpoint.npz";
    if (!std::filesystem::exists(begun)) {
      throw InputError(fmt::format("{}: no such file; the run began with it", begun.string()));
    }
    start_from(setup(), state(), begun, pipeline.takes_state);
  }
  trainer_.prepare();
  state().cursor.loss = setup().reported_loss(stage());
}

std::uint64_t Begun::steps() const {
  return static_cast<std::uint64_t>(stage().epochs) * setup().batches.per_epoch();
}

const Walk& Begun::next_batch() {
  const results::Cursor& cursor = state().cursor;
  if (!walk_) walk_ = setup().batches.training(cursor.epochs);
  walk_->load(cursor.step_of_epoch);
  return *walk_;
}

void Begun::train() {
  step_.run(*walk_);
  state().step = {};
  advance();
}

void Begun::advance() {
  results::Cursor& cursor = state().cursor;
  ++cursor.steps;
  if (++cursor.step_of_epoch < setup().batches.per_epoch()) return;
  cursor.step_of_epoch = 0;
  ++cursor.epoch_of_stage;
  ++cursor.epochs;
  walk_.reset();
}

}  // namespace qloom::run
