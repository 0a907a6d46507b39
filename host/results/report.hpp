// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include "host/json/json.hpp"
#include "host/results/facts.hpp"

namespace qloom::results {

/// The report of a run as schemas/report.schema.json describes it. Everything but "timing" is a
/// function of pipeline, seed, data and instruction set alone.
[[nodiscard]] json::Json report_of(const RunFacts& facts);

}  // namespace qloom::results
