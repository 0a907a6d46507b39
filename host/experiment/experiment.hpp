// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Running pipelines: stages, training, checkpoints, reports, comparisons.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "host/pipeline/pipeline.hpp"
#include "host/registry/registry.hpp"

namespace qloom::experiment {

struct RunOptions {
  std::filesystem::path pipeline;
  std::vector<std::string> overrides;  ///< "/json/pointer=value"
  std::filesystem::path output;        ///< empty: runs/<stem of the pipeline file>
  std::optional<std::uint64_t> seed;   ///< instead of the pipeline's
  int threads = 0;                     ///< 0: OpenMP's default
  bool resume = false;
  /// Folder with finished runs that a "start_from" may use and adds to, <stem>/seed_<seed>; empty:
  /// <output>/start_from.
  std::filesystem::path shared;
};

struct CompareOptions {
  std::vector<std::filesystem::path> pipelines;
  std::vector<std::uint64_t> seeds;  ///< empty: each pipeline's own
  std::filesystem::path output;      ///< empty: runs/compare
  int threads = 0;                   ///< 0: OpenMP's default
};

/// Runs the pipeline; writes report.json and checkpoint.npz to the output folder. Returns the
/// report. InputError before any work for wrong input; RunError when the run fails.
registry::Json run(const RunOptions& options, const registry::Registry& registry);

/// Everything run() checks before it starts: pipeline, data files, model, every placement.
void check(const pipeline::Pipeline& pipeline, const registry::Registry& registry);

/// Runs all pipelines with all seeds, prints one table to standard output, writes compare.json and
/// compare.csv. Returns the table as JSON.
registry::Json compare(const CompareOptions& options, const registry::Registry& registry);

}  // namespace qloom::experiment
