// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>
#include <cstdint>
#include <vector>

#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

constexpr std::uint32_t kPeriod = 65535;  // every state but 0

/// One step of the Fibonacci register x^16 + x^14 + x^13 + x^11 + 1, shifted right.
std::uint16_t next(std::uint16_t s) noexcept {
  const auto bit = static_cast<std::uint16_t>((s ^ (s >> 2) ^ (s >> 3) ^ (s >> 5)) & 1U);
  return static_cast<std::uint16_t>((s >> 1) | (bit << 15));
}

/// Stochastic rounding with the words of a linear feedback shift register, which hardware can have
/// beside every multiplier. Word i of a tensor is the state (i + 1) random_bits steps after the
/// start, its low random_bits bits, as if one register served the elements in their order: a
/// function of the index alone, whatever the threads.
///
/// start: fixed takes `state` for every tensor and step; run the state that lies a number of steps
/// after it which the run's seed, the site and the step give, as a register that runs on has it.
class StochasticLfsr {
 public:
  explicit StochasticLfsr(const Params& params)
      : bits_(static_cast<std::uint32_t>(params.integer("/random_bits"))),
        is_fixed_(params.text("/start") == "fixed"),
        states_(kPeriod) {
    auto state = static_cast<std::uint16_t>(params.integer("/state"));
    for (std::uint16_t& s : states_) {
      s = state;
      state = next(state);
    }
  }
  void round(const qloom_call& call, std::uint64_t first, const float* x, float* y,
             std::uint64_t n) const noexcept {
    std::uint64_t at = (start(call) + (first % kPeriod + 1) * bits_) % kPeriod;
    const std::uint32_t mask = (std::uint32_t{1} << bits_) - 1U;
    const float words = static_cast<float>(std::uint32_t{1} << bits_);
    const bool is_magnitude = call.rounding.rule == QLOOM_ROUND_GENERIC &&
                              (call.rounding.argument & QLOOM_STOCHASTIC_MAGNITUDE) != 0;
    for (std::uint64_t i = 0; i < n; ++i) {
      const float t = is_magnitude ? std::fabs(x[i]) : x[i], down = std::floor(t);
      const auto word = static_cast<float>(states_[at] & mask);
      const float rounded = word < std::floor((t - down) * words) ? down + 1.0F : down;
      y[i] = is_magnitude ? std::copysign(rounded, x[i]) : rounded;
      at += bits_;
      at -= at >= kPeriod ? kPeriod : 0;
    }
  }

 private:
  [[nodiscard]] std::uint64_t start(const qloom_call& call) const noexcept {
    if (is_fixed_) return 0;
    std::uint32_t word = 0;
    kernels().random_u32(call.seed, call.stream, call.step, 0, &word, 1);
    return word % kPeriod;
  }

  std::uint32_t bits_;
  bool is_fixed_;
  std::vector<std::uint16_t> states_;  // by the number of steps
};

}  // namespace

QLOOM_METHODS(Rounding<StochasticLfsr>)
