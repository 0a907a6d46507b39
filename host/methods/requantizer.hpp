// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// How a requantizer is asked for its steps, and what these have to hold before anything uses them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/methods/driver.hpp"
#include "host/methods/method.hpp"
#include "host/steps/proof.hpp"

namespace qloom::methods {

/// What a requantizer is asked for; arrays of inputs x channels.
/// code = clamp(round(sum over the inputs of factor * v + offset) + zero_point)
struct RequantizeTask {
  std::uint32_t inputs = 1;  ///< 1: a sum; more: a join of codes, their zero points taken off
  std::uint64_t channels = 1;
  std::vector<double> factor;         ///< inputs x channels, finite
  std::vector<double> offset;         ///< channels, finite
  std::vector<steps::Interval> sums;  ///< inputs x channels: what v can reach
  steps::Interval codes;              ///< code_min .. code_max, relu and the like folded in; int32
  std::int32_t zero_point = 0;
  std::uint32_t rounding = QLOOM_ROUND_NEAREST_EVEN;  ///< of the rule, without random words
  /// Where factor comes from, for methods that form it in float32: the real value of one unit of v
  /// (inputs x channels) over that of a code. Empty and 0: unknown, and factor is rounded once.
  std::vector<double> unit;
  double code_scale = 0;
};

/// code = behind(sum over i of before[i](v_i)); `before` is empty for one input.
struct Requantization {
  std::vector<steps::Chain> before;
  steps::Chain behind;
};

class Requantizer : public Driver {
 public:
  Requantizer() = default;
  Requantizer(const registry::Registry& registry, const MethodSpec& spec,
              const qloom_site* site = nullptr, std::string place = {});
  explicit Requantizer(registry::Instance instance, std::string place = {})
      : Driver(std::move(instance), std::move(place)) {}

  /// Checks what the plugin answers: its form, its constants, that no step leaves 64 bits for any v
  /// of the task and that the codes lie in task.codes. RunError with method, place, step and
  /// channel where it does not; registry::Refusal where the method says that it cannot.
  [[nodiscard]] Requantization derive(const RequantizeTask& task) const;

 private:
  bool wants_float32_ = false;  ///< "float32_factor" of the manifest holds for its parameters
};

/// The code of one value of each input, which lies in the task's sums.
[[nodiscard]] std::int64_t code_of(const Requantization& chain, std::uint64_t channel,
                                   const std::vector<std::int64_t>& values);

}  // namespace qloom::methods
