// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// From a model and a placement to nodes. The only place that knows where quantize nodes stand.
#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "host/network/network.hpp"
#include "host/tensor/error.hpp"

namespace qloom::network {

namespace {

/// Groups stay inside `what`, which has `size` values: a sample, or an output channel of a weight.
void check_groups(const QuantizerSpec& spec, std::int64_t size, const std::string& what) {
  const json::Json granularity = granularity_of(spec.quantizer);
  if (!granularity.is_object()) return;
  const auto k = granularity.at("group").get<std::int64_t>();
  if (size % k == 0) return;
  throw InputError(fmt::format("{}/granularity/group: {} does not divide the {} values of {}",
                               spec.quantizer.where, k, size, what));
}

}  // namespace

Network::Network(Model model, const registry::Registry& registry, std::uint64_t seed)
    : model_(std::move(model)),
      registry_(&registry),
      seed_(seed),
      is_removed_(model_.layers.size(), false) {}

void Network::lower(const Placement& placement) {
  placement_ = placement;
  remember_sites();
  old_sites_ = std::move(sites_);
  old_norms_ = std::move(norms_);
  sites_.clear();
  norms_.clear();
  nodes_.clear();
  computed_ = 0;
  has_gradients_ = false;
  node_of_layer_.clear();
  std::erase_if(accumulators_, [&](const auto& entry) {
    const auto now = placement_.accumulators.find(entry.first);
    return now == placement_.accumulators.end() || !(now->second == entry.second.spec);
  });
  auto input = std::make_unique<Node>();
  input->type = Node::Type::kInput;
  input->name = "input";
  input->out_shape = model_.input;
  input->needs_gradient = false;
  nodes_.push_back(std::move(input));
  for (std::size_t i = 0; i < model_.layers.size(); ++i) add_layer(i);
  const Layer& last = model_.layers.back();
  add_quantize("logits", last, node_of_layer_.back());
  order_parameters();
  for (const auto& node : nodes_) {
    for (const int i : node->inputs) ++nodes_[static_cast<std::size_t>(i)]->readers;
  }
  old_sites_.clear();
  old_norms_.clear();
  before_.clear();
  old_learned_state_.clear();
}

void Network::order_parameters() {
  ordered_parameters_.clear();
  for (const Layer& layer : model_.layers) {
    for (const char* role : {"weight", "bias", "gamma", "beta"}) {
      const auto found = parameters_.find(layer.name + "/" + role);
      if (found != parameters_.end()) ordered_parameters_.push_back(found->second.get());
    }
  }
}

bool Network::is_after_relu(int node) const {
  const Node& n = *nodes_[static_cast<std::size_t>(node)];
  if (n.type != Node::Type::kLayer) return false;
  switch (n.layer->type) {
    case LayerType::kRelu:
    case LayerType::kRelu6:
      return true;
    case LayerType::kMaxPool:
    case LayerType::kAveragePool:
    case LayerType::kGlobalPool:
    case LayerType::kFlatten:
    case LayerType::kConcat:
      return std::all_of(n.inputs.begin(), n.inputs.end(),
                         [this](int i) { return is_after_relu(i); });
    case LayerType::kConv:
    case LayerType::kDense:
    case LayerType::kNorm:
    case LayerType::kAdd:
      return false;
  }
  return false;
}

bool Network::is_network_input(int node) const {
  const Node& n = *nodes_[static_cast<std::size_t>(node)];
  if (n.type == Node::Type::kInput) return true;
  if (n.type != Node::Type::kLayer) return false;
  const LayerType type = n.layer->type;
  const bool keeps =
      type == LayerType::kFlatten || type == LayerType::kMaxPool || type == LayerType::kAveragePool;
  return keeps && is_network_input(n.inputs[0]);
}

int Network::add_quantize(const std::string& site_name, const Layer& layer, int input) {
  const std::string key = site_name + "/" + layer.name;
  const std::optional<QuantizerSpec> spec = spec_at(key);
  if (!spec) return input;
  // Two contractions that read one tensor under the same rule share one quantize node.
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    Node& other = *nodes_[i];
    if (other.type == Node::Type::kQuantize && other.inputs[0] == input &&
        other.name.starts_with(site_name + "/") && other.site->spec() == *spec &&
        can_share(other.name, key, *spec)) {
      other.keys.push_back(key);
      sites_[key] = other.site;
      return static_cast<int>(i);
    }
  }
  auto node = std::make_unique<Node>();
  node->type = Node::Type::kQuantize;
  node->name = key;
  node->keys = {key};
  node->inputs = {input};
  node->out_shape = nodes_[static_cast<std::size_t>(input)]->out_shape;
  node->site = site(key, {.channel_axis = -1,
                          .has_batch_axis = true,
                          .tracks_range = true,
                          .after_relu = is_after_relu(input)});
  check_groups(*spec, node->out_shape.size(), "a sample");
  node->needs_gradient =
      nodes_[static_cast<std::size_t>(input)]->needs_gradient || node->site->learns();
  nodes_.push_back(std::move(node));
  return static_cast<int>(nodes_.size()) - 1;
}

