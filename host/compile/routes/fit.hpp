// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A multiplier, an offset and a shift that give the very thresholds of a channel, where there are
// some: (m * v + b) >> s, clamped.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "host/steps/proof.hpp"
#include "host/steps/step.hpp"

namespace qloom::compile {

/// Code = base + number of thresholds that are at most direction * v, a channel.
struct Thresholds {
  std::vector<std::int64_t> direction;  ///< 1 or -1, a channel
  std::vector<steps::Interval> range;   ///< of direction * v
  std::int64_t base = 0;                ///< the smallest code
  std::int64_t count = 0;               ///< thresholds a channel
  /// (channels, count): smallest value with code >= base + k + 1; range.hi + 1 where there is none.
  std::vector<std::int64_t> constants;
};

struct Multiplier {
  std::int64_t factor = 0, offset = 0;
  int shift = 0;
};

/// floor((factor * v + offset) / 2^shift), clamped to 0 .. count, is the number of thresholds at
/// most v for every v in the range; factor below 2^bits. The smallest shift that does it; nothing
/// where none does. The conditions are linear in factor and offset, and are checked as integers.
[[nodiscard]] std::optional<Multiplier> fit(const std::vector<std::int64_t>& thresholds,
                                            steps::Interval range, int bits);

/// What fitting all channels found.
struct Fitted {
  steps::Chain steps;          ///< multiply, add, shift, clamp, add; empty unless all channels fit
  std::uint64_t channels = 0;  ///< that fit
};
[[nodiscard]] Fitted fit(const Thresholds& thresholds, int bits);

}  // namespace qloom::compile
