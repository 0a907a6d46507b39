// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Losses of a batch of logits (batch, classes). The same bits for any number of threads.
#pragma once

#include <cstdint>
#include <string_view>

namespace qloom::layers {

struct Loss {
  double sum = 0;            ///< over the batch
  std::int64_t correct = 0;  ///< samples whose largest logit (the first one) is the label
};
/// Softmax cross-entropy, natural logarithm. gradient (may be null) is of the batch mean.
Loss softmax_cross_entropy(const float* logits, const std::int32_t* labels, std::int64_t batch,
                           std::int64_t classes, float* gradient);
/// 0.5 * sum (y - onehot)^2; gradient (may be null) is of the sum over batch and classes
/// (Wu et al., 2018, WAGE).
Loss sum_of_squares(const float* logits, const std::int32_t* labels, std::int64_t batch,
                    std::int64_t classes, float* gradient);

/// Mean over the classes of max(0, 1 - t y)^2, t = 1 for the label and -1 else; gradient (may be
/// null) is of the batch mean (Courbariaux et al., 2016).
Loss squared_hinge(const float* logits, const std::int32_t* labels, std::int64_t batch,
                   std::int64_t classes, float* gradient);

using LossFunction = decltype(&softmax_cross_entropy);
/// The loss that a stage calls so; null for an unknown name.
[[nodiscard]] LossFunction find_loss(std::string_view name);

}  // namespace qloom::layers
