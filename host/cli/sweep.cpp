// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/cli/commands.hpp"
#include "host/data/streams.hpp"
#include "host/study/study.hpp"

namespace qloom::cli {

void add_sweep(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "sweep",
      "Runs variants of a pipeline as processes; writes results.json, results.csv and report.html. "
      "Started again it runs only what is missing.");
  auto options = std::make_shared<study::SweepOptions>();
  command->add_option("sweep", options->file, "Sweep file: base pipeline, grid or list, seeds")
      ->required()
      ->type_name("SWEEP.json");
  command->add_option("--jobs", options->jobs, "Runs at the same time. Default: one per thread")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  command
      ->add_option("--threads", options->threads,
                   "Threads, divided among the runs; results do not depend on it. Default: one per "
                   "processor")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  command
      ->add_option("--output", options->output,
                   "Output folder. Default: runs/<name of the sweep file>")
      ->type_name("DIR");
  command->callback([options, &action] {
    action = [options] {
      const registry::Registry registry = open_registry_to_run();
      options->sinks = {data::print_text, data::say_text};
      study::sweep(*options, registry);
    };
  });
}

}  // namespace qloom::cli
