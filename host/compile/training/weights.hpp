// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// How a step makes new weights: the gradient's form, and the bounds of what is stored.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "host/compile/training/compile_step.hpp"
#include "host/compile/training/probe.hpp"

namespace qloom::compile {

/// A layer's weights as the program holds them.
struct Weights {
  network::Parameter* parameter = nullptr;
  int exponent = 0;  ///< stored value = integer * 2^exponent, the grid of the updates
  Stochastic gradient;
  steps::Interval bounds;  ///< w - u is clamped to them
  std::vector<std::int64_t> initial;
};

/// By layer; of a layer that has none there is a refusal.
using WeightsByLayer = std::map<std::string, Weights>;
[[nodiscard]] WeightsByLayer weights_of(const Training& training, std::vector<Refusal>& refusals);

}  // namespace qloom::compile
