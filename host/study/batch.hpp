// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What comparisons and sweeps share: their runs are processes of this program, one folder each.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "host/pipeline/pipeline.hpp"
#include "host/registry/registry.hpp"
#include "host/results/reuse/standing.hpp"
#include "host/results/warnings.hpp"
#include "host/study/processes.hpp"

namespace qloom::study {

struct BatchRun {
  std::filesystem::path pipeline;
  std::vector<std::string> overrides;  ///< "/json/pointer=value"
  std::uint64_t seed = 0;
  std::filesystem::path folder;  ///< its output
  std::filesystem::path shared;  ///< where runs that others start from lie
  int threads = 0;               ///< 0: the program's default
  bool resume = false;           ///< goes on from the folder's checkpoint
};

/// The run as a job; its log is log.txt in its folder, which is created.
[[nodiscard]] Job job_of(const BatchRun& run);

/// What the folder holds, once no other process writes there: the runs of a batch that was killed
/// take a moment to end.
[[nodiscard]] results::Standing free_standing_of(const std::filesystem::path& folder,
                                                 const pipeline::Pipeline& pipeline,
                                                 const registry::Registry& registry);

/// Why a run that ended with this error counts as failed: a process may end with status 0 before
/// its work is done. Empty: its report is there.
[[nodiscard]] std::string failure_of(const std::string& error, const std::filesystem::path& folder,
                                     const pipeline::Pipeline& pipeline,
                                     const registry::Registry& registry);

/// Why the finished run is none any more, at the end of a batch: what it was made from changed
/// meanwhile, and the runs of one table would not be of one kind. Empty: it still is.
[[nodiscard]] std::string change_during_batch(const std::filesystem::path& folder,
                                              const pipeline::Pipeline& pipeline,
                                              const registry::Registry& registry);

/// The warnings that a finished run lists in its report.
void tell_warnings(const std::filesystem::path& folder, results::Warnings& warnings);

}  // namespace qloom::study
