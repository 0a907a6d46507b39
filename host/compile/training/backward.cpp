// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>

#include <fmt/format.h>

#include "host/compile/training/step_compiler.hpp"
#include "host/tensor/random.hpp"

namespace qloom::compile {
namespace {

steps::Step step_of(steps::Op op, std::vector<std::int64_t> constants) {
  const std::uint64_t count = constants.size();
  return {op, steps::Rounding::kTowardNegative, std::move(constants), count};
}

/// 1 for values of the interval, 0 for others of the range.
steps::Chain mask_of(steps::Interval passing, steps::Interval range) {
  const bool cuts_low = range.lo<passing.lo, cuts_high = range.hi> passing.hi;
  if (cuts_low && cuts_high) {
    return {step_of(steps::Op::kCount, {passing.lo, passing.hi + 1}),
            step_of(steps::Op::kTable, {0, 1, 0})};
  }
  if (cuts_low) return {step_of(steps::Op::kCount, {passing.lo})};
  return {step_of(steps::Op::kCount, {passing.hi + 1}), step_of(steps::Op::kTable, {1, 0})};
}

}  // namespace

/// Compares x - one at the label, one being the integer that stands for 1, with what the loss and
/// the procedures make of many logits.
bool StepCompiler::is_label_difference(int exponent, steps::Interval range) const {
  if (exponent > 0 || exponent < -30) return false;
  constexpr std::size_t kRows = 256;
  const std::int64_t one = std::int64_t{1} << -exponent;
  const std::vector<std::int64_t> points = points_of(range, {one});
  const auto classes = static_cast<std::size_t>(nodes_.back()->out_shape.size());
  const Shape shape{kRows, static_cast<std::int64_t>(classes)};
  for (std::size_t first = 0; first < points.size(); first += kRows) {
    const Tensor x = tensor_of_points(points, shape, first, exponent);
    std::vector<std::int32_t> labels(kRows);
    for (std::size_t i = 0; i < kRows; ++i) {
      labels[i] = static_cast<std::int32_t>((i + first / kRows) % classes);
    }
    const Tensor dy = training_.loss_gradient(x, labels);
    for (std::size_t i = 0; i < dy.size(); ++i) {
      const bool is_label = static_cast<std::int32_t>(i % classes) == labels[i / classes];
      const std::int64_t v = points[(first + i) % points.size()] - (is_label ? one : 0);
      const std::int64_t held = step_program::significant(v, 24);
      if (std::ldexp(double{dy[i]}, -exponent) != static_cast<double>(held)) return false;
    }
  }
  return true;
}

void StepCompiler::refuse_loss() {
  refuse(nodes_.back()->name,
         fmt::format("the gradient of the loss \"{}\" is not logit - 1 at the label, logit "
                     "elsewhere, in integers",
                     training_.loss));
}

StepCompiler::Value StepCompiler::loss_gradient(Held logits) {
  if (!is_label_difference(logits.exponent, builder_.range(logits.tensor))) {
    refuse_loss();
    return {};
  }
  const Held error =
      builder_.add(Op{.kind = Kind::kSubtractLabel,
                      .section = Section::kBackward,
                      .inputs = {logits.tensor},
                      .one = std::int64_t{1} << -logits.exponent},
                   builder_.tensor(logits.tensor).name + ".gradient", logits.exponent);
  return builder_.as_float32(error, Section::kBackward);
}

/// What an earlier refusal keeps the way back from reaching is looked at by itself, with values of
/// this size.
void StepCompiler::look_at_the_rest() {
  constexpr int kExponent = -10;
  constexpr steps::Interval kRange{-(1 << 20), 1 << 20};
  if (!values_.back() && !is_label_difference(kExponent, kRange)) refuse_loss();
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const Node& node = *nodes_[i];
    if (gradients_[i] || node.type != Node::Type::kLayer || !node.layer->is_contraction()) continue;
    for (const auto& site : {node.error, node.error_dx, node.error_dw}) {
      if (site == nullptr || !site->acts(phase())) continue;
      const Tried tried{*site, tried_shape(node), kExponent, phase()};
      if (!find_normalised(tried) && !find_fixed(tried, kRange)) refuse_error(*site, node);
    }
  }
}

