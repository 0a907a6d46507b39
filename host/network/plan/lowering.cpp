// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// From a model and a placement to nodes. The only place that knows where quantize nodes stand.
#include <algorithm>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "host/network/plan/lowering.hpp"
#include "host/network/plan/requantize.hpp"
#include "host/tensor/error.hpp"

namespace qloom::network {

namespace {

using sites::at;
using sites::Owner;
using sites::Value;

/// The divisors of size next to k, for messages: "36 or 72".
std::string divisors_near(std::int64_t size, std::int64_t k) {
  if (k > size) return std::to_string(size);
  std::int64_t below = k, above = k;
  while (size % below != 0) --below;
  while (size % above != 0) ++above;
  return fmt::format("{} or {}", below, above);
}

/// Groups stay inside `what`, which has `size` values: a sample, or an output channel of a weight.
void check_groups(const QuantizerSpec& spec, std::int64_t size, const std::string& what) {
  const json::Json granularity = granularity_of(spec.quantizer);
  if (!granularity.is_object()) return;
  const auto k = granularity.at("group").get<std::int64_t>();
  if (size % k == 0) return;
  throw InputError(fmt::format(
      "{}{}/granularity/group: {} does not divide the {} values of {}; expected a "
      "divisor, such as {}",
      spec.quantizer.where, spec.quantizer.grid, k, size, what, divisors_near(size, k)));
}

constexpr Value kSums[] = {Value::kSumForward, Value::kSumDx, Value::kSumDw};

}  // namespace

Lowering::Lowering(const registry::Registry& registry, const Graph& graph,
                   const Placement& placement, Parameters& parameters, SiteTable& sites,
                   Norms& norms)
    : registry_(registry),
      graph_(graph),
      placement_(placement),
      parameters_(parameters),
      sites_(sites),
      norms_(norms) {}

Nodes Lowering::run() {
  sites_.start(placement_.quantizers);
  norms_.start();
  const Model& model = graph_.model();
  auto input = std::make_unique<Node>();
  input->type = Node::Type::kInput;
  input->name = "input";
  input->out_shape = model.input;
  input->needs_gradient = false;
  nodes_.push_back(std::move(input));
  for (std::size_t i = 0; i < model.layers.size(); ++i) add_layer(static_cast<int>(i));
  add_quantize({at(Owner::kNetwork, Value::kOutput), model.layers.back().name},
               node_of_layer_.back());
  parameters_.order(model);
  count_readers();
  sites_.finish();
  norms_.finish();
  return std::move(nodes_);
}

void Lowering::count_readers() {
  for (const auto& node : nodes_) {
    for (const int i : node->inputs) {
      Node& from = *nodes_[static_cast<std::size_t>(i)];
      ++from.readers;
      if (node->weight != nullptr) ++from.lone_code_readers;
      if (node->weight != nullptr || node->reads_codes) ++from.code_readers;
    }
  }
}

bool Lowering::is_after_relu(int node) const {
  const Node& n = *nodes_[static_cast<std::size_t>(node)];
  const bool is_quantize = n.type == Node::Type::kQuantize || n.type == Node::Type::kQuantizeError;
  if (is_quantize) return is_after_relu(n.inputs[0]);
  if (n.type != Node::Type::kLayer) return false;
  switch (n.layer->sign) {
    case layers::Sign::kAny:
      return false;
    case layers::Sign::kNotNegative:
      return true;
    case layers::Sign::kOfInputs:
      return std::all_of(n.inputs.begin(), n.inputs.end(),
                         [this](int i) { return is_after_relu(i); });
  }
  throw RunError("a layer has an unknown sign");
}

bool Lowering::is_network_input(int node) const {
  const Node& n = *nodes_[static_cast<std::size_t>(node)];
  if (n.type == Node::Type::kInput) return true;
  if (n.type == Node::Type::kQuantize) return is_network_input(n.inputs[0]);
  return n.type == Node::Type::kLayer && n.layer->type->hands_input_on &&
         is_network_input(n.inputs[0]);
}

int Lowering::add_quantize(const SiteKey& key, int input, std::int64_t fan_in) {
  const std::optional<QuantizerSpec> spec = sites_.spec_at(key);
  if (!spec) return input;
  const bool is_error = key.site->role == QLOOM_SITE_ERROR;
  const auto type = is_error ? Node::Type::kQuantizeError : Node::Type::kQuantize;
  // Two contractions that read one tensor under the same rule share one quantize node.
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    Node& other = *nodes_[i];
    if (other.type == type && other.inputs[0] == input && other.keys[0].site == key.site &&
        other.site->spec() == *spec && sites_.share(other.keys[0], key, *spec)) {
      other.keys.push_back(key);
      return static_cast<int>(i);
    }
  }
  const Node& read = *nodes_[static_cast<std::size_t>(input)];
  auto node = std::make_unique<Node>();
  node->type = type;
  node->name = key.text();
  node->keys = {key};
  node->inputs = {input};
  node->out_shape = read.out_shape;
  node->site = sites_.make(key, read.out_shape.channels, fan_in, !is_error && is_after_relu(input));
  check_groups(*spec, node->out_shape.size(), "a sample");
  node->needs_gradient = read.needs_gradient || (!is_error && node->site->learns());
  if (key.site->owner == Owner::kLayer) node->grid = node->site.get();
  if (spec->requantizer.method != nullptr) {
    node->requantized = requantized_group(registry_, *node, nodes_);
    node->requantized->start->makes_sums = true;
    check_register(*node);
  }
  nodes_.push_back(std::move(node));
  return static_cast<int>(nodes_.size()) - 1;
}