Parameter* Network::parameter(const Layer& layer, std::uint32_t role, Shape shape,
                              std::int64_t fan_in) {
  const std::string key = layer.name + "/" + role_name(role);
  auto& slot = parameters_[key];
  if (slot == nullptr) {
    slot = std::make_unique<Parameter>();
    slot->layer = layer.name;
    slot->role = role;
    slot->fan_in = fan_in;
    slot->shape = shape;
    if (!has_values_) return slot.get();
    slot->value.resize(shape);
    slot->value.fill(role == QLOOM_ROLE_GAMMA ? 1.0F : 0.0F);
    slot->gradient.resize(std::move(shape));
    slot->gradient.fill(0.0F);
  }
  return slot.get();
}

void Network::check_weight_groups(const Parameter& weight, const Layer& layer) const {
  const auto values = static_cast<std::int64_t>(element_count(weight.shape)) / layer.out.channels;
  for (const char* site : {"weight/", "gradient/", "update/", "momentum/"}) {
    const auto spec = placement_.quantizers.find(site + layer.name);
    if (spec == placement_.quantizers.end()) continue;
    check_groups(spec->second, values, fmt::format("an output channel of \"{}\"", layer.name));
  }
}

void Network::attach_update_sites(Parameter& p, const Layer& layer) {
  const std::string suffix = "/" + layer.name;
  const SiteContext context{.channel_axis = 0};
  p.on_gradient = site("gradient" + suffix, context);
  p.on_update = site("update" + suffix, context);
  p.on_momentum = site("momentum" + suffix, context);
}

void Network::lower_contraction(Node& node, bool has_input_gradient) {
  const Layer& layer = *node.layer;
  const std::string suffix = "/" + layer.name;
  const std::int64_t fan_in =
      layer.type == LayerType::kDense
          ? layer.in.size()
          : layer.kernel_h * layer.kernel_w * layer.in.channels / layer.groups;
  const Shape shape = layer.type == LayerType::kDense
                          ? Shape{layer.out.channels, 1, 1, fan_in}
                          : Shape{layer.out.channels, layer.kernel_h, layer.kernel_w,
                                  layer.in.channels / layer.groups};
  node.weight = parameter(layer, QLOOM_ROLE_WEIGHT, shape, fan_in);
  check_weight_groups(*node.weight, layer);
  node.weight->forward = site("weight" + suffix, {.channel_axis = 0});
  attach_update_sites(*node.weight, layer);
  if (layer.has_bias) {
    node.bias = parameter(layer, QLOOM_ROLE_BIAS, {layer.out.channels}, fan_in);
    node.bias->forward = site("bias" + suffix, {.channel_axis = 0});
  }
  const SiteContext context{.channel_axis = -1, .has_batch_axis = true};
  node.error = site("error" + suffix, context);
  node.error_dx = site("error.dx" + suffix, context);
  node.error_dw = site("error.dw" + suffix, context);
  for (std::size_t i = 0; i < node.accumulators.size(); ++i) {
    static constexpr const char* kRoles[] = {"forward", "dx", "dw"};
    node.accumulators[i] = std::string("accumulator.") + kRoles[i] + suffix;
  }
  check_accumulators(node, has_input_gradient);
}

void Network::check_accumulators(const Node& node, bool has_input_gradient) const {
  for (const char* role : {"accumulator.forward", "accumulator.dx", "accumulator.dw"}) {
    const auto found = placement_.accumulators.find(role + ("/" + node.layer->name));
    if (found == placement_.accumulators.end()) continue;
    if (std::string_view(role).ends_with("dx") && !has_input_gradient) continue;  // never computed
    const MethodSpec& spec = found->second.accumulator;
    const registry::Instance probe = registry_->create(*spec.method, spec.params);
    if ((probe.ops<qloom_accumulator>().caps & QLOOM_ACCUMULATOR_INTEGER) == 0) continue;
    const auto has = [&](const char* site) {
      return placement_.quantizers.contains(site + ("/" + node.layer->name));
    };
    const bool is_forward = std::string_view(role).ends_with("forward");
    const bool is_dx = std::string_view(role).ends_with("dx");
    const bool weight = has("weight"), data = has("input") || has("activation");
    const bool error = has("error") || has(is_dx ? "error.dx" : "error.dw");
    if ((is_forward && !(weight && data)) || (is_dx && !(weight && error)) ||
        (!is_forward && !is_dx && !(data && error))) {
      throw InputError(
          fmt::format("{}: \"{}\" adds integer codes, but not both operands of {} in layer \"{}\" "
                      "are quantized",
                      spec.where, spec.method->id, role, node.layer->name));
    }
    if (is_dx && node.weight->forward != nullptr &&
        granularity_of(node.weight->forward->spec().quantizer) != "tensor") {
      throw InputError(
          fmt::format("{}: \"{}\" adds integer codes, but the weights of \"{}\" have a "
                      "scale per {} that changes along the sum of {}",
                      spec.where, spec.method->id, node.layer->name,
                      granularity_of(node.weight->forward->spec().quantizer).dump(), role));
    }
  }
}

