// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include "host/run/trainer.hpp"

namespace qloom::run {

/// The report of a run as schemas/report.schema.json describes it. Everything but "timing" is a
/// function of pipeline, seed, data and instruction set alone.
[[nodiscard]] Json report_of(Trainer& trainer, int threads);

}  // namespace qloom::run
