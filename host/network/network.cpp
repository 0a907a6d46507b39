// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Running the lowered plan: forward, update.
#include "host/network/network.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include <fmt/format.h>

#include "host/kernels/kernels.hpp"
#include "host/network/at_contraction.hpp"
#include "host/tensor/random.hpp"

namespace qloom::network {
namespace {

bool is_finite(const Tensor& x) {
  if (x.empty()) return true;
  const qloom_tensor whole{x.data(), x.shape().data(), x.shape().size(), x.size(), 1, 1, x.size()};
  double count = 0;
  kernels::table().reduce(&whole, QLOOM_REDUCE_NONFINITE, nullptr, &count);
  return count == 0;
}

}  // namespace

qloom_status Network::accumulate(const AccumulatorRef& ref, const qloom_call& call,
                                 const qloom_tile& tile, std::uint64_t& overflows) noexcept {
  const auto& site = *static_cast<const AccumulatorSite*>(ref.watcher);
  const registry::CallRecord record(site.accumulator.method(), "accumulate", site.name.c_str());
  return ref.ops->accumulate(ref.self, &call, &tile, &overflows);
}

AccumulatorRef Network::accumulator(const Node& node, std::size_t sum) {
  const SiteKey& key = node.accumulators[sum];
  const auto spec = placement_.accumulators.find(key);
  if (spec == placement_.accumulators.end() || pass_.rules != Pass::Rules::kOn) return {};
  auto& site = accumulators_[key];
  if (!site.accumulator) {
    site.spec = spec->second;
    site.name = key.text();
    const SampleShape& of =
        key.site->value == sites::Value::kSumDx ? node.layer->in : node.layer->out;
    const qloom_site record = sites::record_of(key, static_cast<std::uint64_t>(of.channels),
                                               static_cast<std::uint64_t>(node.weight->fan_in));
    const auto make = [&](const MethodSpec& m) {
      return registry_->create(*m.method, m.params, &record);
    };
    site.accumulator = make(site.spec.accumulator);
    site.rounding = make(site.spec.rounding);
  }
  AccumulatorRef ref;
  ref.self = site.accumulator.self();
  ref.ops = &site.accumulator.ops<qloom_accumulator>();
  ref.around = &accumulate;
  ref.watcher = &site;
  ref.call.struct_size = sizeof(qloom_call);
  ref.call.training = pass_.phase.training ? 1 : 0;
  ref.call.seed = seed_;
  ref.call.stream = stream_id(pass_.phase.training ? site.name : site.name + "/evaluate");
  ref.call.step = pass_.phase.step;
  ref.call.rounding = rounding_ref(site.rounding);
  ref.overflows = pass_.counts_overflows ? &overflows_[site.name] : &uncounted_;
  return ref;
}

const Tensor& Network::forward(const Tensor& x, const Pass& pass) {
  pass_ = pass;
  batch_ = x.shape().at(0);
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    Node& node = *nodes_[i];
    node.shape.assign(
        {batch_, node.out_shape.height, node.out_shape.width, node.out_shape.channels});
  }
  has_gradients_ = false;
  for (std::size_t i = 0; i < nodes_.size();) {
    computed_ = i;
    Node& node = *nodes_[i];
    if (is_elementwise(node)) {
      i += forward_run(i);
      continue;
    }
    ++i;
    if (node.type == Node::Type::kInput) {
      node.value = &x;
      continue;
    }
    const Tensor& in = *nodes_[static_cast<std::size_t>(node.inputs[0])]->value;
    if (node.type == Node::Type::kQuantize) {
      if (pass.rules == Pass::Rules::kObserve && node.site->is_observing()) node.site->observe(in);
      node.value = &in;
    } else if (node.type == Node::Type::kQuantizeError || node.layer->type->same_bytes) {
      node.value = &in;
    } else {
      node.out.resize(node.shape);
      node.value = &node.out;
      forward_layer(node);
    }
  }
  computed_ = nodes_.size();
  return *nodes_.back()->value;
}

layers::Inputs Network::inputs_of(const Node& node) {
  input_values_.clear();
  input_shapes_.clear();
  for (const int i : node.inputs) {
    const Node& from = *nodes_[static_cast<std::size_t>(i)];
    input_values_.push_back(from.value->data());
    input_shapes_.push_back(from.out_shape);
  }
  return {batch_, input_values_, input_shapes_};
}

void Network::forward_layer(Node& node) {
  if (node.layer->is_contraction()) return forward_contraction(node);
  node.layer->type->whole.forward(*node.layer, inputs_of(node), node.out.data(), node.places);
}

void Network::forward_contraction(Node& node) {
  const Node& from = *nodes_[static_cast<std::size_t>(node.inputs[0])];
  Parameter& weight = *node.weight;
  const bool on = pass_.rules == Pass::Rules::kOn;
  node.input_operand = on && from.type == Node::Type::kQuantize
                           ? from.site->operand(*from.value)
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
                             node.out.data(), accumulator(node, 0));
  });
}

void Network::update(const OptimizerSettings& settings, const Phase& phase, std::uint64_t count) {
  for (Parameter* parameter : ordered_parameters_)
    network::update(*parameter, settings, phase, count);
  if (pass_.rules != Pass::Rules::kOn) return;  // the learned parameters have no gradient
  for (auto& [key, site] : sites_) {
    if (!site->learns() || site->context().key != key) continue;  // once for all its readers
    for (LearnedParameter& learned : site->learned()) {
      LearnedState& state = learned_state_[learned.key];
      network::update(learned, state.velocity, state.second, settings, count);
    }
    site->after_update();
  }
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

bool Network::has_shadows() const {
  return std::any_of(ordered_parameters_.begin(), ordered_parameters_.end(),
                     [](const Parameter* p) { return !p->shadow.empty(); });
}

void Network::add_shadow_norms() {
  for (auto& [layer, norm] : norms_) norm->add_shadow();
}

void Network::drop_shadows() {
  for (Parameter* parameter : ordered_parameters_) parameter->shadow = Tensor();
  for (auto& [layer, norm] : norms_) norm->drop_shadow();
}

std::string Network::first_non_finite() const {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const Node& node = *nodes_[i];
    if (node.weight != nullptr && !is_finite(node.weight->value)) return node.weight->name();
    if (i < computed_ && node.value != nullptr && !is_finite(*node.value)) return node.name;
  }
  for (const auto& [key, parameter] : parameters_) {
    if (has_gradients_ && !is_finite(parameter->gradient)) return "gradient of " + key;
    if (!is_finite(parameter->value)) return key;
  }
  for (const auto& [name, site] : sites_) {
    for (const LearnedParameter& learned : site->learned()) {
      const std::vector<float> values(learned.value, learned.value + learned.gradient.size());
      if (!std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); })) {
        return learned.key;
      }
    }
  }
  return "";
}

const Tensor& Network::last_seen(const Parameter& parameter) const {
  const bool is_quantized = parameter.forward != nullptr && pass_.rules == Pass::Rules::kOn;
  return is_quantized && !parameter.quantized.empty() ? parameter.quantized : parameter.value;
}

const Tensor& Network::quantized(Parameter& parameter) {
  if (parameter.forward == nullptr || !parameter.forward->is_initialised()) return parameter.value;
  Phase phase = pass_.phase;
  phase.training = false;
  parameter.forward->forward(parameter.value, parameter.quantized, phase);
  return parameter.quantized;
}

}  // namespace qloom::network