void Network::lower_norm(Node& node, int index) {
  const Layer& layer = *node.layer;
  const int producer = producer_of(index);
  const Node* from =
      producer < 0
          ? nullptr
          : nodes_[static_cast<std::size_t>(node_of_layer_[static_cast<std::size_t>(producer)])]
                .get();
  const MethodSpec& spec = placement_.norms.at(layer.name);
  const auto old = old_norms_.find(layer.name);
  if (old != old_norms_.end() && old->second->spec == spec) {
    node.norm = old->second;
  } else {
    node.norm = std::make_shared<NormLayer>(*registry_, spec, layer,
                                            from != nullptr ? from->weight->fan_in : 0);
    if (old != old_norms_.end()) node.norm->adopt(*old->second);  // in the middle of a run
  }
  norms_[layer.name] = node.norm;
  if (node.norm->has_affine) {
    node.norm->gamma = parameter(layer, QLOOM_ROLE_GAMMA, {layer.out.channels}, 0);
    node.norm->beta = parameter(layer, QLOOM_ROLE_BETA, {layer.out.channels}, 0);
  }
  node.norm->slot_sites.clear();
  const std::string prefix = "norm/" + layer.name + "/";
  for (const auto& [key, q] : placement_.quantizers) {
    if (!key.starts_with(prefix)) continue;
    node.norm->slot_sites[key.substr(prefix.size())] = site(key, {.channel_axis = 0}).get();
  }
}

void Network::add_layer(std::size_t index) {
  const Layer& layer = model_.layers[index];
  std::vector<int> inputs;
  for (const int i : layer.inputs) {
    inputs.push_back(i < 0 ? 0 : node_of_layer_[static_cast<std::size_t>(i)]);
  }
  if (is_removed_[index]) {
    node_of_layer_.push_back(inputs[0]);
    return;
  }
  auto node = std::make_unique<Node>();
  node->name = layer.name;
  node->layer = &layer;
  node->out_shape = layer.out;
  if (layer.is_contraction()) {
    inputs[0] =
        add_quantize(is_network_input(inputs[0]) ? "input" : "activation", layer, inputs[0]);
    lower_contraction(*node, nodes_[static_cast<std::size_t>(inputs[0])]->needs_gradient);
  } else if (layer.type == LayerType::kNorm) {
    lower_norm(*node, static_cast<int>(index));
  }
  node->inputs = inputs;
  node->needs_gradient = layer.is_contraction() || (node->norm && node->norm->has_affine) ||
                         std::any_of(inputs.begin(), inputs.end(), [this](int i) {
                           return nodes_[static_cast<std::size_t>(i)]->needs_gradient;
                         });
  nodes_.push_back(std::move(node));
  node_of_layer_.push_back(static_cast<int>(nodes_.size()) - 1);
}

int Network::producer_of(int norm_layer) const {
  const int producer = model_.layers[static_cast<std::size_t>(norm_layer)].inputs[0];
  if (producer < 0 || !model_.layers[static_cast<std::size_t>(producer)].is_contraction())
    return -1;
  int readers = 0;
  for (const Layer& layer : model_.layers) {
    readers += static_cast<int>(std::count(layer.inputs.begin(), layer.inputs.end(), producer));
  }
  return readers == 1 ? producer : -1;
}

void Network::remove_norm(int norm_layer) {
  const int producer = producer_of(norm_layer);
  if (producer < 0) {
    throw RunError(fmt::format("norm \"{}\" has no contraction of its own to be folded into",
                               model_.layers[static_cast<std::size_t>(norm_layer)].name));
  }
  Layer& layer = model_.layers[static_cast<std::size_t>(producer)];
  is_removed_[static_cast<std::size_t>(norm_layer)] = true;
  for (const char* role : {"gamma", "beta"}) {
    parameters_.erase(model_.layers[static_cast<std::size_t>(norm_layer)].name + "/" + role);
  }
  if (!layer.has_bias) {
    layer.has_bias = true;
    parameter(layer, QLOOM_ROLE_BIAS, {layer.out.channels}, 0);
  }
  order_parameters();
}

}  // namespace qloom::network