void StepCompiler::deliver(const Node& node, Held gradient) {
  const Node& input = input_of(node);
  if (input.needs_gradient) gradients_[index_of(input)] = gradient;
}

void StepCompiler::backward(const Node& node, Held gradient) {
  switch (node.type) {
    case Node::Type::kInput:
      return;
    case Node::Type::kQuantizeError: {
      const Value error = quantized_error(*node.site, node, gradient);
      if (error) deliver(node, *error);
      return;
    }
    case Node::Type::kQuantize:
      return backward_quantize(node, gradient);
    case Node::Type::kLayer:
      break;
  }
  const layers::LayerType& type = *node.layer->type;
  if (node.layer->is_contraction()) return backward_contraction(node, gradient);
  if (type.same_bytes) return deliver(node, gradient);
  if (type.takes_largest()) return backward_pool(node, gradient);
  if (type.elementwise.forward != nullptr) return backward_elementwise(node, gradient);
  backward_norm(node, gradient);
}

void StepCompiler::backward_quantize(const Node& node, Held gradient) {
  if (!node.site->acts(phase())) return deliver(node, gradient);
  if (!input_of(node).needs_gradient) return;
  const Held in = *value_of(input_of(node));
  const auto passing = find_passing({*node.site, tried_shape(node), in.exponent, phase()},
                                    builder_.range(in.tensor));
  if (passing) return deliver(node, masked(gradient, in, *passing));
  refuse(node.keys[0].layer,
         fmt::format("its input: the gradient of \"{}\" does not pass through an interval alone",
                     node.site->spec().quantizer.method->id));
}

/// dx = dy * 2^n, as the batch shows it.
void StepCompiler::backward_norm(const Node& node, Held gradient) {
  const Tensor &dy = node.gradient.value(), &dx = input_of(node).gradient.value();
  std::optional<int> exponent;
  bool is_shift = true;
  for (std::size_t i = 0; i < dy.size() && is_shift; ++i) {
    if (!exponent && dy[i] != 0) exponent = power_of_two(double{dx[i]} / double{dy[i]});
    is_shift = exponent ? dx[i] == std::ldexp(dy[i], *exponent) : dy[i] == 0 && dx[i] == 0;
  }
  if (!is_shift || !exponent) {
    return refuse(node.name, fmt::format("the gradient of norm \"{}\" is no multiplication by a "
                                         "power of two",
                                         node.norm->spec.method->id));
  }
  deliver(node, {gradient.tensor, gradient.exponent + *exponent});
}

step_program::Held StepCompiler::masked(Held gradient, Held of, steps::Interval passing) {
  const steps::Interval range = builder_.range(of.tensor);
  if (passing.lo <= range.lo && passing.hi >= range.hi) return gradient;
  const std::string name = builder_.tensor(of.tensor).name;
  const Held mask = builder_.add(Op{.kind = Kind::kMap,
                                    .section = Section::kForward,
                                    .inputs = {of.tensor},
                                    .steps = mask_of(passing, range)},
                                 name + ".mask", 0);
  return builder_.add(Op{.kind = Kind::kMultiply,
                         .section = Section::kBackward,
                         .inputs = {gradient.tensor, mask.tensor}},
                      name + ".gradient", gradient.exponent);
}

void StepCompiler::backward_elementwise(const Node& node, Held gradient) {
  const Held in = *value_of(input_of(node)), out = *value_of(node);
  const layers::Elementwise& type = node.layer->type->elementwise;
  const layers::Step step{.seed = 0, .step = 0, .training = true};
  const auto function = [&](const Tensor& x, const Tensor& dy, Tensor& dx) {
    Tensor y;
    y.resize(x.shape());
    dx.resize(x.shape());
    type.forward(*node.layer, step, {0, x.size()}, x.data(), nullptr, y.data());
    const Tensor& seen = type.reads == layers::Elementwise::Reads::kInput ? x : y;
    type.gradient(*node.layer, step, {0, x.size()}, seen.data(), dy.data(), dx.data());
  };
  if (type.gradient == nullptr) return deliver(node, gradient);
  const steps::Interval bounds = builder_.range(out.tensor);
  const auto passing = find_passing(function, tried_shape(node), in.exponent,
                                    builder_.range(in.tensor), {bounds.lo, bounds.hi});
  if (!passing) {
    return refuse(node.name, "its gradient does not pass through an interval alone");
  }
  deliver(node, masked(gradient, in, *passing));
}

