// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/layers/common/losses.hpp"
#include "host/tensor/tensor.hpp"

namespace qloom::run {

/// The loss "sum_of_squares" or "softmax_cross_entropy" of a batch of logits; its gradient too
/// where `gradient` is not null.
[[nodiscard]] layers::Loss loss_of(const std::string& name, const Tensor& logits,
                                   const std::vector<std::int32_t>& labels, std::int64_t batch,
                                   std::int64_t classes, float* gradient);

}  // namespace qloom::run
