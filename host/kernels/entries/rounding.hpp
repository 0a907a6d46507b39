// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// call->rounding for the inner loops: a fused rule, or the results of one call per tile.
#pragma once

#include <array>
#include <cstdint>

#include "host/kernels/core.hpp"
#include "host/kernels/entries/runs.hpp"
#include "host/kernels/reference/round.hpp"

namespace qloom::kernels {

/// Flags of the rule STOCHASTIC; 0 for other rules.
inline std::uint32_t stochastic_flags(const qloom_rounding_ref& rounding) noexcept {
  return rounding.rule == QLOOM_ROUND_STOCHASTIC
             ? rounding.argument & ~std::uint32_t{QLOOM_STOCHASTIC_BITS}
             : 0;
}

/// The loop of a rule that check_rounding() lets in, flags aside; kGiven for a rounding method.
inline std::uint32_t plain_rule(const qloom_rounding_ref& rounding) noexcept {
  constexpr std::uint32_t kNarrowBits = 24;
  switch (rounding.rule) {
    case QLOOM_ROUND_NEAREST_EVEN:
      return kNearestEven;
    case QLOOM_ROUND_NEAREST_AWAY:
      return kNearestAway;
    case QLOOM_ROUND_NEAREST_UP:
      return kNearestUp;
    case QLOOM_ROUND_TOWARD_ZERO:
      return kTowardZero;
    case QLOOM_ROUND_TOWARD_NEGATIVE:
      return kTowardNegative;
    case QLOOM_ROUND_TOWARD_POSITIVE:
      return kTowardPositive;
    case QLOOM_ROUND_STOCHASTIC:
      return random_bits(rounding.argument) > kNarrowBits ? kStochasticWide : kStochastic;
    case QLOOM_ROUND_STOCHASTIC_EQUAL:
      return kStochasticEqual;
  }
  return kGiven;
}

/// The loop of `round`.
inline std::uint32_t round_rule(const qloom_rounding_ref& rounding) noexcept {
  return stochastic_flags(rounding) != 0 ? std::uint32_t{kStochasticGeneral} : plain_rule(rounding);
}

/// kGiven for the rules that the loops have not inside: rounding is a pass of its own.
inline std::uint32_t fused_or_given(std::uint32_t rule) noexcept {
  return rule < kFusedRules ? rule : std::uint32_t{kGiven};
}

/// The loop of a grid's kernels: kStochasticMagnitude only where they have it.
inline std::uint32_t grid_rule(const qloom_rounding_ref& rounding, bool has_magnitude) noexcept {
  const std::uint32_t flags = stochastic_flags(rounding), rule = plain_rule(rounding);
  if (rule == kNearestUp || rule == kTowardZero || rule == kTowardPositive) return kRare;
  if (flags == 0) return fused_or_given(rule);
  const bool is_fused = has_magnitude && flags == QLOOM_STOCHASTIC_MAGNITUDE && rule == kStochastic;
  return is_fused ? std::uint32_t{kStochasticMagnitude} : std::uint32_t{kGiven};
}

/// The loop of minifloat, which rounds magnitudes.
inline std::uint32_t format_rule(const qloom_rounding_ref& rounding) noexcept {
  const bool is_nearest = (stochastic_flags(rounding) & QLOOM_STOCHASTIC_NEAREST_FRACTION) != 0;
  return is_nearest ? std::uint32_t{kGiven} : fused_or_given(plain_rule(rounding));
}

/// The loop of accumulate_float, which rounds magnitudes.
inline std::uint32_t sum_rule(const qloom_rounding_ref& rounding) noexcept {
  const bool is_nearest = (stochastic_flags(rounding) & QLOOM_STOCHASTIC_NEAREST_FRACTION) != 0;
  return is_nearest ? std::uint32_t{kStochasticWide} : plain_rule(rounding);
}

inline RoundInput round_input(const qloom_call& call, const float* given,
                              std::uint64_t first) noexcept {
  return {given,
          call.seed,
          call.stream,
          call.step,
          first,
          random_bits(call.rounding.argument),
          stochastic_flags(call.rounding),
          plain_rule(call.rounding)};
}

/// Rounding of runs as cut() says, one after the other: the one place where a rule outside the
/// fused ones, or a rounding method, is called.
template <const Core& kCore>
class Rounder {
 public:
  Rounder(const qloom_call& call, std::uint32_t rule) noexcept
      : call_(call), rule_(rule), input_(round_input(call, rounded_.data(), 0)) {}

  [[nodiscard]] std::uint32_t rule() const noexcept { return rule_; }
  /// Runs with random words are long, because words are made many at a time.
  [[nodiscard]] Cut cut() const noexcept {
    if (rule_ == kGiven) return {.most = kRunElements, .long_group = kRunElements};
    return ref::draws(call_.rounding.rule) ? Cut{.long_group = 1024} : Cut{};
  }
  /// Readies input() for elements first .. first + n - 1; steps(t) writes their values in grid
  /// steps and is called only where rounding is a pass of its own.
  template <class Steps>
  qloom_status prepare(std::uint64_t first, std::uint64_t n, const Steps& steps) noexcept {
    input_.first = first;
    if (rule_ != kGiven) return QLOOM_OK;
    steps(steps_.data());
    const qloom_rounding_ref& r = call_.rounding;
    if (r.rule == QLOOM_ROUND_GENERIC) {  // apart from its input, so that plain loops vectorize
      return r.ops->round(r.self, &call_, first, steps_.data(), rounded_.data(), n);
    }
    kCore.round[round_rule(r)](input_, steps_.data(), rounded_.data(), n);
    return QLOOM_OK;
  }
  [[nodiscard]] const RoundInput& input() const noexcept { return input_; }

 private:
  const qloom_call& call_;
  std::uint32_t rule_;
  alignas(64) std::array<float, kRunElements> steps_, rounded_;
  RoundInput input_;
};

}  // namespace qloom::kernels