void StepCompiler::backward_pool(const Node& node, Held gradient) {
  const Held in = *value_of(input_of(node));
  const std::string name = builder_.tensor(value_of(node)->tensor).name;
  Op op{.kind = Kind::kMaxPlace, .section = Section::kForward, .inputs = {in.tensor}};
  const layers::Layer& l = *node.layer;
  op.window = {.kernel_h = l.kernel_h,
               .kernel_w = l.kernel_w,
               .stride_h = l.stride_h,
               .stride_w = l.stride_w,
               .pad_top = l.pad_top,
               .pad_bottom = l.pad_bottom,
               .pad_left = l.pad_left,
               .pad_right = l.pad_right};
  const Held places = builder_.add(op, name + ".place", shape_of(node), 0);
  op.kind = Kind::kRoute;
  op.section = Section::kBackward;
  op.inputs = {gradient.tensor, places.tensor};
  const Held dx = builder_.add(std::move(op), builder_.tensor(in.tensor).name + ".gradient",
                               shape_of(input_of(node)), gradient.exponent);
  const steps::Interval range = builder_.range(dx.tensor);
  const steps::Interval before = builder_.range(gradient.tensor);
  const bool adds = l.kernel_h > l.stride_h || l.kernel_w > l.stride_w;
  if (adds && std::max(-range.lo, range.hi) > step_program::kFloat32Exact && !(range == before)) {
    return refuse(node.name, "adds errors of windows that overlap, too large for exact floats");
  }
  deliver(node, dx);
}

StepCompiler::Value StepCompiler::quantized_error(SiteQuantizer& site, const Node& node,
                                                  Held gradient) {
  if (!site.acts(phase())) return gradient;
  const Tried tried{site, tried_shape(node), gradient.exponent, phase()};
  const std::string name = (node.layer == nullptr ? node.name : node.layer->name) + ".error";
  if (const auto found = find_normalised(tried)) {
    const int e = builder_.add_exponent(gradient.tensor, Section::kBackward);
    return builder_.add(Op{.kind = Kind::kNormalise,
                           .section = Section::kBackward,
                           .inputs = {gradient.tensor, e},
                           .bits = found->bits,
                           .rounding = found->rounding,
                           .low = found->codes.lo,
                           .high = found->codes.hi},
                        name, found->exponent);
  }
  if (const auto fixed = find_fixed(tried, builder_.range(gradient.tensor))) {
    return builder_.add(Op{.kind = Kind::kMap,
                           .section = Section::kBackward,
                           .inputs = {gradient.tensor},
                           .steps = fixed->steps},
                        name, fixed->exponent);
  }
  refuse_error(site, node);
  return {};
}

void StepCompiler::refuse_error(const SiteQuantizer& site, const Node& node) {
  refuse(node.layer == nullptr ? node.name : node.layer->name,
         fmt::format("error: \"{}\" is no shift by a fixed number of places or by a power of two "
                     "of the largest magnitude: its scale follows the tensor in float",
                     site.spec().quantizer.method->id));
}

