// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include "host/results/facts.hpp"
#include "host/run/trainer.hpp"

namespace qloom::run {

/// What the run has collected, and what its network is now that it is over. One evaluation pass is
/// made for it (results/layer_statistics.hpp).
[[nodiscard]] results::RunFacts facts_of(Trainer& trainer, int threads);

}  // namespace qloom::run
