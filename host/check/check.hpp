// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The conformance checker: what a plugin must hold, whatever it computes, as plain functions, and
// the driver that runs each of them in a process of its own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "host/registry/registry.hpp"

namespace qloom::check {

using json::Json;

/// Each level holds the checks of those before it.
enum class Level {
  kAbi,    ///< the binary contract: what could harm the host or other plugins
  kSound,  ///< the results: same bits, finite values, state that goes on
  kStrict  ///< what a good method also has: no memory in hot calls, described parameters
};
[[nodiscard]] const char* name(Level level);

class Context;

struct Check {
  const char* name;
  const char* kinds;  ///< words with spaces between; "library": once for the file; "*": any kind
  Level level;
  const char* promise;  ///< one sentence
  void (*run)(Context&);
};
/// In the order in which they run; a later one may rely on what an earlier one found.
[[nodiscard]] const std::vector<Check>& all_checks();

/// One broken promise.
struct Finding {
  std::string place;  ///< parameters, input and call
  std::string what;   ///< found value, expected value
};

struct Settings {
  Level level = Level::kSound;
  std::uint64_t seed = 1;         ///< of inputs and of combinations of parameters
  std::vector<std::string> only;  ///< names of checks; empty: all of the level
  bool in_process = false;        ///< for a debugger: no child processes, no time limit
  double seconds = 60;            ///< processor time that one check of one method may take
  unsigned jobs = 1;              ///< checks at a time
};

struct Result {
  const Check* check = nullptr;
  std::string method;  ///< "range min_max"; empty for the library's own checks
  std::vector<Finding> findings;
  bool was_skipped = false;  ///< there was nothing to check
  std::string remark;        ///< why, or what was covered
  std::string printed;       ///< what the plugin wrote to standard output or error
  double seconds = 0;
};

struct Report {
  std::filesystem::path library;
  std::uint64_t seed = 0;
  std::vector<Result> results;
  [[nodiscard]] bool is_sound() const;
  [[nodiscard]] std::size_t finding_count() const;
};

/// The plugin.json of what the user named: a library, its folder or its manifest. InputError when
/// there is none, or when the library does not have the name that the host would look for.
[[nodiscard]] std::filesystem::path manifest_of(const std::filesystem::path& plugin);

/// Runs the checks on every method of the plugin. Whatever the plugin does to its process is a
/// finding. InputError for a check that does not exist.
[[nodiscard]] Report run(const std::filesystem::path& plugin, const Settings& settings);

/// What every method of the plugin gives, the same on every system: "<kind> <id>: <parameters>,
/// <input>, <call>: <digest of the values>", a line each. Errors as run().
[[nodiscard]] std::string digests(const std::filesystem::path& plugin, const Settings& settings);

/// The table a person reads, and the same for programs.
[[nodiscard]] std::string table(const Report& report);
[[nodiscard]] Json to_json(const std::vector<Report>& reports);
/// Every check with its level, kinds and promise.
[[nodiscard]] std::string list_of_checks();

}  // namespace qloom::check
