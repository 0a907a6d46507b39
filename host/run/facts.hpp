// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include "host/results/facts.hpp"
#include "host/run/state.hpp"

namespace qloom::run {

/// What the run has collected, and what its network is now that it is over. One evaluation pass is
/// made for it (results/layer_statistics.hpp).
[[nodiscard]] results::RunFacts facts_of(const Setup& setup, const RunState& state, int threads);

}  // namespace qloom::run
