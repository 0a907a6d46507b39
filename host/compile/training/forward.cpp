// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>

#include <fmt/format.h>

#include "host/compile/training/step_compiler.hpp"

namespace qloom::compile {
namespace {

constexpr int kFarthest = 100;  // exponents of float32 that stay normal under any scale

const std::string& id_of(const SiteQuantizer& site) { return site.spec().quantizer.method->id; }

/// The layer that a quantize node stands in front of.
const std::string& layer_of(const Node& node) {
  return node.keys.empty() ? node.name : node.keys[0].layer;
}

}  // namespace

StepCompiler::Value StepCompiler::forward(const Node& node) {
  if (node.type == Node::Type::kInput) {
    if (training_.pixels.values.empty()) {
      refuse(node.name, "images are no bytes");
      return {};
    }
    builder_.program().images = builder_.add_images(shape_of(node));
    return Held{builder_.program().images, 0};
  }
  if (node.readers > 1) {
    refuse(node.name, "is read by two layers, whose gradients would be added");
    return {};
  }
  if (node.inputs.size() != 1) {
    refuse(node.name, fmt::format("works on {} inputs", node.inputs.size()));
    return {};
  }
  if (node.type == Node::Type::kQuantize) return forward_quantize(node);
  if (node.type == Node::Type::kQuantizeError) return value_of(input_of(node));
  if (node.layer->is_contraction()) return forward_contraction(node);
  const layers::LayerType& type = *node.layer->type;
  const Value in = value_of(input_of(node));
  if (type.is_norm) return forward_norm(node);  // looked at in any case
  if (!in) return {};
  if (input_of(node).type == Node::Type::kInput) {
    refuse(node.name, "works on images, which are no codes yet: no rule at site input");
    return {};
  }
  if (type.same_bytes) return in;
  if (type.takes_largest()) return forward_pool(node);
  if (type.elementwise.forward != nullptr) return forward_elementwise(node);
  refuse(node.name, fmt::format("has no integer form ({})", type.name));
  return {};
}

StepCompiler::Value StepCompiler::forward_quantize(const Node& node) {
  const Value in = value_of(input_of(node));
  if (!in || !node.site->acts(phase())) return in;
  const std::string name = layer_of(node) + ".in";
  std::optional<Fixed> fixed;
  if (input_of(node).type == Node::Type::kInput) {
    fixed = find_table(*node.site, training_.pixels, phase());
  } else {
    fixed = find_fixed({*node.site, tried_shape(node), in->exponent, phase()},
                       builder_.range(in->tensor));
  }
  if (!fixed) {
    refuse(layer_of(node),
           fmt::format("its input: \"{}\" is no fixed shift and clamp to codes of a power of two",
                       id_of(*node.site)));
    return {};
  }
  return builder_.add(Op{.kind = Kind::kMap,
                         .section = Section::kForward,
                         .inputs = {in->tensor},
                         .steps = fixed->steps},
                      name, fixed->exponent);
}

/// The weights' codes, made anew in each step.
StepCompiler::Value StepCompiler::weight_codes(const Node& node) {
  const std::string& layer = node.layer->name;
  const auto found = weights_.find(layer);
  if (found == weights_.end()) return {};
  Weights& weights = found->second;
  SiteQuantizer* site = weights.parameter->forward.get();
  if (site == nullptr || !site->acts(phase())) {
    refuse(layer, "weights are real: no rule at site weight");
    return {};
  }
  const auto fixed =
      find_fixed({*site, weights.parameter->shape, weights.exponent, phase()}, weights.bounds);
  if (!fixed) {
    refuse(layer, fmt::format("its weights: \"{}\" is no fixed shift and clamp to codes of a power "
                              "of two",
                              id_of(*site)));
    return {};
  }
  const network::ContractionShape window = node.layer->type->contraction(*node.layer, 1);
  const bool is_flat = window.in_h * window.in_w == 1 && !window.pads() && window.groups == 1;
  const Shape shape =
      is_flat ? Shape{window.out_c, window.in_c}
              : Shape{window.out_c, window.kernel_h, window.kernel_w, window.in_c / window.groups};
  const int tensor = builder_.add_parameter(layer + ".weight", shape, weights.bounds,
                                            weights.exponent, weights.initial);
  return builder_.add(Op{.kind = Kind::kMap,
                         .section = Section::kForward,
                         .inputs = {tensor},
                         .steps = fixed->steps},
                      layer + ".codes", fixed->exponent);
}

StepCompiler::Value StepCompiler::forward_contraction(const Node& node) {
  const std::string& layer = node.layer->name;
  const Value in = value_of(input_of(node));
  const Value w = codes_[index_of(node)] = weight_codes(node);
  if (node.bias != nullptr) return {};  // said with the parameters
  if (!is_exact(node, 0)) {
    refuse(layer, "its accumulator does not add exactly");
    return {};
  }
  if (in && node.input_operand.scale_count != 1) {
    refuse(layer, "reads real values: no rule at site input or activation");
    return {};
  }
  if (!in || !w) return {};
  const network::ContractionShape window = node.layer->type->contraction(*node.layer, 1);
  if (window.pads() && node.input_operand.pad != 0) {
    refuse(layer, fmt::format("pads with {}, expected 0", node.input_operand.pad));
    return {};
  }
  const bool is_flat = builder_.tensor(w->tensor).shape.size() == 2;
  const Held sums = builder_.add(Op{.kind = is_flat ? Kind::kDense : Kind::kConv,
                                    .section = Section::kForward,
                                    .inputs = {in->tensor, w->tensor},
                                    .window = window},
                                 layer, shape_of(node), in->exponent + w->exponent);
  return builder_.as_float32(sums, Section::kForward);
}

/// y = x * 2^n, as the batch shows it.
StepCompiler::Value StepCompiler::forward_norm(const Node& node) {
  const Value in = value_of(input_of(node));
  const Tensor &x = *input_of(node).value, &y = *node.value;
  std::optional<int> exponent;
  for (std::size_t i = 0; i < x.size() && !exponent; ++i) {
    if (x[i] != 0) exponent = power_of_two(double{y[i]} / double{x[i]});
    if (x[i] != 0 && !exponent) break;
  }
  bool is_shift = exponent && !node.norm->method.instance().has_state() &&
                  std::abs((in ? in->exponent : 0) + *exponent) < kFarthest;
  for (std::size_t i = 0; i < x.size() && is_shift; ++i) {
    is_shift = y[i] == std::ldexp(x[i], *exponent);
  }
  if (!is_shift) {
    refuse(node.name, fmt::format("norm \"{}\" is no multiplication by a power of two",
                                  node.norm->spec.method->id));
    return {};
  }
  return in ? Value(Held{in->tensor, in->exponent + *exponent}) : Value();
}

StepCompiler::Value StepCompiler::forward_elementwise(const Node& node) {
  const Value in = value_of(input_of(node));
  const auto function = [&](const Tensor& x, Tensor& y) {
    y.resize(x.shape());
    node.layer->type->elementwise.forward(*node.layer, {.seed = 0, .step = 0, .training = true},
                                          {0, x.size()}, x.data(), nullptr, y.data());
  };
  const steps::Interval range = builder_.range(in->tensor);
  const auto clamp = find_clamp(function, tried_shape(node), in->exponent, range);
  if (!clamp) {
    refuse(node.name, fmt::format("is no clamp of integers ({})", node.layer->type->name));
    return {};
  }
  return builder_.add(
      Op{.kind = Kind::kMap,
         .section = Section::kForward,
         .inputs = {in->tensor},
         .steps =
             {{steps::Op::kClamp, steps::Rounding::kTowardNegative, {clamp->lo, clamp->hi}, 2}}},
      node.name, in->exponent);
}

StepCompiler::Value StepCompiler::forward_pool(const Node& node) {
  const Value in = value_of(input_of(node));
  const layers::Layer& l = *node.layer;
  Op op{.kind = Kind::kMaxPool, .section = Section::kForward, .inputs = {in->tensor}};
  op.window = {.kernel_h = l.kernel_h,
               .kernel_w = l.kernel_w,
               .stride_h = l.stride_h,
               .stride_w = l.stride_w,
               .pad_top = l.pad_top,
               .pad_bottom = l.pad_bottom,
               .pad_left = l.pad_left,
               .pad_right = l.pad_right};
  return builder_.add(std::move(op), node.name, shape_of(node), in->exponent);
}

}  // namespace qloom::compile
