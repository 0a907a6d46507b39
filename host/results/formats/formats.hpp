// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The number format of each site of a run, as files say it (schemas/formats.schema.json).
#pragma once

#include <string>

#include "host/json/json.hpp"
#include "host/network/network.hpp"

namespace qloom::results {

/// Which sites: those that act in training alone hold what the last step gave them.
enum class FormatsOf { kTraining, kForward };

/// One entry for each such site, by key: where it is, its encoding, and how a pipeline takes it:
/// "use" is "grid" (the columns), "rule" (the methods, which hold nothing of a run) or "none". What
/// is not a grid has a "message".
[[nodiscard]] json::Json formats_of(const network::Network& network, FormatsOf which);

/// The file: the entries, which are those of a report's section "formats", with the run's name.
[[nodiscard]] json::Json formats_file(const json::Json& report);
/// The same as a table, RFC 4180: a line for each group of a grid, one for each other site.
[[nodiscard]] std::string formats_csv(const json::Json& file);

}  // namespace qloom::results
