// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <vector>

#include "host/compile/routes/route.hpp"
#include "host/steps/step.hpp"

namespace qloom::compile {

/// Does the route bring sums to their end over norms and moves alone?
[[nodiscard]] bool is_linear(const Route& route);

/// Logits at one scale, of sums in `ranges` (one a channel): steps sum * m + b with m of at most 31
/// bits, since neither scales per channel nor real offsets leave integers that can be compared. The
/// simulation's float32 logits are these but for their rounding. No steps but the addition of a
/// bias of integers where one scale serves all channels and nothing else is added. RunError where a
/// factor is so far below the largest that fewer than 16 bits of it are left.
struct LinearLogits {
  steps::Chain steps;
  double scale = 1;  ///< of the logits; with steps a power of two
  Interval values;
  /// Can two logits that differ be one float32 number in the simulation?
  bool rounds = true;
};
[[nodiscard]] LinearLogits linear_logits(const Route& route, const network::Pass& pass,
                                         const std::vector<Interval>& ranges);

}  // namespace qloom::compile
