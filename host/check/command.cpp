// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/check/command.hpp"

#include <thread>

#include <fmt/format.h>

#include "host/data/streams.hpp"
#include "host/json/printable.hpp"
#include "host/tensor/error.hpp"

namespace qloom::check {

void add_options(CLI::App& command, Options& options) {
  command
      .add_option("plugin", options.plugins,
                  "Library, its folder or its plugin.json; several are checked one by one")
      ->type_name("PLUGIN");
  const std::map<std::string, Level> levels{
      {"abi", Level::kAbi}, {"sound", Level::kSound}, {"strict", Level::kStrict}};
  command
      .add_option("--level", options.settings.level,
                  "abi: what could harm the host; sound: also its results; strict: also what a "
                  "good method has")
      ->transform(CLI::CheckedTransformer(levels))
      ->default_str("sound");
  command.add_flag("--strict", options.strict, "The same as --level strict");
  command.add_option("--only", options.settings.only, "Only these checks, of any level")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("CHECK");
  command.add_option("--seed", options.settings.seed, "Of inputs and parameters tried")
      ->capture_default_str();
  command
      .add_option("--seconds", options.settings.seconds,
                  "Time limit of one check: processor time, or time asleep")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  options.settings.jobs = std::max(1U, std::thread::hardware_concurrency());
  command.add_option("--jobs", options.settings.jobs, "Checks at a time")
      ->check(CLI::PositiveNumber);
  command.add_flag("--in-process", options.settings.in_process,
                   "No child processes and no time limit, for a debugger");
  command.add_flag("--json", options.as_json, "Prints JSON");
  command.add_flag("--digests", options.digests,
                   "Checks nothing; prints digests of what each method gives, the same on every "
                   "system");
  command.add_flag("--list", options.list, "Prints the checks and what each promises");
  command.footer(
      "Each check of each method runs in a process of its own: a plugin that crashes\n"
      "or never ends is a finding. Exit status: 0 sound, 1 findings, 2 wrong use.");
}

std::size_t check_and_print(const Options& options) {
  if (options.list) {
    data::print("{}", list_of_checks());
    return 0;
  }
  if (options.plugins.empty()) throw InputError("which plugin? Name its library, see --help");
  Settings settings = options.settings;
  if (options.strict) settings.level = Level::kStrict;
  for (const std::string& plugin : options.plugins) static_cast<void>(manifest_of(plugin));
  if (options.digests) {
    for (const std::string& plugin : options.plugins) {
      data::print_text(digests(plugin, settings));
    }
    return 0;
  }
  std::vector<Report> reports;
  std::size_t findings = 0;
  for (const std::string& plugin : options.plugins) {
    reports.push_back(run(plugin, settings));
    findings += reports.back().finding_count();
    if (options.as_json) continue;
    data::print("{}{}", reports.size() > 1 ? "\n" : "", table(reports.back()));
    data::flush_output();
  }
  if (options.as_json) data::print("{}\n", json::printable_json(to_json(reports), 2));
  return findings;
}

}  // namespace qloom::check
