// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/step_program/tensors.hpp"

namespace qloom::step_program {

Parts parts_of(const Op& op) {
  switch (op.kind) {
    case Kind::kConv:
    case Kind::kDense:
      return {op.inputs[0], op.inputs[1], op.output};
    case Kind::kConvDx:
    case Kind::kDenseDx:
      return {op.output, op.inputs[1], op.inputs[0]};
    case Kind::kConvDw:
    case Kind::kDenseDw:
      return {op.inputs[0], op.output, op.inputs[1]};
    case Kind::kRoute:
      return {op.output, -1, op.inputs[0]};
    case Kind::kMap:
    case Kind::kMaxPool:
    case Kind::kMaxPlace:
    case Kind::kSubtractLabel:
    case Kind::kMultiply:
    case Kind::kSignificant:
    case Kind::kExponent:
    case Kind::kNormalise:
    case Kind::kStochastic:
    case Kind::kUpdate:
      return {op.inputs[0], -1, op.output};
  }
  return {};
}

Extent extent_of(const Tensor& tensor, bool is_flat) {
  if (is_flat || tensor.shape.size() != 3) return {1, 1, tensor.size()};
  return {tensor.shape[0], tensor.shape[1], tensor.shape[2]};
}

Shape weights_shape(const ContractionShape& w, bool is_flat) {
  if (is_flat) return {w.out_c, w.in_c};
  return {w.out_c, w.kernel_h, w.kernel_w, w.in_c / w.groups};
}

void complete_window(const Program& program, Op& op) {
  const Parts parts = parts_of(op);
  const Extent x = extent_of(program.tensor(parts.x), is_dense(op.kind));
  const Extent y = extent_of(program.tensor(parts.y), is_dense(op.kind));
  op.window.in_h = x.height;
  op.window.in_w = x.width;
  op.window.in_c = x.channels;
  op.window.out_c = y.channels;
  if (!traits_of(op.kind).is_product) op.window.groups = x.channels;
}

}  // namespace qloom::step_program
