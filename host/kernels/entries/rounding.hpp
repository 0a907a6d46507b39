// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// call->rounding for the inner loops: rule, random words, or the results of a rounding method.
#pragma once

#include <array>
#include <cstdint>

#include "host/kernels/core.hpp"
#include "host/kernels/reference/round.hpp"

namespace qloom::kernels {

/// The loop that runs a rule of check_rounding().
inline std::uint32_t loop_rule(const qloom_rounding_ref& rounding) noexcept {
  constexpr std::uint32_t kNarrowBits = 24;
  if (rounding.rule == QLOOM_ROUND_STOCHASTIC && rounding.argument > kNarrowBits) {
    return kStochasticWide;
  }
  return rounding.rule;
}

/// Rounding of runs of at most kRunElements, one after the other.
template <const Core& kCore>
class Rounder {
 public:
  explicit Rounder(const qloom_call& call) noexcept
      : call_(call), rule_(loop_rule(call.rounding)) {}

  [[nodiscard]] std::uint32_t rule() const noexcept { return rule_; }

  /// Readies `in` for elements first .. first + n - 1; steps(t) writes their values in grid steps
  /// and is called only for a rounding method.
  template <class Steps>
  qloom_status prepare(std::uint64_t first, std::uint64_t n, const Steps& steps) noexcept {
    if (rule_ == kGiven) {
      steps(steps_.data());
      const qloom_rounding_ref& r = call_.rounding;
      return r.ops->round(r.self, &call_, first, steps_.data(), steps_.data(), n);
    }
    if (ref::draws(call_.rounding.rule)) {
      kCore.random_u32(call_.seed, call_.stream, call_.step, first, words_.data(), n);
    }
    return QLOOM_OK;
  }
  [[nodiscard]] RoundInput input() const noexcept {
    return {steps_.data(), words_.data(), call_.rounding.argument};
  }

 private:
  const qloom_call& call_;
  std::uint32_t rule_;
  std::array<float, kRunElements> steps_;
  std::array<std::uint32_t, kRunElements> words_;
};

}  // namespace qloom::kernels
