// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// call->rounding for the inner loops: rule, or the results of a rounding
// method.
#pragma once

#include <array>
#include <cstdint>

#include "host/kernels/core.hpp"
#include "host/kernels/entries/runs.hpp"
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

/// Rounding of runs as cut() says, one after the other.
template <const Core& kCore>
class Rounder {
 public:
  explicit Rounder(const qloom_call& call) noexcept
      : call_(call), rule_(loop_rule(call.rounding)),
        input_{steps_.data(), call.seed, call.stream, call.step, 0, call.rounding.argument} {}

  [[nodiscard]] std::uint32_t rule() const noexcept { return rule_; }
  /// Runs with random words are long, because words are made many at a time.
  [[nodiscard]] Cut cut() const noexcept {
    if (rule_ == kGiven) return {.most = kRunElements};
    return ref::draws(call_.rounding.rule) ? Cut{.long_group = 1024} : Cut{};
  }
  /// Readies input() for elements first .. first + n - 1; steps(t) writes their values in grid
  /// steps and is called only for a rounding method.
  template <class Steps>
  qloom_status prepare(std::uint64_t first, std::uint64_t n, const Steps& steps) noexcept {
    input_.first = first;
    if (rule_ != kGiven) return QLOOM_OK;
    steps(steps_.data());
    const qloom_rounding_ref& r = call_.rounding;
    return r.ops->round(r.self, &call_, first, steps_.data(), steps_.data(), n);
  }
  [[nodiscard]] const RoundInput& input() const noexcept { return input_; }

 private:
  const qloom_call& call_;
  std::uint32_t rule_;
  std::array<float, kRunElements> steps_;
  RoundInput input_;
};

}  // namespace qloom::kernels
