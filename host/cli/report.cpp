// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <fmt/format.h>

#include "host/cli/commands.hpp"
#include "host/data/streams.hpp"
#include "host/results/page.hpp"

namespace qloom::cli {

void add_report(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "report", "Writes the page of a run, a comparison or a sweep again: one HTML file.");
  struct Options {
    std::filesystem::path folder, output;
  };
  auto options = std::make_shared<Options>();
  command->add_option("folder", options->folder, "Output folder of run, compare or sweep")
      ->required()
      ->type_name("DIR");
  command->add_option("--output", options->output, "The page. Default: report.html in the folder")
      ->type_name("FILE");
  command->callback([options, &action] {
    action = [options] {
      const auto file = results::write_page(options->folder, options->output);
      data::print("{}\n", file.string());
    };
  });
}

}  // namespace qloom::cli
