// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/cli/program/step.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "host/cli/commands.hpp"
#include "host/cli/outputs.hpp"
#include "host/cli/program/sides.hpp"
#include "host/compile/summary.hpp"
#include "host/compile/training/compile_step.hpp"
#include "host/data/claim.hpp"
#include "host/data/streams.hpp"
#include "host/run/run_files.hpp"
#include "host/step_program/files.hpp"
#include "host/tensor/error.hpp"

namespace qloom::cli {
namespace {

namespace fs = std::filesystem;
using step_program::Program;
using step_program::Values;

constexpr std::uint64_t kComparedSteps = 3;  // before anything is written

std::string configuration_of(const run::Setup& setup) {
  return data::digest_text(
      data::hash_of(pipeline::configuration(setup.pipeline, setup.registry).dump()));
}

/// What of a run keeps every step from being the same program.
std::vector<compile::Refusal> refusals_of(run::Begun& run) {
  std::vector<compile::Refusal> refusals;
  const pipeline::Pipeline& pipeline = run.setup().pipeline;
  for (const pipeline::Rule& rule : pipeline.rules) {
    if (rule.from_epoch == 0 && rule.from_step == 0) continue;
    refusals.push_back({rule.where, "begins to act in the middle of training (\"from\")", {}});
  }
  const pipeline::Stage& stage = run.stage();
  if (!stage.apply_rules) refusals.push_back({stage.where, "trains without its rules", {}});
  const pipeline::Optimizer& o = stage.optimizer;
  if (o.type != "sgd" || o.learning_rate != 1 || o.momentum != 0 || o.weight_decay != 0) {
    refusals.push_back({stage.where + "/optimizer",
                        "expected sgd with learning rate 1, momentum 0 and weight decay 0: the "
                        "gradient's quantizer holds the rate",
                        {}});
  }
  if (stage.schedule.type != "constant" || stage.schedule.warmup_steps != 0) {
    refusals.push_back({stage.where + "/schedule", "expected a constant learning rate", {}});
  }
  constexpr std::uint32_t kKnown = 1U << QLOOM_EVENT_PREPARE | 1U << QLOOM_EVENT_BEFORE_STEP |
                                   1U << QLOOM_EVENT_LOSS | 1U << QLOOM_EVENT_AFTER_BACKWARD |
                                   1U << QLOOM_EVENT_AFTER_STEP;
  for (std::size_t i = 0; i < run.state().procedures.size(); ++i) {
    if ((run.state().procedures[i].events() & ~kKnown) == 0) continue;
    refusals.push_back(
        {pipeline.procedures[i].where,
         fmt::format("procedure \"{}\" acts outside of steps", pipeline.procedures[i].id),
         {}});
  }
  return refusals;
}

/// Forward and backward of the first step, with all that they leave.
void run_first_pass(run::Begun& run) {
  network::Network& network = run.network();
  const run::Walk& batch = run.next_batch();
  network.plan.fuse(false);
  const network::Pass pass = run.parts().begin();
  run.parts().at_loss(network.plan.forward(batch.images(), pass), batch.labels());
  network.plan.backward(run.parts().logits_gradient());
}

/// Puts the run at a step of its training, for procedures that ask.
void stand_at(run::Begun& run, std::uint64_t step) {
  const std::uint64_t per_epoch = run.setup().batches.per_epoch();
  results::Cursor& cursor = run.state().cursor;
  cursor.steps = step;
  cursor.step_of_epoch = step % per_epoch;
  cursor.epochs = cursor.epoch_of_stage = step / per_epoch;
}

compile::CompiledStep compiled_of(run::Begun& run, const compile::Pixels& pixels) {
  run_first_pass(run);
  const auto loss_gradient = [&](const Tensor& logits, const std::vector<std::int32_t>& labels) {
    run.parts().at_loss(logits, labels);
    return run.parts().logits_gradient();
  };
  const auto update = [&](std::uint64_t step) {
    stand_at(run, step);
    run.parts().update(run.parts().begin());
    run.state().step = {};
    stand_at(run, 0);
  };
  const run::Batches& batches = run.setup().batches;
  return compile::compile_step({.network = run.network(),
                                .pixels = pixels,
                                .loss_gradient = loss_gradient,
                                .update = update,
                                .loss = run.state().cursor.loss,
                                .epochs = static_cast<std::uint64_t>(run.stage().epochs),
                                .steps_per_epoch = batches.per_epoch(),
                                .batch = batches.size,
                                .seed = run.setup().pipeline.seed});
}

/// Bytes of the images of a batch.
Values bytes_of(const data::Split& split, const std::vector<std::int32_t>& order,
                std::int64_t first, std::int64_t count) {
  const std::int64_t size = split.height * split.width * split.channels;
  Values values;
  for (std::int64_t i = first; i < first + count; ++i) {
    const auto* from = split.bytes.data() + order[static_cast<std::size_t>(i)] * size;
    values.insert(values.end(), from, from + size);
  }
  return values;
}

/// The letter t, the number of samples in four bytes, little end first, images, labels.
void add_record(const Values& images, const std::vector<std::int32_t>& labels,
                data::Bytes& records) {
  records.push_back('t');
  for (int shift = 0; shift < 32; shift += 8) {
    records.push_back(static_cast<std::uint8_t>(labels.size() >> shift));
  }
  for (const std::int64_t byte : images) records.push_back(static_cast<std::uint8_t>(byte));
  for (const std::int32_t label : labels) records.push_back(static_cast<std::uint8_t>(label));
}

std::uint64_t steps_of(std::int64_t asked, std::uint64_t there) {
  if (asked <= 0) return there;
  if (static_cast<std::uint64_t>(asked) <= there) return static_cast<std::uint64_t>(asked);
  throw InputError(
      fmt::format("--steps: {}, expected 1 to {}, the steps of the run", asked, there));
}

/// Also refuses an output that the run is read from.
void require_equal_steps(const Program& program, const CompileStep& options,
                         const registry::Registry& registry) {
  StepsBesideRun both(program, options.run, options.pipeline, registry);
  std::vector<fs::path> outputs;
  for (const char* name : {step_program::kStepFile, step_program::kArraysFile, ".qloom-claim"}) {
    outputs.push_back(options.output / name);
  }
  data::require_inputs_kept(run::files_of_run(options.run, both.pipeline()), outputs);
  const std::uint64_t steps = std::min(kComparedSteps, both.steps_of_run());
  for (std::uint64_t i = 0; i < steps; ++i) {
    const std::string difference = both.compare();
    if (difference.empty()) continue;
    throw RunError("the step program differs from the simulation; nothing is written\n" +
                   difference);
  }
}

}  // namespace

bool is_step_program(const fs::path& folder) {
  return fs::exists(folder / step_program::kStepFile);
}

Program compile_step_of(const fs::path& run_folder, const fs::path& pipeline_file,
                        const registry::Registry& registry) {
  run::Begun run(run_folder, pipeline_file, registry);
  std::vector<compile::Refusal> refusals = refusals_of(run);
  const compile::Pixels pixels = pixels_of(run.setup().batches);
  compile::CompiledStep compiled = compiled_of(run, pixels);
  refusals.insert(refusals.end(), compiled.refusals.begin(), compiled.refusals.end());
  if (!refusals.empty()) {
    throw InputError(fmt::format("{}: {} places of the training have no integer form{}",
                                 run_folder.string(), refusals.size(), compile::text_of(refusals)));
  }
  compiled.program.name = run.setup().pipeline.name;
  compiled.program.configuration = configuration_of(run.setup());
  return std::move(compiled.program);
}

StepsBesideRun::StepsBesideRun(const Program& program, const fs::path& run,
                               const fs::path& pipeline_file, const registry::Registry& registry)
    : program_(program),
      run_(run, pipeline_file, registry),
      state_(step_program::initial_state(program)) {
  if (program.configuration == configuration_of(run_.setup())) return;
  throw InputError(
      fmt::format("{}: the step program is of another run: configuration {}, expected {}",
                  run.string(), configuration_of(run_.setup()), program.configuration));
}

void StepsBesideRun::take(const run::Walk& batch, data::Bytes* records) {
  const results::Cursor& cursor = run_.state().cursor;
  const run::Batches& batches = run_.setup().batches;
  const std::vector<std::int32_t> order =
      data::shuffled_order(batches.dataset.train.count, batches.seed, cursor.epochs);
  const auto first = static_cast<std::int64_t>(cursor.step_of_epoch) * batches.size;
  const Values images = bytes_of(batches.dataset.train, order, first, batch.size());
  if (records != nullptr) add_record(images, batch.labels(), *records);
  step_program::execute_step(program_, state_, images, batch.labels());
}

void StepsBesideRun::execute(data::Bytes* records) {
  take(run_.next_batch(), records);
  run_.advance();
}

std::string StepsBesideRun::compare() {
  const std::uint64_t step = state_.step;
  take(run_.next_batch());
  run_.train();
  for (std::size_t i = 0; i < program_.parameters.size(); ++i) {
    const step_program::Tensor& tensor = program_.tensor(program_.parameters[i].tensor);
    for (const network::Parameter* p : run_.network().parameters.list()) {
      if (p->role != QLOOM_ROLE_WEIGHT || p->layer + ".weight" != tensor.name) continue;
      for (std::size_t j = 0; j < p->value.size(); ++j) {
        const double real = std::ldexp(static_cast<double>(state_.weights[i][j]), *tensor.exponent);
        if (double{p->value[j]} == real) continue;
        return fmt::format("step {}: {}, element {}: simulation {}, step program {}\n", step,
                           tensor.name, j, p->value[j], real);
      }
    }
  }
  return {};
}

void compile_step_command(const CompileStep& options) {
  const registry::Registry registry = open_registry_to_run();
  require_own_folder(options.output, step_program::kStepFile);
  const Program program = compile_step_of(options.run, options.pipeline, registry);
  require_equal_steps(program, options, registry);
  data::require_writable_folder(options.output);
  const data::Claim claim(options.output);
  step_program::write(program, options.output);
  std::int64_t weights = 0;
  for (const step_program::Parameter& parameter : program.parameters) {
    weights += program.tensor(parameter.tensor).size();
  }
  data::print("{} operations, {} stored weights, batches of {}\n", program.ops.size(), weights,
              program.batch);
  data::print("equal to the simulation in every weight behind each of the first {} steps\n",
              kComparedSteps);
}

void execute_steps_command(const ExecuteSteps& options) {
  Outputs outputs;
  outputs.plan("--output", options.output, {".npz"});
  outputs.plan("--batches", options.batches);
  for (const char* name : {step_program::kStepFile, step_program::kArraysFile}) {
    outputs.reads("the program", options.program / name);
  }
  outputs.check();
  const registry::Registry registry = open_registry_to_run();
  const Program program = step_program::read(options.program);
  StepsBesideRun steps(program, options.run, options.pipeline, registry);
  for (const data::InputFile& input : run::files_of_run(options.run, steps.pipeline())) {
    outputs.reads(input.place, input.file);
  }
  outputs.check();
  const std::uint64_t count = steps_of(options.steps, steps.steps_of_run());
  data::Bytes records;
  for (std::uint64_t i = 0; i < count; ++i) {
    steps.execute(options.batches.empty() ? nullptr : &records);
  }
  data::Arrays arrays;
  for (std::size_t i = 0; i < program.parameters.size(); ++i) {
    const step_program::Tensor& tensor = program.tensor(program.parameters[i].tensor);
    arrays[tensor.name] = {tensor.shape, steps.state().weights[i]};
  }
  outputs.set("--output", [&](const fs::path& file) { data::write_npz(file, arrays); });
  outputs.set("--batches", [&](const fs::path& file) { data::write_bytes(file, records); });
  outputs.commit();
  data::print("{} steps\n", count);
}

void diff_steps_command(const DiffSteps& options) {
  const bool is_first = is_step_program(options.a);
  const fs::path& folder = is_first ? options.a : options.b;
  const fs::path& run = is_first ? options.b : options.a;
  const registry::Registry registry = open_registry_to_run();
  const Program program = step_program::read(folder);
  StepsBesideRun both(program, run, options.pipeline, registry);
  const std::uint64_t count = steps_of(options.steps, both.steps_of_run());
  std::int64_t weights = 0;
  for (const Values& values : both.state().weights) {
    weights += static_cast<std::int64_t>(values.size());
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string difference = both.compare();
    if (difference.empty()) continue;
    data::print("{}", difference);
    throw RunError(fmt::format("{} and {} differ", options.a.string(), options.b.string()));
  }
  data::print("0 of {} weights differ behind each of {} steps\n", weights, count);
}

}  // namespace qloom::cli
