// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <fmt/format.h>

#include "host/cli/commands.hpp"
#include "host/data/streams.hpp"
#include "host/pipeline/pipeline.hpp"
#include "host/results/warnings.hpp"
#include "host/run/run.hpp"

namespace qloom::cli {
namespace {

struct Options {
  std::filesystem::path pipeline;
  std::vector<std::string> overrides;
};

void execute(const Options& options) {
  const registry::Registry registry = open_registry_to_run();
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
  auto options = std::make_shared<Options>();
  command->add_option("pipeline", options->pipeline, "Pipeline file")
      ->required()
      ->type_name("PIPELINE.json");
  command->add_option("--set", options->overrides, "Changes one place of the pipeline first")
      ->allow_extra_args(false)
      ->type_name("/json/pointer=value");
  command->callback([options, &action] { action = [options] { execute(*options); }; });
}

}  // namespace qloom::cli
