// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/compile/compile.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "host/compile/logits.hpp"
#include "host/compile/operands.hpp"
#include "host/compile/register.hpp"
#include "host/compile/tensors.hpp"
#include "host/tensor/error.hpp"

namespace qloom::compile {
namespace {

using program::Kind;
using program::Op;

/// Makes codes of the logits, few enough for thresholds.
constexpr const char* kLogitsRule =
    R"({"site": "logits", "quantizer": {"plugin": "affine", "bits": 12}})";

/// What a node hands on, as the program sees it.
struct Reached {
  enum class What {
    kNothing,  ///< there is no integer form; a refusal has said why
    kRoute,    ///< real values, on their way from the tensor to a code
    kCodes     ///< the tensor
  } what = What::kNothing;
  int tensor = -1;
  Route route;
};

class Compiler {
 public:
  Compiler(network::Network& network, const Pixels& pixels, const Options& options)
      : network_(network), nodes_(network.plan.nodes()), pixels_(pixels), options_(options) {}

  Compiled run() {
    for (const auto& node : nodes_) reached_.push_back(take(*node));
    finish_logits();
    if (!out_.refusals.empty()) {
      out_.program = {};
      return std::move(out_);
    }
    const std::string fault = program::fault_of(out_.program);
    if (!fault.empty()) throw RunError("the compiled program is none: " + fault);
    return std::move(out_);
  }

 private:
  Reached take(const Node& node) {
    switch (node.type) {
      case Node::Type::kInput:
        return take_image(node);
      case Node::Type::kQuantizeError:
        return from(node);
      case Node::Type::kQuantize:
        return take_quantize(node);
      case Node::Type::kLayer:
        return node.layer->is_contraction() ? take_contraction(node) : take_layer(node);
    }
    throw RunError("a node has an unknown type");
  }
  [[nodiscard]] const Reached& from(const Node& node) const {
    return reached_[static_cast<std::size_t>(node.inputs[0])];
  }
  [[nodiscard]] const Node& node_at(int index) const {
    return *nodes_[static_cast<std::size_t>(index)];
  }
  [[nodiscard]] network::Phase phase() const { return network_.plan.last_pass().phase; }

  int add(program::Tensor tensor, Source source) {
    tensor.name = unused(tensor.name);
    out_.program.tensors.push_back(std::move(tensor));
    out_.sources.push_back(std::move(source));
    return static_cast<int>(out_.program.tensors.size()) - 1;
  }
  /// The operation makes the tensor; returns the tensor's number.
  int add(Op op, program::Tensor tensor, Source source, Finding finding = {}) {
    op.name = unused_op(op.name.empty() ? tensor.name : op.name);
    op.output = add(std::move(tensor), std::move(source));
    out_.program.ops.push_back(std::move(op));
    out_.findings.push_back(std::move(finding));
    return out_.program.ops.back().output;
  }
  /// Said once where two nodes find the same.
  void refuse(Refusal refusal) {
    const auto is_same = [&](const Refusal& other) {
      return other.layer == refusal.layer && other.reason == refusal.reason;
    };
    if (std::none_of(out_.refusals.begin(), out_.refusals.end(), is_same)) {
      out_.refusals.push_back(std::move(refusal));
    }
  }

  Reached take_image(const Node& node) {
    Reached image{Reached::What::kRoute, -1, {}};
    image.route.phase = phase();
    if (pixels_.values.empty()) return image;  // real images: the program begins at their codes
    image.route.pixels = &pixels_;
    image.tensor = add(tensor_of("image", node.out_shape, {false, 8}), {});
    return image;
  }

  /// A layer that works on values: on the route as far as it works element by element, takes the
  /// largest of some, or moves them.
  Reached take_layer(const Node& node) {
    const Reached& before = from(node);
    const layers::LayerType& type = *node.layer->type;
    const bool is_pointwise = type.is_norm || type.elementwise.forward != nullptr;
    const bool continues =
        node.inputs.size() == 1 && (is_pointwise || type.takes_largest() || type.same_bytes);
    if (!continues || before.what == Reached::What::kCodes) {
      refuse({node.name, fmt::format("works on real values ({})", type.name), {}});
      return {};
    }
    if (before.what == Reached::What::kNothing) return {};
    const bool is_moved = std::any_of(
        before.route.nodes.begin(), before.route.nodes.end(),
        [](const Node* n) { return n->type == Node::Type::kLayer && n->layer->type->same_bytes; });
    if (type.is_norm && is_moved) {
      refuse({node.name, "is a norm behind a layer that moves channels", {}});
      return {};
    }
    Reached now = before;
    now.route.nodes.push_back(&node);
    return now;
  }

