// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What came out of a sweep, as tables.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "host/study/sweep_plan.hpp"

namespace qloom::study {

struct RunResult {
  std::filesystem::path folder;  ///< relative to the sweep's
  std::string error;             ///< empty: its report.json is there
  bool is_old = false;           ///< was there before
};

/// results.json: one row per variant with means over its seeds, and whether it is on the Pareto
/// front: no other variant is at least as good in accuracy, weight bits and activation bits, and
/// better in one of them.
[[nodiscard]] json::Json sweep_results(const SweepPlan& plan, const std::vector<RunResult>& results,
                                       const std::filesystem::path& output);
/// results.csv: the same rows with one column per varied place.
[[nodiscard]] std::string sweep_csv(const SweepPlan& plan, const json::Json& results);
[[nodiscard]] std::string sweep_table_text(const json::Json& results);

/// "accuracy 88.10 %, loss 0.3300" of the report in the folder.
[[nodiscard]] std::string run_figures(const std::filesystem::path& folder);

}  // namespace qloom::study
