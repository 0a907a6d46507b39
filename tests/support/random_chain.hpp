// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Random numbers that are the same everywhere, and chains of steps made of them.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "host/steps/proof.hpp"

namespace qloom::test {

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed * 0x9E3779B97F4A7C15 + 1) {}

  /// One of lo .. hi.
  std::int64_t in(std::int64_t lo, std::int64_t hi) {
    const std::uint64_t count = static_cast<std::uint64_t>(hi) - static_cast<std::uint64_t>(lo) + 1;
    const std::uint64_t offset = count == 0 ? engine_() : engine_() % count;
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(lo) + offset);
  }
  int small(int lo, int hi) { return static_cast<int>(in(lo, hi)); }
  /// Once in so many times.
  bool once_in(int times) { return in(1, times) == 1; }
  /// Of any magnitude up to 2^bits.
  std::int64_t of_bits(int bits) {
    const std::int64_t most = std::int64_t{1} << in(0, bits);
    return in(-most, most);
  }
  /// One of lo .. hi, often an end.
  std::int64_t edge(std::int64_t lo, std::int64_t hi) {
    return once_in(4) ? lo : once_in(4) ? hi : in(lo, hi);
  }
  template <class T>
  const T& one_of(const std::vector<T>& items) {
    return items[static_cast<std::size_t>(in(0, static_cast<std::int64_t>(items.size()) - 1))];
  }

 private:
  std::mt19937_64 engine_;
};

/// Steps of all kinds on values that lie in `range` (one interval for all channels or one each):
/// at most `most_steps`, and one more where the values would not fit in so many bits. prove()
/// accepts them. has_floats: float_scale among them.
[[nodiscard]] steps::Chain random_chain(Dice& dice, std::int64_t channels,
                                        const std::vector<steps::Interval>& range, int most_steps,
                                        int bits, bool has_floats = false);

/// The values behind all steps, over all channels.
[[nodiscard]] steps::Interval behind_all(const steps::Chain& chain, std::int64_t channels,
                                         const std::vector<steps::Interval>& range);

}  // namespace qloom::test
