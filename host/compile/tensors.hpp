// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Nodes as tensors, windows and weights of a program.
#pragma once

#include <string>

#include "host/compile/routes/route.hpp"
#include "host/program/program.hpp"

namespace qloom::compile {

[[nodiscard]] program::Tensor tensor_of(std::string name, const layers::SampleShape& shape,
                                        program::Type type);
/// What a quantizer of these values hands on; its codes are a fixed function (operands.hpp).
[[nodiscard]] program::Tensor code_tensor_of(const std::string& name,
                                             const layers::SampleShape& shape,
                                             const SiteQuantizer& site);
/// The sums of a contraction with these weights, which lie in `values`.
[[nodiscard]] program::Tensor sum_tensor_of(const Node& contraction,
                                            const contraction::Operand& weights, Interval values);
/// Of a pool.
[[nodiscard]] contraction::ContractionShape window_of(const layers::Layer& layer);
/// Weights of a contraction and their type; op.window is there.
void take_weights(const contraction::Operand& weights, program::Op& op);

}  // namespace qloom::compile
