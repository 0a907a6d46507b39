// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/compile/tensors.hpp"

#include <algorithm>
#include <utility>

#include "host/compile/operands.hpp"
#include "host/kernels/stored_codes.hpp"

namespace qloom::compile {

program::Tensor tensor_of(std::string name, const layers::SampleShape& shape, program::Type type) {
  program::Tensor tensor;
  tensor.name = std::move(name);
  tensor.height = shape.height;
  tensor.width = shape.width;
  tensor.channels = shape.channels;
  tensor.type = type;
  return tensor;
}

contraction::ContractionShape window_of(const layers::Layer& layer) {
  contraction::ContractionShape s;
  s.in_h = layer.in.height;
  s.in_w = layer.in.width;
  s.in_c = s.out_c = s.groups = layer.in.channels;
  s.kernel_h = layer.kernel_h;
  s.kernel_w = layer.kernel_w;
  s.stride_h = layer.stride_h;
  s.stride_w = layer.stride_w;
  s.pad_top = layer.pad_top;
  s.pad_bottom = layer.pad_bottom;
  s.pad_left = layer.pad_left;
  s.pad_right = layer.pad_right;
  return s;
}

void take_weights(const contraction::Operand& weights, program::Op& op) {
  const auto count = static_cast<std::uint64_t>(op.window.w_size());
  std::vector<float> codes(count);
  kernels::load_values(weights.codes, 1.0F, codes.data(), count);
  op.weights.reserve(count);
  for (const float code : codes) op.weights.push_back(static_cast<std::int32_t>(code));
  const auto [lo, hi] = std::minmax_element(op.weights.begin(), op.weights.end());
  op.weight_type = program::type_of({std::min(*lo, -1), *hi});
}

program::Tensor sum_tensor_of(const Node& node, const contraction::Operand& w, Interval values) {
  program::Tensor tensor =
      tensor_of(node.layer->name + ".sum", node.out_shape,
                program::type_of({std::min<std::int64_t>(values.lo, -1), values.hi}));
  const contraction::Operand& x = node.input_operand;
  for (std::uint64_t o = 0; o < w.scale_count; ++o) {
    tensor.scale.push_back(double{*x.scale} * double{w.scale[o]});
  }
  return tensor;
}

program::Tensor code_tensor_of(const std::string& name, const layers::SampleShape& shape,
                               const SiteQuantizer& site) {
  const CodeSpace space = code_space_of(site);
  program::Tensor tensor = tensor_of(name, shape, program::type_of(space.codes));
  tensor.zero_point = space.zero_point;
  tensor.scale = {space.scale};
  return tensor;
}

}  // namespace qloom::compile