void Lowering::check_register(const Node& quantize) const {
  const Node& start = *quantize.requantized->start;
  if (start.weight == nullptr) return;
  const auto found = placement_.accumulators.find(start.accumulators[0]);
  if (found == placement_.accumulators.end()) return;
  const MethodSpec& spec = found->second.accumulator;
  const registry::Instance probe = probe_of(registry_, spec, &found->first);
  const auto& ops = probe.ops<qloom_accumulator>();
  const bool adds_integers = (ops.caps & QLOOM_ACCUMULATOR_INTEGER) != 0;
  if (adds_integers || ops.is_exact(probe.self()) != 0) return;
  throw InputError(fmt::format(
      "{}: \"{}\" adds numbers with a fraction, and the requantizer of \"{}\" ({}) makes "
      "codes of integer sums; expected \"integer\" or no rule at {} of \"{}\"",
      spec.where, spec.method->id, quantize.name, quantize.site->spec().requantizer.where,
      found->first.site->name, found->first.layer));
}

void Lowering::check_weight_groups(const Parameter& weight, const Layer& layer) const {
  const auto values = static_cast<std::int64_t>(element_count(weight.shape)) / layer.out.channels;
  for (const Value value : {Value::kWeight, Value::kGradient, Value::kUpdate, Value::kMomentum}) {
    const auto spec = placement_.quantizers.find({at(Owner::kContraction, value), layer.name});
    if (spec == placement_.quantizers.end()) continue;
    check_groups(spec->second, values, fmt::format("an output channel of \"{}\"", layer.name));
  }
}

void Lowering::attach_update_sites(Parameter& p, const Layer& layer) {
  const auto place = [&](Value value) {
    return sites_.make({at(Owner::kContraction, value), layer.name}, layer.out.channels, p.fan_in);
  };
  p.on_gradient = place(Value::kGradient);
  p.on_update = place(Value::kUpdate);
  p.on_momentum = place(Value::kMomentum);
}