void StepCompiler::add_update(const Node& node, Held sums) {
  const std::string& layer = node.layer->name;
  const Weights& weights = weights_.at(layer);
  const Held dw = builder_.as_float32(sums, Section::kUpdate);
  const int e = builder_.add_exponent(dw.tensor, Section::kUpdate);
  Op op{.kind = Kind::kStochastic, .section = Section::kUpdate, .inputs = {dw.tensor, e}};
  op.stream = stream_id(weights.parameter->on_gradient->context().name);
  op.random_bits = weights.gradient.random_bits;
  op.lfsr = weights.gradient.lfsr;
  for (std::size_t epoch = 0; epoch < weights.gradient.shifts.size(); ++epoch) {
    const int shift = weights.gradient.shifts[epoch];
    if (!op.rates.empty() && op.rates.back().shift == shift) continue;
    op.rates.push_back({epoch * training_.steps_per_epoch, shift});
  }
  const Held u = builder_.add(std::move(op), layer + ".update", weights.exponent);
  const auto& parameters = builder_.program().parameters;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const int tensor = parameters[i].tensor;
    if (builder_.tensor(tensor).name != layer + ".weight") continue;
    const Held next = builder_.add(Op{.kind = Kind::kUpdate,
                                      .section = Section::kUpdate,
                                      .inputs = {tensor, u.tensor},
                                      .low = weights.bounds.lo,
                                      .high = weights.bounds.hi},
                                   layer + ".next", weights.exponent);
    builder_.program().parameters[i].next = next.tensor;
  }
}

/// dL/dy as the two products of the way back read it.
StepCompiler::Errors StepCompiler::errors_of(const Node& node, Held gradient) {
  Errors errors;
  const bool has_shared = node.error_dx == nullptr || node.error_dw == nullptr;
  if (has_shared && node.error == nullptr) {
    refuse(node.layer->name, "error: reads real errors: no rule at site error");
    return errors;
  }
  if (has_shared) errors.dx = errors.dw = quantized_error(*node.error, node, gradient);
  if (node.error_dw != nullptr) errors.dw = quantized_error(*node.error_dw, node, gradient);
  if (node.error_dx != nullptr && input_of(node).needs_gradient) {
    errors.dx = quantized_error(*node.error_dx, node, gradient);
  }
  return errors;
}

/// The gradient of the weights is that of their codes: the quantizer lets all of it through.
bool StepCompiler::passes_weights(const Node& node) {
  const Weights& weights = weights_.at(node.layer->name);
  SiteQuantizer& site = *weights.parameter->forward;
  const auto passing =
      find_passing({site, weights.parameter->shape, weights.exponent, phase()}, weights.bounds);
  if (passing && passing->lo <= weights.bounds.lo && passing->hi >= weights.bounds.hi) return true;
  refuse(node.layer->name,
         fmt::format("its weights: the gradient of \"{}\" does not pass everywhere",
                     site.spec().quantizer.method->id));
  return false;
}

void StepCompiler::backward_contraction(const Node& node, Held gradient) {
  const std::string& layer = node.layer->name;
  const Value in = value_of(input_of(node)), w = codes_[index_of(node)];
  if (!in || !w) return;
  if (!is_exact(node, 1) || !is_exact(node, 2)) {
    return refuse(layer, "the accumulator of its gradients does not add exactly");
  }
  const Errors errors = errors_of(node, gradient);
  if (!errors.dw || !passes_weights(node)) return;
  const bool is_flat = builder_.tensor(w->tensor).shape.size() == 2;
  const network::ContractionShape window = node.layer->type->contraction(*node.layer, 1);
  const Shape weights = builder_.tensor(w->tensor).shape;
  add_update(node, builder_.add(Op{.kind = is_flat ? Kind::kDenseDw : Kind::kConvDw,
                                   .section = Section::kBackward,
                                   .inputs = {in->tensor, errors.dw->tensor},
                                   .window = window},
                                layer + ".dw", weights, in->exponent + errors.dw->exponent));
  if (!input_of(node).needs_gradient || !errors.dx) return;
  const Held dx =
      builder_.add(Op{.kind = is_flat ? Kind::kDenseDx : Kind::kConvDx,
                      .section = Section::kBackward,
                      .inputs = {errors.dx->tensor, w->tensor},
                      .window = window},
                   builder_.tensor(in->tensor).name + ".gradient",
                   builder_.tensor(in->tensor).shape, errors.dx->exponent + w->exponent);
  deliver(node, builder_.as_float32(dx, Section::kBackward));
}

}  // namespace qloom::compile
