// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/cli/commands.hpp"
#include "host/data/streams.hpp"
#include "host/study/study.hpp"

namespace qloom::cli {

void add_compare(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "compare",
      "Runs several pipelines and prints one table; writes compare.json, compare.csv and "
      "report.html.");
  auto options = std::make_shared<study::CompareOptions>();
  command->add_option("pipelines", options->pipelines, "Pipeline files")
      ->required()
      ->type_name("PIPELINE.json ...");
  command
      ->add_option("--set", options->overrides,
                   "Changes one place of every pipeline; the value is JSON, or else a string")
      ->allow_extra_args(false)
      ->type_name("/json/pointer=value");
  command
      ->add_option("--variant", options->variants,
                   "Runs every pipeline once more with this change, for another row of the table; "
                   "may be repeated")
      ->allow_extra_args(false)
      ->type_name("/json/pointer=value");
  command
      ->add_option("--seeds", options->seeds,
                   "Runs each pipeline once per seed. Default: each pipeline's own seed")
      ->delimiter(',')
      ->check(whole_number())
      ->allow_extra_args(false)
      ->type_name("N,N,...");
  command->add_option("--output", options->output, "Output folder. Default: runs/compare")
      ->type_name("DIR");
  command
      ->add_option("--threads", options->threads,
                   "Threads; results do not depend on it. Default: one per processor")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  command->callback([options, &action] {
    action = [options] {
      const registry::Registry registry = open_registry_to_run();
      options->sinks = {data::print_text, data::say_text};
      study::compare(*options, registry);
    };
  });
}

}  // namespace qloom::cli
