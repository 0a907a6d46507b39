// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/steps/proof.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>

namespace qloom::steps {
namespace {

__extension__ using Wide = __int128;  // holds each result of one step on 64 bits

std::optional<Interval> narrowed(Wide lo, Wide hi) {
  using Limits = std::numeric_limits<std::int64_t>;
  if (lo < Limits::min() || hi > Limits::max()) return std::nullopt;
  return Interval{static_cast<std::int64_t>(lo), static_cast<std::int64_t>(hi)};
}

Interval in_register(std::int64_t bits) {
  const auto high = static_cast<std::int64_t>((std::uint64_t{1} << (bits - 1)) - 1);
  return {-high - 1, high};
}

std::optional<Interval> multiplied(Interval values, Wide factor) {
  const Wide a = values.lo * factor, b = values.hi * factor;
  return narrowed(std::min(a, b), std::max(a, b));
}

/// A product in float32 never falls, or never rises: it is tight at the ends.
std::optional<Interval> scaled_ends(float factor, Interval values) {
  constexpr float kMost = 0x1p62F;
  float lo = scaled(values.lo, factor), hi = scaled(values.hi, factor);
  if (lo > hi) std::swap(lo, hi);
  if (lo < -kMost || hi > kMost) return std::nullopt;
  return Interval{static_cast<std::int64_t>(std::nearbyint(lo)),
                  static_cast<std::int64_t>(std::nearbyint(hi))};
}

std::optional<Interval> looked_up(std::span<const std::int64_t> table, Interval values) {
  if (values.lo < 0 || values.hi >= static_cast<std::int64_t>(table.size())) return std::nullopt;
  const auto [lo, hi] =
      std::minmax_element(table.begin() + values.lo, table.begin() + values.hi + 1);
  return Interval{*lo, *hi};
}

/// Number of constants of the step where it is fixed, else 0.
std::uint64_t count_of(Op op) {
  switch (op) {
    case Op::kAdd:
    case Op::kMultiply:
    case Op::kShiftLeft:
    case Op::kShiftRight:
    case Op::kWrap:
    case Op::kSaturate:
      return 1;
    case Op::kClamp:
      return 2;
    case Op::kCount:
    case Op::kTable:
    case Op::kFloatScale:
      return 0;
  }
  return 0;
}

/// What one channel's constants have to be; empty when they are.
std::string fault_in(Op op, std::span<const std::int64_t> c) {
  const bool shifts = op == Op::kShiftLeft || op == Op::kShiftRight;
  const bool has_width = op == Op::kWrap || op == Op::kSaturate;
  if (shifts && (c[0] < 0 || c[0] > 62)) return fmt::format("{}, expected 0 to 62", c[0]);
  if (has_width && (c[0] < 1 || c[0] > 64)) return fmt::format("{}, expected 1 to 64", c[0]);
  const bool ascends = op == Op::kClamp || op == Op::kCount;
  if (!ascends) return {};
  const auto fall = std::adjacent_find(c.begin(), c.end(), std::greater<>());
  if (fall == c.end()) return {};
  return fmt::format("{} before {}, expected ascending constants", fall[0], fall[1]);
}

/// The same for factors.
std::string fault_of_factors(const Step& step, std::uint64_t channels) {
  if (!step.constants.empty() || step.per_channel != 1) {
    return "constants, expected one factor per channel and no constants";
  }
  if (step.factors.size() != 1 && step.factors.size() != channels) {
    return fmt::format("factors for {} channels, expected 1 or {}", step.factors.size(), channels);
  }
  for (std::size_t channel = 0; channel < step.factors.size(); ++channel) {
    if (std::isfinite(step.factors[channel])) continue;
    return fmt::format("channel {}: {}, expected a finite factor", channel, step.factors[channel]);
  }
  return {};
}

/// What the values leave where a step has no answer.
const char* bounds_of(Op op) {
  if (op == Op::kTable) return "the table";
  return op == Op::kFloatScale ? "-2^62 to 2^62" : "64 bits";
}

}  // namespace

Interval join(Interval a, Interval b) { return {std::min(a.lo, b.lo), std::max(a.hi, b.hi)}; }

int bits_of(Interval values) {
  int bits = 1;
  if (values.lo >= 0) {
    while (bits < 63 && values.hi >> bits != 0) ++bits;
    return bits;
  }
  while (bits < 64 && (values.lo >> (bits - 1) < -1 || values.hi >> (bits - 1) > 0)) ++bits;
  return bits;
}

std::string fault_of(const Step& step, std::uint64_t channels) {
  if (step.op == Op::kFloatScale) return fault_of_factors(step, channels);
  if (!step.factors.empty()) return "factors, expected constants alone";
  const std::uint64_t count = count_of(step.op);
  if (step.per_channel == 0 || step.constants.empty() ||
      step.constants.size() % step.per_channel != 0) {
    return fmt::format("{} constants in groups of {}, expected whole groups", step.constants.size(),
                       step.per_channel);
  }
  if (count != 0 && step.per_channel != count) {
    return fmt::format("{} constants per channel, expected {}", step.per_channel, count);
  }
  if (step.groups() != 1 && step.groups() != channels) {
    return fmt::format("constants for {} channels, expected 1 or {}", step.groups(), channels);
  }
  for (std::uint64_t channel = 0; channel < step.groups(); ++channel) {
    const std::string fault = fault_in(step.op, step.of(channel));
    if (!fault.empty()) return fmt::format("channel {}: {}", channel, fault);
  }
  return {};
}

std::optional<Interval> behind(const Step& step, std::uint64_t channel, Interval values) {
  const std::span<const std::int64_t> c = step.of(channel);
  const auto [lo, hi] = values;
  switch (step.op) {
    case Op::kAdd:
      return narrowed(Wide{lo} + c[0], Wide{hi} + c[0]);
    case Op::kMultiply:
      return multiplied(values, c[0]);
    case Op::kShiftLeft:
      return multiplied(values, Wide{1} << c[0]);
    case Op::kShiftRight:
    case Op::kClamp:
    case Op::kCount:
    case Op::kSaturate:  // never fall
      return Interval{apply(step, channel, lo), apply(step, channel, hi)};
    case Op::kWrap: {
      const Interval held = in_register(c[0]);
      return lo >= held.lo && hi <= held.hi ? values : held;
    }
    case Op::kTable:
      return looked_up(c, values);
    case Op::kFloatScale:
      return scaled_ends(step.factor_of(channel), values);
  }
  return std::nullopt;
}

Proof prove(const Chain& chain, std::uint64_t channels, const std::vector<Interval>& values) {
  Proof proof;
  if (chain.size() > kLongestChain) {
    proof.fault = fmt::format("{} steps, expected at most {}", chain.size(), kLongestChain);
    return proof;
  }
  proof.behind.resize(chain.size());
  for (std::size_t i = 0; i < chain.size(); ++i) {
    const std::string fault = fault_of(chain[i], channels);
    if (fault.empty()) continue;
    proof.fault = fmt::format("step {} ({}): {}", i + 1, name_of(chain[i].op), fault);
    return proof;
  }
  for (std::uint64_t channel = 0; channel < channels; ++channel) {
    Interval now = values[values.size() == 1 ? 0 : channel];
    for (std::size_t i = 0; i < chain.size(); ++i) {
      const std::optional<Interval> next = behind(chain[i], channel, now);
      if (!next) {
        proof.fault =
            fmt::format("step {} ({}) of channel {}: {} to {} leave {}", i + 1,
                        name_of(chain[i].op), channel, now.lo, now.hi, bounds_of(chain[i].op));
        return proof;
      }
      proof.behind[i] = channel == 0 ? *next : join(proof.behind[i], *next);
      now = *next;
    }
  }
  return proof;
}

}  // namespace qloom::steps
