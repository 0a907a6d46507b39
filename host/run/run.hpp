// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Running pipelines: stages, training, checkpoints, reports.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "host/pipeline/pipeline.hpp"
#include "host/registry/registry.hpp"
#include "host/results/warnings.hpp"
#include "host/run/keeper.hpp"
#include "host/run/progress.hpp"

namespace qloom::run {

struct RunOptions {
  std::filesystem::path pipeline;
  std::vector<std::string> overrides;  ///< "/json/pointer=value"
  std::filesystem::path output;        ///< empty: runs/<stem of the pipeline file>
  std::optional<std::uint64_t> seed;   ///< instead of the pipeline's
  int threads = 0;                     ///< 0: OpenMP's default
  bool resume = false;
  CheckpointInterval checkpoint_every;  ///< also inside an epoch
  bool watch_plugins = false;           ///< a library written anew is loaded at the next step
  /// Folder with finished runs that a "start_from" may use and adds to, <stem>/seed_<seed>; empty:
  /// <output>/start_from.
  std::filesystem::path shared;
  ProgressStyle progress = ProgressStyle::kAuto;
  results::Warnings* warnings = nullptr;  ///< gets the run's warnings; null: prints them
};

/// Runs the pipeline; writes report.json, report.html and checkpoint.npz to the output folder.
/// Returns the report. InputError before any work for wrong input; RunError when the run fails.
json::Json run(const RunOptions& options, const registry::Registry& registry);

/// Everything run() checks before it starts: pipeline, data files, model, every placement; also of
/// the pipelines that it starts from.
void check(const pipeline::Pipeline& pipeline, const registry::Registry& registry,
           results::Warnings& warnings);

}  // namespace qloom::run
