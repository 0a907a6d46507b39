// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <fmt/format.h>

#include "host/cli/commands.hpp"
#include "host/data/arrays/array_file.hpp"
#include "host/data/streams.hpp"
#include "host/pipeline/pipeline.hpp"
#include "host/results/warnings.hpp"
#include "host/run/run.hpp"

namespace qloom::cli {
namespace {

struct ValidateCommand {
  std::filesystem::path pipeline;
  std::vector<std::string> overrides;
  bool upgrades = false;
};

/// The pipeline's text with today's names; data and model are not looked at.
void upgrade(const std::filesystem::path& file, const registry::Registry& registry) {
  const pipeline::Pipeline p = pipeline::load(file, {}, registry);
  for (const Warning& warning : p.notes.warnings) results::print_warning(warning);
  data::print("{}", pipeline::upgraded(data::read_text(file), p));
}

void execute_validate(const ValidateCommand& options) {
  const registry::Registry registry = open_registry_to_run();
  if (options.upgrades) return upgrade(options.pipeline, registry);
  const pipeline::Pipeline p = pipeline::load(options.pipeline, options.overrides, registry);
  results::Warnings warnings;
  run::check(p, registry, warnings);
  data::print("{}: valid: {} rules, {} procedures, {} stages\n", p.file.string(), p.rules.size(),
              p.procedures.size(), p.stages.size());
}

}  // namespace

void add_validate(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "validate", "Checks a pipeline with its model, data and plugins; runs and writes nothing.");
  auto options = std::make_shared<ValidateCommand>();
  command->add_option("pipeline", options->pipeline, "Pipeline file")
      ->required()
      ->type_name("PIPELINE.json");
  auto* set =
      command->add_option("--set", options->overrides, "Changes one place of the pipeline first")
          ->allow_extra_args(false)
          ->type_name("/json/pointer=value");
  command
      ->add_flag("--upgrade", options->upgrades,
                 "Prints the pipeline with the parameters' present names")
      ->excludes(set);
  command->callback([options, &action] { action = [options] { execute_validate(*options); }; });
}

}  // namespace qloom::cli
