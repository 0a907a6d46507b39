// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Which values a chain of steps can take, by interval arithmetic: the proof that 64 bits hold them,
// and how many bits hardware needs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "host/steps/step.hpp"

namespace qloom::steps {

/// All integers from lo to hi.
struct Interval {
  std::int64_t lo = 0, hi = 0;
  bool operator==(const Interval&) const = default;
};

/// The smallest interval that holds both.
[[nodiscard]] Interval join(Interval a, Interval b);
/// Width of the narrowest register for all values: unsigned where none is negative, else two's
/// complement; at least 1. Unit: bits.
[[nodiscard]] int bits_of(Interval values);

/// Of a proof; the schemas of programs say the same.
constexpr std::size_t kLongestChain = 1024;

/// What is wrong with the constants of a step for a tensor of so many channels: their number, their
/// order or their size. Empty when nothing is.
[[nodiscard]] std::string fault_of(const Step& step, std::uint64_t channels);

/// The values behind one step, or nothing where they can leave 64 bits or a table.
[[nodiscard]] std::optional<Interval> behind(const Step& step, std::uint64_t channel,
                                             Interval values);

/// What a proof shows, or where it fails.
struct Proof {
  std::vector<Interval> behind;  ///< each step, over all channels
  std::string fault;             ///< "step 2 (multiply) of channel 7: ...", or empty: it holds

  [[nodiscard]] bool holds() const { return fault.empty(); }
};

/// `values`: what comes in, one interval for all channels or one each. Checks their number, and the
/// steps with fault_of(), first.
[[nodiscard]] Proof prove(const Chain& chain, std::uint64_t channels,
                          const std::vector<Interval>& values);

}  // namespace qloom::steps
