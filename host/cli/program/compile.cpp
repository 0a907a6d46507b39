// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <fmt/format.h>

#include "host/cli/commands.hpp"
#include "host/cli/outputs.hpp"
#include "host/cli/program/sides.hpp"
#include "host/cli/program/step.hpp"
#include "host/compile/summary.hpp"
#include "host/data/claim.hpp"
#include "host/data/hash.hpp"
#include "host/data/streams.hpp"
#include "host/json/text.hpp"
#include "host/program/constants.hpp"
#include "host/program/diff.hpp"
#include "host/program/document.hpp"
#include "host/program/files.hpp"
#include "host/run/run_files.hpp"
#include "host/tensor/error.hpp"

namespace qloom::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kSamples = 256;

struct CompileCommand {
  fs::path run, output, pipeline;
  std::int64_t samples = 0;  ///< 0: kSamples
  std::string requantizer;
  bool require_integer = false;
  bool is_step = false;
};

/// {"plugin": "multiplier", "bits": n}: what is fitted to the thresholds.
compile::Options options_of(const std::string& text) {
  if (text.empty()) return {};
  const json::Json rule = json::parse(text, "--requantizer");
  const bool is_multiplier = rule.is_object() && rule.value("plugin", json::Json()) == "multiplier";
  const json::Json bits = is_multiplier ? rule.value("bits", json::Json(31)) : json::Json();
  const bool is_known = is_multiplier && rule.size() == (rule.contains("bits") ? 2U : 1U);
  if (!is_known || !bits.is_number_integer() || bits < 4 || bits > 31) {
    throw InputError(
        fmt::format("--requantizer: {}, expected {{\"plugin\": \"multiplier\", "
                    "\"bits\": 4 to 31}}",
                    text));
  }
  return {bits.get<int>()};
}

/// Runs program and simulation on the first samples of the test set; RunError where they differ.
void require_equal(Simulation& simulation, std::int64_t samples) {
  const program::Program& program = simulation.compiled().program;
  program::Diff diff(program);
  std::int64_t done = 0;
  const std::int64_t all = std::min(samples, simulation.samples());
  for (std::uint64_t i = 0; done < all; ++i) {
    const std::vector<program::Values> simulated = simulation.batch(i);
    const auto& input = simulated[static_cast<std::size_t>(program.input)];
    diff.add(done, simulation.size(), simulated,
             program::execute(program, input, simulation.size()));
    done += simulation.size();
  }
  if (!diff.differs()) return;
  throw RunError(fmt::format("the program differs from the simulation; nothing is written\n{}",
                             diff.text("simulation", "program")));
}

/// InputError where the program would be written over the run or what its pipeline names.
void require_run_kept(const CompileCommand& options, const pipeline::Pipeline& pipeline) {
  std::vector<fs::path> outputs;
  for (const char* name :
       {program::kProgramFile, program::kConstantsFile, "compile.json", ".qloom-claim"}) {
    outputs.push_back(options.output / name);
  }
  data::require_inputs_kept(run::files_of_run(options.run, pipeline), outputs);
}

void compile_run(const CompileCommand& options) {
  if (options.is_step) {
    if (!options.requantizer.empty()) {
      throw InputError("--requantizer: not together with --step, whose codes are shifts");
    }
    if (options.samples != 0) {
      throw InputError(
          "--samples: not together with --step, which is compared with the first steps of the run");
    }
    if (options.require_integer) {
      throw InputError("--require-integer: not together with --step, which has integers alone");
    }
    return compile_step_command({options.run, options.output, options.pipeline});
  }
  const compile::Options fitting = options_of(options.requantizer);
  const registry::Registry registry = open_registry_to_run();
  require_own_folder(options.output, program::kProgramFile);
  Simulation simulation(options.run, options.pipeline, registry, fitting);
  require_run_kept(options, simulation.run().pipeline());
  if (options.require_integer) {
    program::require_integer(simulation.compiled().program, "--require-integer");
  }
  const std::int64_t samples = options.samples != 0 ? options.samples : kSamples;
  require_equal(simulation, samples);
  const json::Json summary = compile::summary_of(simulation.compiled());
  program::Program program = simulation.compiled().program;
  const fs::path checkpoint = options.run / "checkpoint.npz";
  const pipeline::Pipeline& pipeline = simulation.run().pipeline();
  program.origin = {
      pipeline.name,
      data::digest_text(data::hash_of(pipeline::configuration(pipeline, registry).dump())),
      data::hash_file(checkpoint).digest};
  data::require_writable_folder(options.output);
  const data::Claim claim(options.output);
  program::write(program, options.output);
  data::write_text(options.output / "compile.json", summary.dump(2) + "\n");
  data::print("{}", compile::summary_text(summary));
  data::print("equal to the simulation on the first {} samples of the test set\n",
              std::min(samples, simulation.samples()));
}

}  // namespace

void add_compile(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "compile", "Makes the integer program of a finished run: its network without a float.");
  auto options = std::make_shared<CompileCommand>();
  command->add_option("run", options->run, "Output folder of a run")->required()->type_name("RUN");
  command->add_option("--output", options->output, "Folder of the program")
      ->required()
      ->type_name("DIR");
  command
      ->add_option(
          "--pipeline", options->pipeline,
          "Where the run's pipeline file lies now: paths of the run start from its folder; what it "
          "holds is not read, the report has it. Default: where it lay then")
      ->type_name("PIPELINE.json");
  command
      ->add_option("--requantizer", options->requantizer,
                   "{\"plugin\": \"multiplier\", \"bits\": 24}: a multiplier and a shift in place "
                   "of thresholds, in layers whose channels all have one that gives the same codes")
      ->type_name("JSON");
  command->add_flag(
      "--require-integer", options->require_integer,
      "Refuses a program with a step in floating point, which a requantizer may have");
  command
      ->add_option(
          "--samples", options->samples,
          fmt::format("Test samples on which program and simulation are compared. Default: "
                      "{}",
                      kSamples))
      ->check(count())
      ->type_name("N");
  command->add_flag("--step", options->is_step,
                    "One step of its training in place of its network: forward, backward and "
                    "update on integers");
  command->callback([options, &action] { action = [options] { compile_run(*options); }; });
}

}  // namespace qloom::cli
