// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include "host/run/trainer.hpp"

namespace qloom::run {

/// The moments at which rules with "from" changed the placement or a library was loaded anew, in
/// their order, as report.schema.json describes "events".
[[nodiscard]] Json swap_events(const Trainer& trainer);

}  // namespace qloom::run
