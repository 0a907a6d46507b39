// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Programs of one operation, small enough to be computed by hand.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "host/program/execute.hpp"
#include "host/program/program.hpp"

namespace qloom::test {

inline constexpr program::Type kU8{.is_signed = false, .bits = 8};
inline constexpr program::Type kS8{.is_signed = true, .bits = 8};
inline constexpr program::Type kS16{.is_signed = true, .bits = 16};

struct Extents {
  std::int64_t height = 1, width = 1, channels = 1;
};

inline program::Tensor tensor_of(const std::string& name, Extents extents, program::Type type,
                                 std::int64_t zero_point = 0) {
  program::Tensor tensor;
  tensor.name = name;
  tensor.height = extents.height;
  tensor.width = extents.width;
  tensor.channels = extents.channels;
  tensor.type = type;
  tensor.zero_point = zero_point;
  return tensor;
}

inline steps::Step step_of(steps::Op op, std::vector<std::int64_t> constants,
                           std::uint64_t per_channel = 1,
                           steps::Rounding rounding = steps::Rounding::kTowardNegative) {
  steps::Step step;
  step.op = op;
  step.rounding = rounding;
  step.constants = std::move(constants);
  step.per_channel = per_channel;
  return step;
}

/// Tensors 0 "x" and 1 "y" with the operation between them.
inline program::Program program_of(program::Op op, program::Tensor x, program::Tensor y) {
  program::Program made;
  op.name = op.name.empty() ? "op" : op.name;
  op.inputs = {0};
  op.output = 1;
  made.tensors = {std::move(x), std::move(y)};
  made.ops = {std::move(op)};
  made.outputs = {1};
  return made;
}

/// A window over x with so many channels out.
inline program::ContractionShape window_of(const program::Tensor& x, std::int64_t out_channels,
                                           std::int64_t kernel_h, std::int64_t kernel_w) {
  program::ContractionShape window;
  window.in_h = x.height;
  window.in_w = x.width;
  window.in_c = x.channels;
  window.out_c = out_channels;
  window.kernel_h = kernel_h;
  window.kernel_w = kernel_w;
  return window;
}

/// A conv of x, 3 x 3 x 1, with a kernel of 2 x 2; 2 x 2 sums.
inline program::Program small_conv() {
  program::Tensor x = tensor_of("x", {3, 3, 1}, kU8, 1);
  program::Op conv;
  conv.kind = program::Kind::kConv;
  conv.window = window_of(x, 1, 2, 2);
  conv.weights = {1, 2, 3, -4};
  conv.weight_type = kS8;
  conv.pad = 1;
  return program_of(conv, x, tensor_of("y", {2, 2, 1}, kS16));
}

}  // namespace qloom::test