  Reached take_contraction(const Node& node) {
    const Node& read = node_at(node.inputs[0]);
    const Reached& input = from(node);
    const contraction::AccumulatorRef accumulator =
        network_.accumulators.reference(node, 0, network_.plan.last_pass());
    auto refusals = refusals_at(node, read, accumulator);
    for (Refusal& refusal : refusals) refuse(std::move(refusal));
    if (!refusals.empty() || input.what != Reached::What::kCodes) return {};
    Op op;
    op.name = node.layer->name;
    op.inputs = {input.tensor};
    op.window = node.layer->type->contraction(*node.layer, 1);
    const bool pads = op.window.pads();
    op.kind = op.window.in_h * op.window.in_w == 1 && !pads ? Kind::kDense : Kind::kConv;
    take_weights(node, op);
    const program::Tensor& x = out_.program.tensor(input.tensor);
    const Interval codes{x.type.values().lo - x.zero_point, x.type.values().hi - x.zero_point};
    if (op.kind == Kind::kConv) {
      const auto pad = static_cast<std::int64_t>(double{node.input_operand.pad} /
                                                 double{*node.input_operand.scale});
      op.pad = x.zero_point + pad;
      if (pads && (pad < codes.lo || pad > codes.hi)) {
        refuse({op.name,
                fmt::format("pads with {}, which its input's codes do not reach",
                            node.input_operand.pad),
                {}});
        return {};
      }
    }
    auto sums = program::sums_of(op, codes);
    Interval all{0, 0};
    for (const Interval& sum : sums) all = steps::join(all, sum);
    if (!take_register(all, accumulator, op)) return {};
    for (Interval& sum : sums) sum = held(op.sum, sum);
    Reached reached{Reached::What::kRoute, -1, {}};
    reached.route.contraction = &node;
    reached.route.phase = phase();
    reached.tensor =
        add(op, sum_tensor_of(node, held(op.sum, all)), {Source::What::kSums, &node, nullptr});
    sums_.push_back({reached.tensor, sums});
    return reached;
  }

  /// The register that holds all sums, or the one that a rule models; false where none does.
  bool take_register(Interval sums, const contraction::AccumulatorRef& accumulator, Op& op) {
    constexpr int kWidest = 62;  // of a program's registers
    op.sum.needed = std::max(2, steps::bits_of({std::min<std::int64_t>(sums.lo, -1), sums.hi}));
    if (is_modelled(accumulator)) {
      const int needed = op.sum.needed;
      op.sum = *register_of(accumulator, op.window.fan_in());
      op.sum.needed = needed;
      if (needed <= op.sum.bits) op.sum.overflow = program::Overflow::kNever;
      return true;
    }
    op.sum.bits = op.sum.needed <= 32 ? 32 : kWidest;
    if (op.sum.needed <= kWidest) return true;
    refuse({op.name,
            fmt::format("its sums need {} bits, at most {} are there", op.sum.needed, kWidest),
            {}});
    return false;
  }

  Reached take_quantize(const Node& node) {
    const Reached& before = from(node);
    if (!node.site->acts(phase())) return before;
    const std::string& layer = node.keys[0].layer;
    const bool is_logits = &node == nodes_.back().get();
    const std::string fault = fault_of(*node.site, phase());
    if (!fault.empty()) refuse({layer, "its input: " + fault, {}});
    if (before.what == Reached::What::kCodes) {
      refuse({layer, "quantizes values that are quantized already", {}});
    }
    if (!fault.empty() || before.what != Reached::What::kRoute) return {};
    const std::string name = is_logits ? "logits" : layer + ".in";
    Route route = before.route;
    route.site = node.site.get();
    if (before.tensor < 0) return take_real_image(node, name, route);
    return absorb_route(node, name, before.tensor, route);
  }

