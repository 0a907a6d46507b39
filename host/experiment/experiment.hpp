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

#include "host/experiment/checkpoint_interval.hpp"
#include "host/experiment/progress.hpp"
#include "host/experiment/warnings.hpp"
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
  CheckpointInterval checkpoint_every;  ///< also inside an epoch
  bool watch_plugins = false;           ///< a library written anew is loaded at the next step
  /// Folder with finished runs that a "start_from" may use and adds to, <stem>/seed_<seed>; empty:
  /// <output>/start_from.
  std::filesystem::path shared;
  ProgressStyle progress = ProgressStyle::kAuto;
  Warnings* warnings = nullptr;  ///< gets the run's warnings; null: prints them
};

struct CompareOptions {
  std::vector<std::filesystem::path> pipelines;
  std::vector<std::string> overrides;  ///< "/json/pointer=value", of every run
  std::vector<std::string> variants;   ///< the same; each pipeline runs once more with each of them
  std::vector<std::uint64_t> seeds;    ///< empty: each pipeline's own
  std::filesystem::path output;        ///< empty: runs/compare
  int threads = 0;                     ///< 0: OpenMP's default
};

struct SweepOptions {
  std::filesystem::path file;
  std::filesystem::path output;  ///< empty: runs/<stem of the sweep file>
  int jobs = 0;                  ///< processes at once; 0: one per thread
  int threads = 0;               ///< divided among the processes; 0: one per processor
};

/// Runs the pipeline; writes report.json, report.html and checkpoint.npz to the output folder.
/// Returns the report. InputError before any work for wrong input; RunError when the run fails.
json::Json run(const RunOptions& options, const registry::Registry& registry);

/// Everything run() checks before it starts: pipeline, data files, model, every placement; also of
/// the pipelines that it starts from.
void check(const pipeline::Pipeline& pipeline, const registry::Registry& registry,
           Warnings& warnings);

/// Runs all pipelines with all seeds, one after another, each in a process of this program; prints
/// one table to standard output, writes compare.json, compare.csv and report.html. Returns the
/// table as JSON. A run that fails does not stop the others; RunError at the end then.
json::Json compare(const CompareOptions& options, const registry::Registry& registry);

/// Runs every combination of a sweep file (schemas/sweep.schema.json) in processes of this program,
/// those that are finished already excepted; prints one table, writes results.json, results.csv and
/// report.html. A run that fails does not stop the others. InputError for a wrong file, before any
/// work; RunError at the end when a run failed.
json::Json sweep(const SweepOptions& options, const registry::Registry& registry);

}  // namespace qloom::experiment
