// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// From a network that is trained to its step program. What stands between two sums of products is
// found out by trying the network's own methods: a form is proposed, compared, and used where no
// value differs. What has no integer form is named, all of it at once.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "host/compile/compile.hpp"
#include "host/step_program/step_program.hpp"

namespace qloom::compile {

/// A training, as far as its step program needs to know it. Forward and backward of the first step
/// have run on a batch, with fuse(false) and its rules.
struct Training {
  network::Network& network;
  const Pixels& pixels;
  /// dL/dlogits of a batch, as procedures leave it.
  std::function<Tensor(const Tensor& logits, const std::vector<std::int32_t>& labels)>
      loss_gradient;
  /// New weights from the gradients that stand in the network, as at this step.
  std::function<void(std::uint64_t step)> update;
  std::string loss;  ///< its name
  std::uint64_t epochs = 1, steps_per_epoch = 1;
  std::int64_t batch = 1;
  std::uint64_t seed = 0;
};

struct CompiledStep {
  step_program::Program program;  ///< where there are no refusals
  std::vector<Refusal> refusals;
};

/// The network's weights are those the program begins with; they and all that methods have learned
/// are the same afterwards, random words and optimizer apart.
[[nodiscard]] CompiledStep compile_step(const Training& training);

}  // namespace qloom::compile
