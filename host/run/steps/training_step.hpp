// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// One step of training in its parts: what a train stage does with each batch.
#pragma once

#include <string>
#include <vector>

#include "host/layers/common/losses.hpp"
#include "host/run/services/run_service.hpp"

namespace qloom::run {

/// The loss of this name of a batch of logits; its gradient too where `gradient` is not null.
/// RunError where there is none: a checkpoint may be a newer program's.
[[nodiscard]] layers::Loss loss_of(const std::string& name, const Tensor& logits,
                                   const std::vector<std::int32_t>& labels, float* gradient);

class TrainingStep {
 public:
  /// Both outlive the step.
  TrainingStep(Services& run, const pipeline::Stage& stage);

  /// A whole step; where the run stands (cursor) is the caller's matter.
  layers::Loss run(const Walk& batch);

  /// The parts, in this order.
  [[nodiscard]] network::Pass begin();
  /// The loss and its gradient, which procedures may change.
  layers::Loss at_loss(const Tensor& logits, const std::vector<std::int32_t>& labels);
  [[nodiscard]] const Tensor& logits_gradient() const { return logits_gradient_; }
  /// New weights from gradients.
  void update(const network::Pass& pass);

 private:
  Services& run_;
  const pipeline::Stage& stage_;
  std::uint64_t steps_;  ///< of an epoch
  Tensor logits_gradient_;
};

}  // namespace qloom::run
