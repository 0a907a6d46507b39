// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include "host/json/json.hpp"
#include "host/results/facts.hpp"

namespace qloom::results {

/// The moments at which rules with "from" changed the placement or a library was loaded anew, in
/// their order, as report.schema.json describes "events".
[[nodiscard]] json::Json events_of(const RunFacts& facts);

}  // namespace qloom::results
