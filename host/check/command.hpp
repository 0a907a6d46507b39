// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The checker's command line, for `qloom-check` and `qloom plugins check`.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "host/check/check.hpp"

namespace qloom::check {

struct Options {
  std::vector<std::string> plugins;
  Settings settings;
  bool strict = false, as_json = false, list = false, digests = false;
};

/// Adds the options to a command.
void add_options(CLI::App& command, Options& options);

/// Runs what they say and prints a table for each plugin, JSON, or digests. Number of findings.
/// errors: InputError for a plugin or a check that does not exist
[[nodiscard]] std::size_t check_and_print(const Options& options);

}  // namespace qloom::check
