// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Sums that need no memory: the map behind them takes each as it is made.
#pragma once

#include "host/program/program.hpp"

namespace qloom::exchange::c {

/// The map whose steps the operation's function does too, or null: the operation adds (conv, dense,
/// sum_pool), the map comes next, nothing else reads the sums, and they are no output.
[[nodiscard]] const program::Op* fused_map(const program::Program& program, int op);

/// True when the operation is a map that the one before it does.
[[nodiscard]] bool is_fused(const program::Program& program, int op);

/// True for sums that only such a map sees.
[[nodiscard]] bool is_passing(const program::Program& program, int tensor);

}  // namespace qloom::exchange::c
