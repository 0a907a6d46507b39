// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include "host/network/names.hpp"

namespace qloom::network {

/// How one pass over the network runs.
struct Pass {
  Phase phase;
  enum class Rules { kOff, kOn, kObserve } rules = Rules::kOn;  ///< kObserve: float, ranges watch
  bool norms_train = false;   ///< batch statistics, running ones move
  double norm_momentum = -1;  ///< weight of this batch in the running statistics; < 0: the norm's
  bool use_shadows = false;
  bool counts_overflows = true;  ///< false: a look that leaves the run's counters alone
};

}  // namespace qloom::network
