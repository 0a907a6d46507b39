// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// report.html: one page with everything in it, for a run, a comparison or a sweep.
#pragma once

#include <filesystem>
#include <string>

#include "host/registry/registry.hpp"

namespace qloom::results {

/// What the page of this folder shows: "kind" is "sweep" (results.json), "compare" (compare.json)
/// or "run" (report.json), whichever is found first; "rows" are the combinations or pipelines,
/// "runs" the reports behind them. InputError when the folder has none of the three.
[[nodiscard]] json::Json page_data(const std::filesystem::path& folder);

/// The same for results that are not written yet. Rows without a folder have no report behind them.
[[nodiscard]] json::Json run_page(const json::Json& report);
[[nodiscard]] json::Json compare_page(const json::Json& table, const std::filesystem::path& folder);
[[nodiscard]] json::Json sweep_page(const json::Json& results, const std::filesystem::path& folder);

/// The page as HTML.
[[nodiscard]] std::string page_text(const json::Json& data);

/// Writes the page; an empty `file` is <folder>/report.html. Returns the file.
std::filesystem::path write_page(const std::filesystem::path& folder,
                                 const std::filesystem::path& file);

}  // namespace qloom::results
