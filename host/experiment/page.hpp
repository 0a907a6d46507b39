// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// report.html: one page with everything in it, for a run, a comparison or a sweep.
#pragma once

#include <filesystem>

#include "host/registry/registry.hpp"

namespace qloom::experiment {

/// What the page of this folder shows: "kind" is "sweep" (results.json), "compare" (compare.json)
/// or "run" (report.json), whichever is found first; "rows" are the combinations or pipelines,
/// "runs" the reports behind them. InputError when the folder has none of the three.
[[nodiscard]] registry::Json page_data(const std::filesystem::path& folder);

/// Writes the page; an empty `file` is <folder>/report.html. Returns the file.
std::filesystem::path write_page(const std::filesystem::path& folder,
                                 const std::filesystem::path& file);

}  // namespace qloom::experiment