  /// Images that are no bytes are the program's input as codes.
  Reached take_real_image(const Node& node, const std::string& name, const Route& route) {
    const bool moves_alone = std::all_of(route.nodes.begin(), route.nodes.end(),
                                         [](const Node* n) { return n->layer->type->same_bytes; });
    if (!moves_alone || out_.program.tensors.size() > 0) {
      refuse({node.keys[0].layer, "works on real images before a quantizer has seen them", {}});
      return {};
    }
    const Source source{Source::What::kCodes, &node_at(node.inputs[0]), node.site.get()};
    return {
        Reached::What::kCodes, add(code_tensor_of(name, node.out_shape, *node.site), source), {}};
  }

  Reached absorb_route(const Node& node, const std::string& name, int from_tensor,
                       const Route& route) {
    Absorbed absorbed =
        route.contraction == nullptr ? absorb_bytes(route) : absorb(route, ranges_of(from_tensor));
    if (!absorbed.fault.empty()) {
      refuse({node.keys[0].layer, "its input: " + absorbed.fault, {}});
      return {};
    }
    Op map;
    map.kind = Kind::kMap;
    map.inputs = {from_tensor};
    const Finding finding = take_steps(absorbed, route, map);
    const std::vector<const Node*> movers = movers_of(route);
    const Node* const start = route.contraction == nullptr ? nodes_[0].get() : route.contraction;
    const Node* made = movers.empty() ? &node_at(node.inputs[0]) : &node_at(movers[0]->inputs[0]);
    const std::string first = movers.empty() ? name : unused(start_name(*made, *start) + ".codes");
    const layers::SampleShape shape = start->out_shape;
    int tensor = add(
        std::move(map), code_tensor_of(first, movers.empty() ? node.out_shape : shape, *node.site),
        {Source::What::kCodes, made, node.site.get(), behind(route, movers, 0)}, finding);
    for (std::size_t i = 0; i < movers.size(); ++i) {
      const bool is_last = i + 1 == movers.size();
      const std::string next = is_last ? name : unused(movers[i]->name + ".codes");
      const Node* const values = is_last ? &node_at(node.inputs[0]) : movers[i];
      tensor = add_mover(*movers[i], tensor, next,
                         {Source::What::kCodes, values, node.site.get(),
                          is_last ? std::vector<const Node*>() : behind(route, movers, i)});
    }
    return {Reached::What::kCodes, tensor, {}};
  }

  /// The steps of a map: multipliers where they were asked for and all channels have one.
  Finding take_steps(Absorbed& absorbed, const Route& route, Op& map) const {
    Finding finding{"table", absorbed.proof, {}};
    map.steps = std::move(absorbed.steps);
    if (route.contraction == nullptr) return finding;
    finding.requantizer = "thresholds";
    if (options_.multiplier_bits == 0) return finding;
    Fitted fitted = fit(absorbed.thresholds, options_.multiplier_bits);
    finding.fitting_channels = fitted.channels;
    if (fitted.steps.empty()) return finding;
    finding.requantizer = "multiplier";
    map.steps = std::move(fitted.steps);
    return finding;
  }

  static std::string start_name(const Node& made, const Node& start) {
    return &made == &start && start.type == Node::Type::kInput ? "image" : made.name;
  }
  /// Nodes of a route that choose or move elements.
  static std::vector<const Node*> movers_of(const Route& route) {
    std::vector<const Node*> movers;
    for (const Node* node : route.nodes) {
      const layers::LayerType& type = *node->layer->type;
      if (type.takes_largest() || type.same_bytes) movers.push_back(node);
    }
    return movers;
  }
  /// Nodes of a route from mover number i on.
  static std::vector<const Node*> behind(const Route& route, const std::vector<const Node*>& movers,
                                         std::size_t i) {
    if (i >= movers.size()) return {};
    return {std::find(route.nodes.begin(), route.nodes.end(), movers[i]), route.nodes.end()};
  }

