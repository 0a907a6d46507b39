// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Step programs beside the runs that they come from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "host/data/file.hpp"
#include "host/registry/registry.hpp"
#include "host/run/steps/begun.hpp"
#include "host/step_program/execute.hpp"

namespace qloom::cli {

/// Is this the folder of a step program?
[[nodiscard]] bool is_step_program(const std::filesystem::path& folder);

/// The step program of a run's training. InputError with the complete list of what has no integer
/// form.
[[nodiscard]] step_program::Program compile_step_of(const std::filesystem::path& run,
                                                    const std::filesystem::path& pipeline_file,
                                                    const registry::Registry& registry);

/// A run that goes through its training again beside its step program.
class StepsBesideRun {
 public:
  /// InputError for a program of another run.
  StepsBesideRun(const step_program::Program& program, const std::filesystem::path& run,
                 const std::filesystem::path& pipeline_file, const registry::Registry& registry);

  [[nodiscard]] const pipeline::Pipeline& pipeline() const { return run_.setup().pipeline; }
  [[nodiscard]] std::uint64_t steps_of_run() const { return run_.steps(); }
  [[nodiscard]] const step_program::State& state() const { return state_; }
  /// The next step of the executor alone, on the run's next batch; adds the batch to `records`, as
  /// the harness of an exported C program reads it, where it is not null.
  void execute(data::Bytes* records = nullptr);
  /// The same of both; the first stored weight that differs, or nothing.
  [[nodiscard]] std::string compare();

 private:
  void take(const run::Walk& batch, data::Bytes* records = nullptr);

  const step_program::Program& program_;
  run::Begun run_;
  step_program::State state_;
};

struct CompileStep {
  std::filesystem::path run, output, pipeline;
};
/// `qloom compile RUN --step`
void compile_step_command(const CompileStep& options);

struct ExecuteSteps {
  std::filesystem::path program, run, output, batches, pipeline;
  std::int64_t steps = 0;
};
/// `qloom execute PROGRAM --run RUN --steps N`: the weights behind N steps.
void execute_steps_command(const ExecuteSteps& options);

struct DiffSteps {
  std::filesystem::path a, b, pipeline;
  std::int64_t steps = 0;
};
/// `qloom diff RUN PROGRAM --steps N`
void diff_steps_command(const DiffSteps& options);

}  // namespace qloom::cli
