// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <filesystem>

#include <fmt/format.h>

#include "host/check/command.hpp"
#include "host/cli/commands.hpp"
#include "host/json/names.hpp"
#include "host/tensor/error.hpp"

namespace qloom::cli {
namespace {

/// A file or folder as it is; otherwise the manifest of the method with that id, or kind/id.
std::string plugin_of(const std::string& wanted) {
  if (std::filesystem::exists(wanted)) return wanted;
  const registry::Registry registry = open_registry();
  std::vector<std::string> known;
  for (const registry::Method& m : registry.methods()) {
    if (m.id == wanted || m.kind + "/" + m.id == wanted) {
      if (m.kind != "recipe") return m.manifest_file.string();
      throw InputError(
          fmt::format("{}: a recipe has no library to check; expected a method with one "
                      "(qloom validate checks pipelines that use it)",
                      wanted));
    }
    known.push_back(m.id);
  }
  throw InputError(fmt::format("{}: no such file, and no method's id{}", wanted,
                               json::did_you_mean(wanted, known)));
}

}  // namespace

void add_plugins_check(CLI::App& plugins, Action& action) {
  CLI::App* command =
      plugins.add_subcommand("check", "Does a plugin keep the contract of docs/abi.md?");
  auto options = std::make_shared<check::Options>();
  check::add_options(*command, *options);
  command->get_option("plugin")->description("Library, folder, plugin.json or a method's id");
  command->callback([options, &action] {
    action = [options] {
      for (std::string& plugin : options->plugins) plugin = plugin_of(plugin);
      const std::size_t findings = check::check_and_print(*options);
      if (findings > 0) {
        throw RunError(fmt::format("{} finding{}", findings, findings == 1 ? "" : "s"));
      }
    };
  });
}

}  // namespace qloom::cli