void Lowering::lower_contraction(Node& node) {
  const Layer& layer = *node.layer;
  const ContractionShape s = layer.type->contraction(layer, 1);
  const std::int64_t fan_in = s.fan_in();
  const Shape shape{s.out_c, s.kernel_h, s.kernel_w, s.in_c / s.groups};
  node.weight = parameters_.get(layer, QLOOM_ROLE_WEIGHT, shape, fan_in);
  check_weight_groups(*node.weight, layer);
  const auto place = [&](Value value) {
    return sites_.make({at(Owner::kContraction, value), layer.name}, layer.out.channels, fan_in);
  };
  node.weight->forward = place(Value::kWeight);
  attach_update_sites(*node.weight, layer);
  if (layer.has_bias) {
    node.bias = parameters_.get(layer, QLOOM_ROLE_BIAS, {layer.out.channels}, fan_in);
    node.bias->forward = place(Value::kBias);
  }
  node.error = place(Value::kError);
  node.error_dx = place(Value::kErrorDx);
  node.error_dw = place(Value::kErrorDw);
  for (std::size_t i = 0; i < node.accumulators.size(); ++i) {
    node.accumulators[i] = {at(Owner::kContraction, kSums[i]), layer.name};
  }
  check_accumulators(node);
}

void Lowering::check_bias(const Node& node, const SiteKey& read, int input) const {
  if (node.bias == nullptr || node.bias->forward == nullptr) return;
  if (!node.bias->forward->wants_products()) return;
  const sites::QuantizerSpec& bias = node.bias->forward->spec();
  const auto refuse = [&](const SiteKey& key, const std::string& fault) {
    throw InputError(fmt::format(
        R"({}: "{}" codes the bias of "{}" by the scales of its products, but {}; expected a rule )"
        R"(such as {{"site": "{}", "layers": ["{}"], "quantizer": {{"plugin": "affine"}}}})",
        bias.quantizer.where, bias.quantizer.method->id, key.layer, fault, key.site->name,
        key.layer));
  };
  const auto require = [&](const SiteKey& key, const SiteQuantizer* site, const char* what) {
    if (site == nullptr) refuse(key, fmt::format("no rule quantizes its {}", what));
    const std::string& id = site->spec().quantizer.method->id;
    if (!site->has_codes()) refuse(key, fmt::format("\"{}\" gives its {} no codes", id, what));
    const sites::When when = site->spec().when;
    if (when == sites::When::kAlways || when == bias.when) return;
    refuse(key, fmt::format("its {} are not quantized in all its passes (\"when\")", what));
  };
  require({at(Owner::kContraction, Value::kWeight), read.layer}, node.weight->forward.get(),
          "weights");
  const Node& from = *nodes_[static_cast<std::size_t>(input)];
  require(read, from.type == Node::Type::kQuantize ? from.site.get() : from.grid, "inputs");
}

void Lowering::check_accumulators(const Node& node) const {
  const Node& input = *nodes_[static_cast<std::size_t>(node.inputs[0])];
  for (const SiteKey& key : node.accumulators) {
    const Value sum = key.site->value;
    const auto found = placement_.accumulators.find(key);
    if (found == placement_.accumulators.end()) continue;
    if (sum == Value::kSumDx && !input.needs_gradient) continue;  // never computed
    const MethodSpec& spec = found->second.accumulator;
    const registry::Instance probe = probe_of(registry_, spec, &key);
    if ((probe.ops<qloom_accumulator>().caps & QLOOM_ACCUMULATOR_INTEGER) == 0) continue;
    const auto has = [&](Value value) {
      return placement_.quantizers.contains({at(Owner::kContraction, value), key.layer});
    };
    const bool is_dx = sum == Value::kSumDx;
    const bool weight = sum == Value::kSumDw || has(Value::kWeight);
    const bool data =
        is_dx || input.grid != nullptr || has(Value::kNetworkInput) || has(Value::kInput);
    const bool error = sum == Value::kSumForward || has(Value::kError) ||
                       has(is_dx ? Value::kErrorDx : Value::kErrorDw);
    if (!weight || !data || !error) {
      throw InputError(
          fmt::format("{}: \"{}\" adds integer codes, but not both operands of {} in layer \"{}\" "
                      "are quantized",
                      spec.where, spec.method->id, key.site->name, key.layer));
    }
    if (is_dx && node.weight->forward != nullptr &&
        granularity_of(node.weight->forward->spec().quantizer) != "tensor") {
      throw InputError(fmt::format(
          "{}: \"{}\" adds integer codes, but the weights of \"{}\" have a "
          "scale per {} that changes along the sum of {}",
          spec.where, spec.method->id, node.layer->name,
          granularity_of(node.weight->forward->spec().quantizer).dump(), key.site->name));
    }
  }
}

