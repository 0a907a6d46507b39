// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <fmt/format.h>

#include "host/cli/commands.hpp"
#include "host/cli/outputs.hpp"
#include "host/data/streams.hpp"
#include "host/run/run.hpp"

namespace qloom::cli {
namespace {

struct RunCommand {
  run::RunOptions run;
  std::uint64_t seed = 0;
  std::string every;
};

void execute_run(const RunCommand& options) {
  require_own_folder(options.run.output, "report.json");
  const registry::Registry registry = open_registry_to_run();
  const json::Json report = run::run(options.run, registry);
  if (report.contains("final")) {
    data::print(
        "{}: accuracy {:.2f} %, loss {:.4f} on {} samples\n", report["name"].get<std::string>(),
        100.0 * report["final"]["accuracy"].get<double>(), report["final"]["loss"].get<double>(),
        report["final"]["count"].get<std::int64_t>());
  } else {
    data::print("{}: done, without an evaluate stage\n", report["name"].get<std::string>());
  }
}

std::string refusal_of_interval(const std::string& text) {
  if (run::parse_interval(text)) return "";
  return text +
         " is no interval; expected a whole number of steps, for instance 200 or 200steps, or of "
         "seconds, 30s";
}

/// What is run, and where it goes. Returns the option of the seed.
CLI::Option* add_subject(CLI::App* command, RunCommand& options) {
  command->add_option("pipeline", options.run.pipeline, "Pipeline file")
      ->required()
      ->type_name("PIPELINE.json");
  command
      ->add_option("--set", options.run.overrides,
                   "Changes one place of the pipeline; the value is JSON, or else a string")
      ->allow_extra_args(false)
      ->type_name("/json/pointer=value");
  command
      ->add_option("--output", options.run.output,
                   "Output folder. Default: runs/<name of the pipeline file>")
      ->type_name("DIR");
  command
      ->add_option("--threads", options.run.threads,
                   "Threads; results do not depend on it. Default: one per processor")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  return command->add_option("--seed", options.seed, "Seed instead of the pipeline's")
      ->check(whole_number())
      ->type_name("N");
}

/// How the run goes.
void add_course(CLI::App* command, RunCommand& options) {
  command->add_flag("--resume", options.run.resume,
                    "Goes on from the checkpoint in the output folder, if there is one");
  command
      ->add_option("--checkpoint-every", options.every,
                   "Checkpoints inside an epoch too: every N steps (200 or 200steps), or once N "
                   "seconds have passed (30s). Default: after each epoch and stage")
      ->check(&refusal_of_interval)
      ->type_name("N[steps|s]");
  command->add_flag("--watch-plugins", options.run.watch_plugins,
                    "Loads a plugin's library anew when its file is rebuilt during the run; the "
                    "report marks the step");
  command
      ->add_option("--shared", options.run.shared,
                   "Folder with finished runs that \"start_from\" may use and adds to. Default: "
                   "start_from in the output folder")
      ->type_name("DIR");
  command
      ->add_option("--progress", options.run.progress,
                   "How far the run is: live (one line, written over), plain (a line per epoch and "
                   "stage). Default: live on a terminal")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, run::ProgressStyle>{{"auto", run::ProgressStyle::kAuto},
                                                    {"live", run::ProgressStyle::kLive},
                                                    {"plain", run::ProgressStyle::kPlain}}))
      ->type_name("STYLE");
}

}  // namespace

void add_run(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "run",
      "Runs a pipeline; writes report.json, report.html and checkpoint.npz to the output folder.");
  auto options = std::make_shared<RunCommand>();
  CLI::Option* seed = add_subject(command, *options);
  add_course(command, *options);
  command->callback([options, seed, &action] {
    if (seed->count() > 0) options->run.seed = options->seed;
    if (const auto every = run::parse_interval(options->every)) {
      options->run.checkpoint_every = *every;
    }
    action = [options] { execute_run(*options); };
  });
}

}  // namespace qloom::cli