  int add_mover(const Node& mover, int input, const std::string& name, Source source) {
    Op op;
    op.inputs = {input};
    op.name = mover.name;
    op.kind = mover.layer->type->takes_largest() ? Kind::kMaxPool : Kind::kReshape;
    if (op.kind == Kind::kMaxPool) op.window = window_of(*mover.layer);
    program::Tensor tensor = code_tensor_of(name, mover.out_shape, *source.site);
    return add(std::move(op), std::move(tensor), std::move(source));
  }

  /// The name, with a number behind it where it is taken.
  [[nodiscard]] std::string unused(const std::string& name) const {
    if (program::find_tensor(out_.program, name) < 0) return name;
    for (int i = 2;; ++i) {
      std::string other = fmt::format("{}.{}", name, i);
      if (program::find_tensor(out_.program, other) < 0) return other;
    }
  }

  /// The same for the name of an operation.
  [[nodiscard]] std::string unused_op(const std::string& name) const {
    const auto is_taken = [this](const std::string& other) {
      return std::any_of(out_.program.ops.begin(), out_.program.ops.end(),
                         [&](const Op& op) { return op.name == other; });
    };
    if (!is_taken(name)) return name;
    for (int i = 2;; ++i) {
      std::string other = fmt::format("{}.{}", name, i);
      if (!is_taken(other)) return other;
    }
  }

  [[nodiscard]] const std::vector<Interval>& ranges_of(int tensor) const {
    const auto found = std::find_if(sums_.begin(), sums_.end(),
                                    [&](const auto& entry) { return entry.first == tensor; });
    return found->second;
  }

  void finish_logits() {
    const Reached& last = reached_.back();
    const Node& node = *nodes_.back();
    int logits = last.tensor;
    if (last.what == Reached::What::kRoute && is_linear(last.route)) {
      try {
        logits = add_logits(last.route, last.tensor);
      } catch (const RunError& error) {
        return refuse({node.name, error.what(), kLogitsRule});
      }
    } else if (last.what == Reached::What::kNothing) {
      return;  // refused already
    } else if (last.what != Reached::What::kCodes) {
      refuse({node.name, "the logits are no sums of a contraction and no rule makes codes of them",
              kLogitsRule});
      return;
    }
    Op argmax;
    argmax.kind = Kind::kArgmax;
    argmax.inputs = {logits};
    const std::int64_t classes = out_.program.tensor(logits).size();
    const int index =
        add(std::move(argmax), tensor_of("class", {}, program::type_of({0, classes - 1})),
            {Source::What::kClass, &node, nullptr});
    out_.program.outputs = {logits, index};
  }

  int add_logits(const Route& route, int sums) {
    LinearLogits linear = linear_logits(route, network_.plan.last_pass(), ranges_of(sums));
    Op map;
    const bool are_sums = linear.steps.empty();
    map.kind = are_sums ? Kind::kReshape : Kind::kMap;
    map.inputs = {sums};
    map.steps = std::move(linear.steps);
    const Node& node = *route.contraction;
    program::Tensor tensor = tensor_of(
        "logits", node.out_shape,
        program::type_of({std::min<std::int64_t>(linear.values.lo, -1), linear.values.hi}));
    tensor.scale = {linear.scale};
    out_.has_float_logits = linear.rounds;
    const auto what = are_sums ? Source::What::kSums : Source::What::kLogits;
    return add(std::move(map), std::move(tensor), {what, &node, nullptr});
  }

  network::Network& network_;
  const network::Nodes& nodes_;
  const Pixels& pixels_;
  Options options_;
  std::vector<Reached> reached_;  ///< of each node
  std::vector<std::pair<int, std::vector<Interval>>>
      sums_;  ///< of each tensor of sums, per channel
  Compiled out_;
};

}  // namespace

Compiled compile(network::Network& network, const Pixels& pixels, const Options& options) {
  return Compiler(network, pixels, options).run();
}

std::int64_t products_of(const program::Op& op) {
  if (op.kind != Kind::kConv && op.kind != Kind::kDense) return 0;
  return op.window.y_size() * op.window.fan_in();
}

}  // namespace qloom::compile
