// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Several runs and one table: comparisons and sweeps.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "host/registry/registry.hpp"

namespace qloom::study {

/// Takes text for people, whole lines.
using Sink = std::function<void(const std::string&)>;

/// Where the words of a comparison or a sweep go.
struct Sinks {
  Sink print = [](const std::string&) {};  ///< the table
  Sink tell = [](const std::string&) {};   ///< what is done and what failed, as it comes
};

struct CompareOptions {
  std::vector<std::filesystem::path> pipelines;
  std::vector<std::string> overrides;  ///< "/json/pointer=value", of every run
  std::vector<std::string> variants;   ///< the same; each pipeline runs once more with each of them
  std::vector<std::uint64_t> seeds;    ///< empty: each pipeline's own
  std::filesystem::path output;        ///< empty: runs/compare
  int threads = 0;                     ///< 0: OpenMP's default
  Sinks sinks;
};

struct SweepOptions {
  std::filesystem::path file;
  std::filesystem::path output;  ///< empty: runs/<stem of the sweep file>
  int jobs = 0;                  ///< processes at once; 0: one per thread
  int threads = 0;               ///< divided among the processes; 0: one per processor
  Sinks sinks;
};

/// Runs all pipelines with all seeds, one after another, each in a process of this program; prints
/// one table, writes compare.json, compare.csv and report.html. Returns the
/// table as JSON. A run that fails does not stop the others; RunError at the end then.
json::Json compare(const CompareOptions& options, const registry::Registry& registry);

/// Runs every combination of a sweep file (schemas/sweep.schema.json) in processes of this program,
/// those that are finished already excepted; prints one table, writes results.json, results.csv and
/// report.html. A run that fails does not stop the others. InputError for a wrong file, before any
/// work; RunError at the end when a run failed.
json::Json sweep(const SweepOptions& options, const registry::Registry& registry);

}  // namespace qloom::study
