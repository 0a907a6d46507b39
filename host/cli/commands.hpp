// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// One function per command: it adds the command's options, and puts what the command does into
// `action` when the user names it.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "host/json/names.hpp"
#include "host/registry/calls/call_record.hpp"
#include "host/registry/registry.hpp"

namespace qloom::cli {

using Action = std::function<void()>;

void add_run(CLI::App& app, Action& action);
void add_compare(CLI::App& app, Action& action);
void add_sweep(CLI::App& app, Action& action);
void add_report(CLI::App& app, Action& action);
void add_export(CLI::App& app, Action& action);
void add_compile(CLI::App& app, Action& action);
void add_execute(CLI::App& app, Action& action);
void add_diff(CLI::App& app, Action& action);
void add_validate(CLI::App& app, Action& action);
void add_plugins(CLI::App& app, Action& action);
/// The command "new" below `plugins`.
void add_plugins_new(CLI::App& plugins, Action& action);
void add_plugins_check(CLI::App& plugins, Action& action);
void add_apply(CLI::App& app, Action& action);

/// A whole number that 64 unsigned bits hold; compared as text, because a double would round it.
[[nodiscard]] inline CLI::Validator whole_number() {
  return CLI::Validator(
      [](std::string& text) -> std::string {
        const std::string largest = "9223372036854775807";
        const bool digits = !text.empty() && text.find_first_not_of("0123456789") == text.npos;
        const bool fits =
            text.size() < largest.size() || (text.size() == largest.size() && text <= largest);
        return digits && fits ? "" : text + " is not a whole number from 0 to " + largest;
      },
      "");
}

/// At least 1.
[[nodiscard]] inline CLI::Validator count() {
  return CLI::Validator(
      [](std::string& text) -> std::string {
        const std::string largest = "9223372036854775807";
        const bool digits = !text.empty() && text.find_first_not_of("0123456789") == text.npos;
        const bool fits =
            text.size() < largest.size() || (text.size() == largest.size() && text <= largest);
        const bool is_zero = text.find_first_not_of('0') == text.npos;
        return digits && fits && !is_zero ? ""
                                          : text + " is not a whole number from 1 to " + largest;
      },
      "");
}

/// One of these words.
[[nodiscard]] inline CLI::Validator one_of(const std::vector<std::string>& words) {
  return CLI::Validator(
      [words](std::string& text) -> std::string {
        if (std::find(words.begin(), words.end(), text) != words.end()) return "";
        return '"' + text + "\" is not expected here" + json::nearest_or_known(text, words);
      },
      "");
}

/// All methods that can be found; reads manifests, loads nothing.
[[nodiscard]] inline registry::Registry open_registry() {
  return registry::Registry(registry::Registry::default_folders());
}

/// The same for a command that calls methods: a crash in one is told with its name.
[[nodiscard]] inline registry::Registry open_registry_to_run() {
  registry::report_crashes();
  return open_registry();
}

}  // namespace qloom::cli
