// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// One function per command: it adds the command's options, and puts what the command does into
// `action` when the user names it.
#pragma once

#include <functional>

#include <CLI/CLI.hpp>

#include "host/registry/registry.hpp"

namespace qloom::cli {

using Action = std::function<void()>;

void add_run(CLI::App& app, Action& action);
void add_compare(CLI::App& app, Action& action);
void add_validate(CLI::App& app, Action& action);
void add_plugins(CLI::App& app, Action& action);
void add_apply(CLI::App& app, Action& action);

/// All methods that can be found; reads manifests, loads nothing.
[[nodiscard]] inline registry::Registry open_registry() {
  return registry::Registry(registry::Registry::default_folders());
}

}  // namespace qloom::cli
