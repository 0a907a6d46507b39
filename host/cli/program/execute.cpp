// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <fmt/format.h>

#include "host/cli/commands.hpp"
#include "host/cli/outputs.hpp"
#include "host/cli/program/folder.hpp"
#include "host/cli/program/sides.hpp"
#include "host/cli/program/step.hpp"
#include "host/data/arrays/npy.hpp"
#include "host/data/streams.hpp"
#include "host/program/files.hpp"
#include "host/tensor/error.hpp"

namespace qloom::cli {
namespace {

namespace fs = std::filesystem;

struct ExecuteCommand {
  fs::path program, input, output, trace, run, batches, pipeline;
  bool is_reference = false;
  std::int64_t steps = 0;
};

/// All outputs in a .npz by name, or the first one in a .npy.
void write_outputs(const program::Program& program, const std::vector<program::Values>& outputs,
                   const fs::path& file, bool is_npz) {
  data::Arrays arrays;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const program::Tensor& tensor = program.tensor(program.outputs[i]);
    data::Array array = array_of(tensor, outputs[i]);
    if (!is_npz) return data::write_bytes(file, data::npy_bytes(array));
    arrays[tensor.name] = std::move(array);
  }
  data::write_npz(file, arrays);
}

void write_trace(const program::Program& program, const std::vector<program::Values>& tensors,
                 const fs::path& file) {
  data::Arrays arrays;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    arrays[program.tensors[i].name] = array_of(program.tensors[i], tensors[i]);
  }
  data::write_npz(file, arrays);
}

void execute_steps(const ExecuteCommand& options) {
  if (options.run.empty()) {
    throw InputError("--run is required: a step program takes the batches of a run");
  }
  if (!options.input.empty() || !options.trace.empty()) {
    throw InputError("--input and --trace are for integer programs, not for step programs");
  }
  execute_steps_command({options.program, options.run, options.output, options.batches,
                         options.pipeline, options.steps});
}

void execute_program(const ExecuteCommand& options) {
  require_program(options.program, Takes::kProgramsAndSteps);
  if (is_step_program(options.program)) return execute_steps(options);
  if (!options.run.empty() || options.steps != 0 || !options.pipeline.empty() ||
      !options.batches.empty()) {
    throw InputError("--run, --steps, --batches and --pipeline are for step programs (step.json)");
  }
  if (options.input.empty()) throw InputError("--input is required");
  Outputs outputs;
  outputs.plan("--output", options.output, {".npy", ".npz"});
  outputs.plan("--trace", options.trace, {".npz"});
  outputs.reads("--input", options.input);
  for (const char* file : {"program.json", "program.npz"}) {
    outputs.reads("the program", options.program / file);
  }
  outputs.check();
  const program::Program program = program::read(options.program);
  std::int64_t samples = 0;
  const program::Values input = read_input(options.input, program, samples);
  const Runner runner(program, options.is_reference);
  std::vector<program::Values> tensors, results;
  if (options.trace.empty()) {
    results = runner.outputs(input, samples);
  } else {
    tensors = runner.trace(input, samples);
    for (const int output : program.outputs) {
      results.push_back(tensors[static_cast<std::size_t>(output)]);
    }
  }
  const bool is_npz = options.output.extension() == ".npz";
  outputs.set("--output",
              [&](const fs::path& file) { write_outputs(program, results, file, is_npz); });
  outputs.set("--trace", [&](const fs::path& file) { write_trace(program, tensors, file); });
  outputs.commit();
  data::print("{} samples\n", samples);
}

}  // namespace

void add_execute(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "execute",
      "Runs an integer program, in integers alone, on an array, or the steps of a training.");
  auto options = std::make_shared<ExecuteCommand>();
  command
      ->add_option("program", options->program,
                   "Folder of a program or of a step program (qloom compile)")
      ->required()
      ->type_name("PROGRAM");
  command
      ->add_option("--input", options->input,
                   "Integers, (samples, height, width, channels): bytes of images, or codes where "
                   "the program begins with codes")
      ->type_name("FILE.npy");
  command
      ->add_option(
          "--output", options->output,
          ".npy: the first output, the logits; .npz: all outputs by name; of a step program: the "
          "weights behind the last step")
      ->required()
      ->type_name("FILE");
  command->add_option("--trace", options->trace, "Every tensor of the program by name")
      ->type_name("FILE.npz");
  command->add_flag("--reference", options->is_reference,
                    "Plain loops, which define what a program computes; the same numbers, slowly");
  command->add_option("--run", options->run, "Of a step program: the run whose batches it takes")
      ->type_name("RUN");
  command
      ->add_option(
          "--batches", options->batches,
          "Of a step program: written; the batches of the run, as the harness of its C reads them")
      ->type_name("FILE");
  command->add_option("--steps", options->steps, "How many of them. Default: all of the run")
      ->check(count())
      ->type_name("N");
  command
      ->add_option("--pipeline", options->pipeline,
                   "The run's pipeline file. Default: where it was when the run was made")
      ->type_name("PIPELINE.json");
  command->callback([options, &action] { action = [options] { execute_program(*options); }; });
}

}  // namespace qloom::cli
