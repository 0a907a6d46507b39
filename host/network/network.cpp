// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Running the lowered plan: forward, backward, update.
#include "host/network/network.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include <fmt/format.h>

#include "host/kernels/kernels.hpp"
#include "host/network/ops.hpp"
#include "host/tensor/error.hpp"
#include "host/tensor/random.hpp"

namespace qloom::network {
namespace {

float ceiling(const Layer& layer) {
  return layer.type == LayerType::kRelu6 ? 6.0F : std::numeric_limits<float>::infinity();
}

PoolShape pool_shape(const Layer& l, std::int64_t batch) {
  PoolShape s{.batch = batch, .in_h = l.in.height, .in_w = l.in.width, .channels = l.in.channels,
              .kernel_h = l.kernel_h, .kernel_w = l.kernel_w, .stride_h = l.stride_h,
              .stride_w = l.stride_w, .pad_top = l.pad_top, .pad_bottom = l.pad_bottom,
              .pad_left = l.pad_left, .pad_right = l.pad_right};
  if (l.type == LayerType::kGlobalPool) {
    s.kernel_h = s.stride_h = l.in.height;
    s.kernel_w = s.stride_w = l.in.width;
  }
  return s;
}

bool is_finite(const Tensor& x) {
  if (x.empty()) return true;
  const qloom_tensor whole{x.data(), x.shape().data(), x.shape().size(), x.size(), 1, 1, x.size()};
  double count = 0;
  kernels::table().reduce(&whole, QLOOM_REDUCE_NONFINITE, nullptr, &count);
  return count == 0;
}

/// Runs one contraction of a layer; what it refuses is reported with its place.
template <class Body>
void at_contraction(const char* role, const Layer& layer, Body&& body) try {
  body();
} catch (const RunError& error) {
  throw RunError(fmt::format("{} of \"{}\": {}", role, layer.name, error.what()));
}

}  // namespace

ContractionShape Network::contraction_shape(const Node& node) const {
  const Layer& l = *node.layer;
  if (l.type == LayerType::kDense) {
    return {.batch = batch_, .in_c = l.in.size(), .out_c = l.out.channels};
  }
  return {.batch = batch_, .in_h = l.in.height, .in_w = l.in.width, .in_c = l.in.channels,
          .out_c = l.out.channels, .kernel_h = l.kernel_h, .kernel_w = l.kernel_w,
          .stride_h = l.stride_h, .stride_w = l.stride_w, .pad_top = l.pad_top,
          .pad_bottom = l.pad_bottom, .pad_left = l.pad_left, .pad_right = l.pad_right,
          .groups = l.groups};
}

AccumulatorRef Network::accumulator(const std::string& role, const Layer& layer) {
  const std::string key = role + "/" + layer.name;
  const auto spec = placement_.accumulators.find(key);
  if (spec == placement_.accumulators.end() || pass_.rules != Pass::Rules::kOn) return {};
  auto& site = accumulators_[key];
  if (!site.accumulator) {
    site.spec = spec->second;
    site.accumulator = registry_->create(*site.spec.accumulator.method, site.spec.accumulator.params);
    site.rounding = registry_->create(*site.spec.rounding.method, site.spec.rounding.params);
  }
  AccumulatorRef ref;
  ref.self = site.accumulator.self();
  ref.ops = &site.accumulator.ops<qloom_accumulator>();
  ref.call.struct_size = sizeof(qloom_call);
  ref.call.training = pass_.phase.training ? 1 : 0;
  ref.call.seed = seed_;
  ref.call.stream = stream_id(pass_.phase.training ? key : key + "/evaluate");
  ref.call.step = pass_.phase.step;
  ref.call.rounding = rounding_ref(site.rounding);
  ref.overflows = &overflows_[key];
  return ref;
}

const Tensor& Network::forward(const Tensor& x, const Pass& pass) {
  pass_ = pass;
  batch_ = x.shape().at(0);
  for (const auto& pointer : nodes_) {
    Node& node = *pointer;
    node.has_gradient = false;
    if (node.type == Node::Type::kInput) {
      node.value = &x;
      continue;
    }
    const Tensor& in = *nodes_[static_cast<std::size_t>(node.inputs[0])]->value;
    if (node.type == Node::Type::kQuantize) {
      if (pass.rules == Pass::Rules::kObserve && node.site->is_observing()) node.site->observe(in);
      node.value = &in;
      if (pass.rules != Pass::Rules::kOn) continue;
      node.site->forward(in, node.out, pass.phase);
      node.value = &node.out;
      continue;
    }
    if (node.layer->type == LayerType::kFlatten) {
      node.value = &in;  // same bytes, read as one row per sample
      continue;
    }
    node.out.resize({batch_, node.out_shape.height, node.out_shape.width, node.out_shape.channels});
    node.value = &node.out;
    forward_layer(node);
  }
  return *nodes_.back()->value;
}

void Network::forward_layer(Node& node) {
  const Node& from = *nodes_[static_cast<std::size_t>(node.inputs[0])];
  const Tensor& x = *from.value;
  const Layer& layer = *node.layer;
  switch (layer.type) {
    case LayerType::kConv:
    case LayerType::kDense: forward_contraction(node); break;
    case LayerType::kNorm: node.norm->forward(x, node.out, pass_); break;
    case LayerType::kRelu:
    case LayerType::kRelu6: relu(x.data(), node.out.data(), x.size(), ceiling(layer)); break;
    case LayerType::kMaxPool:
      node.argmax.resize(node.out.size());
      max_pool(pool_shape(layer, batch_), x.data(), node.out.data(), node.argmax.data());
      break;
    case LayerType::kAveragePool:
    case LayerType::kGlobalPool:
      average_pool(pool_shape(layer, batch_), x.data(), node.out.data());
      break;
    case LayerType::kAdd:
      add(x.data(), nodes_[static_cast<std::size_t>(node.inputs[1])]->value->data(),
          node.out.data(), x.size());
      break;
    case LayerType::kConcat: {
      std::int64_t offset = 0;
      const std::int64_t rows = batch_ * layer.out.height * layer.out.width;
      for (const int i : node.inputs) {
        const Node& part = *nodes_[static_cast<std::size_t>(i)];
        concat_part(part.value->data(), rows, part.out_shape.channels, node.out.data(),
                    layer.out.channels, offset);
        offset += part.out_shape.channels;
      }
      break;
    }
    case LayerType::kFlatten: break;
  }
}

void Network::forward_contraction(Node& node) {
  const Node& from = *nodes_[static_cast<std::size_t>(node.inputs[0])];
  Parameter& weight = *node.weight;
  const bool on = pass_.rules == Pass::Rules::kOn;
  node.input_operand = on && from.type == Node::Type::kQuantize ? from.site->operand(*from.value)
                                                                : Operand{.values = from.value->data()};
  node.weight_operand = Operand{.values = weight.value.data()};
  if (pass_.use_shadows && !weight.shadow.empty()) {
    node.weight_operand.values = weight.shadow.data();
  } else if (on && weight.forward != nullptr) {
    weight.forward->forward(weight.value, weight.quantized, pass_.phase);
    node.weight_operand = weight.forward->operand(weight.quantized);
  }
  const float* bias = nullptr;
  if (node.bias != nullptr) {
    bias = node.bias->value.data();
    if (pass_.use_shadows && !node.bias->shadow.empty()) {
      bias = node.bias->shadow.data();
    } else if (on && node.bias->forward != nullptr) {
      node.bias->forward->forward(node.bias->value, node.bias->quantized, pass_.phase);
      bias = node.bias->quantized.data();
    }
  }
  at_contraction("forward", *node.layer, [&] {
    node.contraction.forward(contraction_shape(node), node.input_operand, node.weight_operand, bias,
                             node.out.data(), accumulator("accumulator.forward", *node.layer));
  });
}

Tensor& Network::target(Node& input) {
  Tensor& t = input.has_gradient ? scratch_ : input.gradient;
  t.resize({batch_, input.out_shape.height, input.out_shape.width, input.out_shape.channels});
  return t;
}

void Network::deliver(Node& input) {
  if (input.has_gradient) accumulate(scratch_.data(), input.gradient.data(), input.gradient.size());
  input.has_gradient = true;
}

void Network::backward(const Tensor& logits_gradient) {
  for (const auto& [key, parameter] : parameters_) parameter->gradient.fill(0.0F);
  Node& last = *nodes_.back();
  target(last);
  std::memcpy(last.gradient.data(), logits_gradient.data(), logits_gradient.size() * sizeof(float));
  deliver(last);
  for (auto it = nodes_.rbegin(); it != nodes_.rend(); ++it) {
    Node& node = **it;
    if (!node.has_gradient || !node.needs_gradient || node.type == Node::Type::kInput) continue;
    if (node.type == Node::Type::kLayer) {
      backward_layer(node);
      continue;
    }
    Node& input = *nodes_[static_cast<std::size_t>(node.inputs[0])];
    Tensor& dx = target(input);
    if (pass_.rules == Pass::Rules::kOn) {
      node.site->backward(*input.value, node.gradient, dx);
    } else {
      std::memcpy(dx.data(), node.gradient.data(), dx.size() * sizeof(float));
    }
    deliver(input);
  }
}

void Network::backward_layer(Node& node) {
  const Layer& layer = *node.layer;
  if (layer.is_contraction()) return backward_contraction(node);
  const Tensor& dy = node.gradient;
  if (layer.type == LayerType::kConcat) {
    std::int64_t offset = 0;
    const std::int64_t rows = batch_ * layer.out.height * layer.out.width;
    for (const int i : node.inputs) {
      Node& part = *nodes_[static_cast<std::size_t>(i)];
      concat_part_gradient(dy.data(), rows, part.out_shape.channels, target(part).data(),
                           layer.out.channels, offset);
      deliver(part);
      offset += part.out_shape.channels;
    }
    return;
  }
  for (const int i : node.inputs) {
    Node& input = *nodes_[static_cast<std::size_t>(i)];
    if (!input.needs_gradient && layer.type != LayerType::kNorm) continue;
    const Tensor& x = *input.value;
    Tensor& dx = target(input);
    switch (layer.type) {
      case LayerType::kNorm: node.norm->backward(x, dy, dx); break;
      case LayerType::kRelu:
      case LayerType::kRelu6:
        relu_gradient(x.data(), dy.data(), dx.data(), x.size(), ceiling(layer));
        break;
      case LayerType::kMaxPool:
        max_pool_gradient(pool_shape(layer, batch_), dy.data(), node.argmax.data(), dx.data());
        break;
      case LayerType::kAveragePool:
      case LayerType::kGlobalPool:
        average_pool_gradient(pool_shape(layer, batch_), dy.data(), dx.data());
        break;
      default: std::memcpy(dx.data(), dy.data(), dx.size() * sizeof(float));  // add, flatten
    }
    deliver(input);
  }
}

void Network::backward_contraction(Node& node) {
  Node& input = *nodes_[static_cast<std::size_t>(node.inputs[0])];
  const ContractionShape shape = contraction_shape(node);
  const bool on = pass_.rules == Pass::Rules::kOn;
  Operand dx_error{.values = node.gradient.data()}, dw_error = dx_error;
  const auto quantize = [&](const std::shared_ptr<SiteQuantizer>& site, Tensor& y) {
    site->forward(node.gradient, y, pass_.phase);
    return site->operand(y);
  };
  if (on && node.error != nullptr && (node.error_dx == nullptr || node.error_dw == nullptr)) {
    dx_error = dw_error = quantize(node.error, node.error_dx_value);
  }
  if (on && node.error_dw != nullptr) dw_error = quantize(node.error_dw, node.error_dw_value);

  Parameter& weight = *node.weight;
  at_contraction("weight gradient", *node.layer, [&] {
    node.contraction.weight_gradient(shape, node.input_operand, dw_error, weight.gradient.data(),
                                     accumulator("accumulator.dw", *node.layer));
  });
  if (on && weight.forward != nullptr) {
    weight.forward->backward(weight.value, weight.gradient, weight.gradient);
  }
  if (node.bias != nullptr) {
    bias_gradient(shape, dw_error.values, node.bias->gradient.data());
    if (on && node.bias->forward != nullptr) {
      node.bias->forward->backward(node.bias->value, node.bias->gradient, node.bias->gradient);
    }
  }
  if (!input.needs_gradient) return;
  if (on && node.error_dx != nullptr) {
    // error.dx has its own buffer unless the shared one already lies there
    dx_error = quantize(node.error_dx, node.error_dx_value);
  }
  at_contraction("input gradient", *node.layer, [&] {
    node.contraction.input_gradient(shape, dx_error, node.weight_operand, target(input).data(),
                                    accumulator("accumulator.dx", *node.layer));
  });
  deliver(input);
}

void Network::update(const OptimizerSettings& settings, const Phase& phase, std::uint64_t count) {
  for (Parameter* parameter : parameters()) network::update(*parameter, settings, phase, count);
  for (auto& [name, site] : sites_) {
    if (!site->learns()) continue;
    for (LearnedParameter& learned : site->learned()) {
      LearnedState& state = learned_state_[name + "/" + learned.name];
      network::update(learned, state.velocity, state.second, settings, count);
    }
    site->after_update();
  }
}

std::vector<Parameter*> Network::parameters() {
  std::vector<Parameter*> list;
  for (const Layer& layer : model_.layers) {
    for (const char* role : {"weight", "bias", "gamma", "beta"}) {
      const auto found = parameters_.find(layer.name + "/" + role);
      if (found != parameters_.end()) list.push_back(found->second.get());
    }
  }
  return list;
}

std::vector<SiteQuantizer*> Network::calibrated_sites() {
  std::vector<SiteQuantizer*> list;
  for (const auto& node : nodes_) {
    if (node->type == Node::Type::kQuantize && node->site->passes() > 0) {
      list.push_back(node->site.get());
    }
  }
  return list;
}

std::vector<Node*> Network::norms() {
  std::vector<Node*> list;
  for (const auto& node : nodes_) {
    if (node->norm != nullptr) list.push_back(node.get());
  }
  return list;
}

std::string Network::first_non_finite() const {
  for (const auto& node : nodes_) {
    if (node->weight != nullptr && !is_finite(node->weight->value)) return node->weight->name();
    if (node->value != nullptr && !is_finite(*node->value)) return node->name;
  }
  for (const auto& [key, parameter] : parameters_) {
    if (!is_finite(parameter->gradient)) return "gradient of " + key;
    if (!is_finite(parameter->value)) return key;
  }
  return "";
}

const Tensor& Network::quantized(Parameter& parameter) {
  if (parameter.forward == nullptr || !parameter.forward->is_initialised()) return parameter.value;
  Phase phase = pass_.phase;
  phase.training = false;
  parameter.forward->forward(parameter.value, parameter.quantized, phase);
  return parameter.quantized;
}

}  // namespace qloom::network
