// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// "sections" of a report: each has a revision of its own, so that a page or a script that knows an
// older one says so and shows the others.
#pragma once

#include "host/json/json.hpp"
#include "host/results/facts.hpp"

namespace qloom::results {

/// Of the report itself.
inline constexpr int kReportFormat = 1;
/// What this version writes; page/page.js draws these.
inline constexpr int kStorageRevision = 1, kTableRevision = 1, kFormatsRevision = 1,
                     kOriginRevision = 1;

/// "storage", "formats", and "table.<name>" for each table of a procedure.
[[nodiscard]] json::Json sections_of(const RunFacts& facts);

}  // namespace qloom::results