void Lowering::lower_norm(Node& node, int index) {
  const Layer& layer = *node.layer;
  const int producer = graph_.producer_of(index);
  const Node* from =
      producer < 0
          ? nullptr
          : nodes_[static_cast<std::size_t>(node_of_layer_[static_cast<std::size_t>(producer)])]
                .get();
  node.norm = norms_.make(placement_.norms.at(layer.name), layer,
                          from != nullptr ? from->weight->fan_in : 0);
  if (node.norm->has_affine) {
    node.norm->gamma = parameters_.get(layer, QLOOM_ROLE_GAMMA, {layer.out.channels}, 0);
    node.norm->beta = parameters_.get(layer, QLOOM_ROLE_BETA, {layer.out.channels}, 0);
  } else {
    parameters_.drop_norm(layer.name);
  }
  node.norm->slot_sites.clear();
  for (const char* slot : sites::kNormSlots) {
    const SiteKey key(at(Owner::kNorm, Value::kSlot), layer.name, slot);
    const auto quantizer = sites_.make(key, layer.out.channels, node.norm->fan_in);
    if (quantizer != nullptr) node.norm->slot_sites[slot] = quantizer.get();
  }
}

void Lowering::add_layer(int index) {
  const Layer& layer = graph_.layer(index);
  std::vector<int> inputs;
  for (const int i : layer.inputs) {
    inputs.push_back(i < 0 ? 0 : node_of_layer_[static_cast<std::size_t>(i)]);
  }
  if (graph_.is_removed(index)) {
    node_of_layer_.push_back(add_output(layer, inputs[0]));
    return;
  }
  auto node = std::make_unique<Node>();
  node->name = layer.name;
  node->layer = &layer;
  node->out_shape = layer.out;
  if (layer.is_contraction()) {
    const Value read = is_network_input(inputs[0]) ? Value::kNetworkInput : Value::kInput;
    inputs[0] = add_quantize({at(Owner::kContraction, read), layer.name}, inputs[0],
                             layer.type->contraction(layer, 1).fan_in());
    node->inputs = inputs;
    lower_contraction(*node);
    check_bias(*node, {at(Owner::kContraction, read), layer.name}, inputs[0]);
  } else if (layer.is_norm()) {
    inputs[0] = add_quantize({at(Owner::kNorm, Value::kInput), layer.name}, inputs[0]);
    lower_norm(*node, index);
  }
  node->inputs = inputs;
  find_grid(*node);
  node->needs_gradient = layer.is_contraction() || (node->norm && node->norm->has_affine) ||
                         std::any_of(inputs.begin(), inputs.end(), [this](int i) {
                           return nodes_[static_cast<std::size_t>(i)]->needs_gradient;
                         });
  nodes_.push_back(std::move(node));
  int last = static_cast<int>(nodes_.size()) - 1;
  if (layer.is_norm()) {  // errors reach the norm as its output's gradient
    for (const Value value : {Value::kError, Value::kOutput}) {
      last = add_quantize({at(Owner::kNorm, value), layer.name}, last);
    }
  }
  node_of_layer_.push_back(add_output(layer, last));
}

int Lowering::add_output(const Layer& layer, int last) {
  return add_quantize({at(Owner::kLayer, Value::kOutput), layer.name}, last);
}

void Lowering::find_grid(Node& node) const {
  const auto has_grid = [this](int i) {
    return nodes_[static_cast<std::size_t>(i)]->grid != nullptr;
  };
  const layers::OfCodes of_codes = node.layer->type->of_codes;
  node.reads_codes = of_codes != layers::OfCodes::kValues &&
                     std::all_of(node.inputs.begin(), node.inputs.end(), has_grid);
  const bool hands_on = of_codes == layers::OfCodes::kChosen ||
                        of_codes == layers::OfCodes::kMoved || of_codes == layers::OfCodes::kBeside;
  if (node.reads_codes && hands_on) {
    node.grid = nodes_[static_cast<std::size_t>(node.inputs[0])]->grid;
  }
}

}  // namespace qloom::network
