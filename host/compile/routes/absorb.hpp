// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A route as integer steps: what lies between a sum and the next code is a function of that one sum
// and its channel, so its thresholds are found by bisection on the host's own functions. Exact by
// construction, at the price of 2^bits - 1 constants a channel.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/compile/routes/fit.hpp"
#include "host/compile/routes/route.hpp"
#include "host/steps/step.hpp"

namespace qloom::compile {

/// How the equality of steps and route is known.
struct Proof {
  std::uint64_t compared = 0;   ///< values of v, all channels together
  std::uint64_t reachable = 0;  ///< of so many
  [[nodiscard]] bool is_complete() const { return compared == reachable; }
};

struct Absorbed {
  steps::Chain steps;
  std::string
      fault;  ///< why there are none: "the codes of channel 3 fall and rise again"; or empty
  Proof proof;
  Thresholds thresholds;  ///< those of the steps; none of a table
  bool is_table = false;
};

/// Steps from v to codes for v in ranges[channel]. Where no channel's range has more than 2^20
/// values, all of them are compared with the route; else all thresholds with what lies before each,
/// and 2^17 values a channel that a counter-based generator draws.
[[nodiscard]] Absorbed absorb(const Route& route, const std::vector<Interval>& ranges);

/// The same as a table of each channel's codes; v in 0 .. 255.
[[nodiscard]] Absorbed absorb_bytes(const Route& route);
/// The same of codes of at most 16 bits; wider ones get thresholds. v in `codes`.
[[nodiscard]] Absorbed absorb_codes(const Route& route, Interval codes);

}  // namespace qloom::compile
