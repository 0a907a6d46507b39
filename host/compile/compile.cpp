// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/compile/compile.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "host/compile/codes.hpp"
#include "host/compile/contractions.hpp"
#include "host/compile/draft.hpp"
#include "host/compile/operands.hpp"
#include "host/compile/routes/logits.hpp"
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
  int tensor = -1;           ///< none: real images, or an add that waits for its requantizer
  std::vector<int> added{};  ///< tensors of codes that the add on the route reads
  Route route;
};

class Compiler {
 public:
  Compiler(network::Network& network, const Pixels& pixels, const Options& options)
      : network_(network), nodes_(network.plan.nodes()), pixels_(pixels), options_(options) {}

  Compiled run() {
    for (const auto& node : nodes_) reached_.push_back(take(*node));
    finish_logits();
    return draft_.take();
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

  /// What a node hands on that its reader takes for input number i.
  [[nodiscard]] const Reached& from(const Node& node, std::size_t i) const {
    return reached_[static_cast<std::size_t>(node.inputs[i])];
  }

  Reached take_image(const Node& node) {
    Reached image{Reached::What::kRoute, -1, {}, {}};
    image.route.phase = phase();
    if (pixels_.values.empty()) return image;  // real images: the program begins at their codes
    image.route.pixels = &pixels_;
    image.tensor = draft_.add(tensor_of("image", node.out_shape, {false, 8}), {});
    return image;
  }

  /// A layer behind integers: it works on their codes, or on values on the route from them.
  Reached take_layer(const Node& node) {
    const layers::LayerType& type = *node.layer->type;
    const bool is_of_codes = type.of_codes != layers::OfCodes::kValues;
    const bool reads_codes = std::all_of(node.inputs.begin(), node.inputs.end(), [this](int i) {
      return reached_[static_cast<std::size_t>(i)].what == Reached::What::kCodes;
    });
    if (is_of_codes && reads_codes) return take_codes(node);
    const bool is_pointwise = type.is_norm || type.elementwise.forward != nullptr;
    const bool continues =
        node.inputs.size() == 1 && (is_pointwise || type.takes_largest() || type.same_bytes);
    if (!continues) {
      refuse_real(node);
      return {};
    }
    Reached now = from(node);
    if (now.what == Reached::What::kNothing) return {};
    if (now.what == Reached::What::kCodes) now = route_from_codes(node);
    const bool is_moved = std::any_of(
        now.route.nodes.begin(), now.route.nodes.end(),
        [](const Node* n) { return n->type == Node::Type::kLayer && n->layer->type->same_bytes; });
    if (type.is_norm && is_moved) {
      draft_.refuse({node.name, "is a norm behind a layer that moves channels", {}});
      return {};
    }
    now.route.nodes.push_back(&node);
    return now;
  }

  /// A layer that chooses, moves or adds codes.
  Reached take_codes(const Node& node) {
    std::vector<int> inputs;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) inputs.push_back(from(node, i).tensor);
    const layers::OfCodes of_codes = node.layer->type->of_codes;
    if (of_codes != layers::OfCodes::kSum && of_codes != layers::OfCodes::kMean) {
      std::vector<const Node*> makers;
      for (const int i : node.inputs) makers.push_back(&node_at(i));
      return {Reached::What::kCodes, add_chosen(draft_, node, inputs, makers), {}, {}};
    }
    Reached reached{Reached::What::kRoute, -1, {}, {}};
    reached.route.start = &node;
    reached.route.phase = phase();
    if (of_codes == layers::OfCodes::kSum) {
      reached.added = inputs;
      return reached;
    }
    reached.tensor = add_mean(draft_, node, inputs[0]);
    if (reached.tensor < 0) return {};
    reached.route.scale = draft_.tensor(reached.tensor).scale;
    return reached;
  }

  /// The inputs that keep a layer from working on codes, or the layer itself.
  void refuse_real(const Node& node) {
    const layers::LayerType& type = *node.layer->type;
    if (type.of_codes == layers::OfCodes::kValues) {
      draft_.refuse({node.name, fmt::format("works on real values ({})", type.name), {}});
      return;
    }
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const Node& input = node_at(node.inputs[i]);
      if (from(node, i).what == Reached::What::kCodes || input.grid != nullptr) continue;
      const std::string layer = input.type == Node::Type::kLayer   ? input.layer->name
                                : input.type == Node::Type::kInput ? "input"
                                                                   : input.keys[0].layer;
      draft_.refuse({node.name, fmt::format("reads \"{}\", which is real", layer),
                     input.type == Node::Type::kInput ? "" : rule_for("output", layer)});
    }
  }

  /// Values that begin at the codes that the node reads.
  [[nodiscard]] Reached route_from_codes(const Node& node) const {
    Reached reached{Reached::What::kRoute, from(node).tensor, {}, {}};
    const program::Tensor& codes = draft_.tensor(reached.tensor);
    reached.route.start = &node_at(node.inputs[0]);
    reached.route.begins_at_codes = true;
    reached.route.scale = codes.scale;
    reached.route.zero_point = codes.zero_point;
    reached.route.phase = phase();
    return reached;
  }

  Reached take_contraction(const Node& node) {
    const Node& read = node_at(node.inputs[0]);
    const Reached& input = from(node);
    const contraction::AccumulatorRef accumulator =
        network_.accumulators.reference(node, 0, network_.plan.last_pass());
    auto refusals = refusals_at(node, read, accumulator, makes_logits(node));
    for (Refusal& refusal : refusals) draft_.refuse(std::move(refusal));
    if (!refusals.empty() || input.what != Reached::What::kCodes) return {};
    Reached reached{Reached::What::kRoute, -1, {}, {}};
    reached.route.contraction = &node;
    reached.route.phase = phase();
    if (node.weight_operand.codes) {
      reached.tensor = add_products(draft_, node, input.tensor, accumulator, {});
      return reached.tensor < 0 ? Reached{} : reached;
    }
    for (std::size_t p = 0; p < network::WeightPlanes::kCount; ++p) {
      reached.added.push_back(add_products(draft_, node, input.tensor, accumulator, p));
      if (reached.added.back() < 0) return {};
    }
    return reached;
  }

  /// Does no sum follow that of the layer?
  [[nodiscard]] bool makes_logits(const Node& node) const {
    const auto at = std::find_if(nodes_.begin(), nodes_.end(),
                                 [&](const auto& other) { return other.get() == &node; });
    return std::none_of(at + 1, nodes_.end(), [](const auto& other) {
      return other->type == Node::Type::kLayer &&
             (other->layer->is_contraction() ||
              other->layer->type->of_codes == layers::OfCodes::kSum ||
              other->layer->type->of_codes == layers::OfCodes::kMean);
    });
  }

  Reached take_quantize(const Node& node) {
    Reached before = from(node);
    if (!node.site->acts(phase())) return before;
    const std::string& layer = node.keys[0].layer;
    const bool is_logits = &node == nodes_.back().get();
    const bool is_output = node.keys[0].site->owner == sites::Owner::kLayer;
    const std::string fault = fault_of(*node.site, phase());
    if (!fault.empty()) {
      draft_.refuse({layer, (is_output ? "its output: " : "its input: ") + fault, {}});
    }
    if (!fault.empty() || before.what == Reached::What::kNothing) return {};
    if (before.what == Reached::What::kCodes) before = route_from_codes(node);
    const std::string name = is_logits ? "logits" : is_output ? layer : layer + ".in";
    if (node.requantized != nullptr && node.requantized->acts) {
      const std::vector<int> inputs =
          before.added.empty() ? std::vector<int>{before.tensor} : before.added;
      return {Reached::What::kCodes, add_requantized(draft_, node, name, inputs), {}, {}};
    }
    Route route = before.route;
    route.site = node.site.get();
    if (!before.added.empty() && route.contraction != nullptr) {
      refuse_planes(*route.contraction);
      return {};
    }
    if (!before.added.empty()) {
      before.tensor = add_sums(draft_, *route.start, before.added);
      if (before.tensor < 0) return {};
      route.scale = draft_.tensor(before.tensor).scale;
    }
    if (before.tensor < 0) return take_real_image(node, name, route);
    return absorb_route(node, name, before.tensor, route);
  }

  /// Two sums are no function of one integer.
  void refuse_planes(const Node& node) {
    draft_.refuse(planes_refusal(node.layer->name, makes_logits(node)));
  }

  /// Images that are no bytes are the program's input as codes.
  Reached take_real_image(const Node& node, const std::string& name, const Route& route) {
    const bool moves_alone = std::all_of(route.nodes.begin(), route.nodes.end(),
                                         [](const Node* n) { return n->layer->type->same_bytes; });
    if (!moves_alone || !draft_.is_empty()) {
      draft_.refuse(
          {node.keys[0].layer, "works on real images before a quantizer has seen them", {}});
      return {};
    }
    const Source source{Source::What::kCodes, &node_at(node.inputs[0]), node.site.get()};
    return {Reached::What::kCodes,
            draft_.add(code_tensor_of(name, node.out_shape, *node.site), source),
            {},
            {}};
  }

  Reached absorb_route(const Node& node, const std::string& name, int from_tensor,
                       const Route& route) {
    Absorbed absorbed = absorbed_of(route, from_tensor);
    if (!absorbed.fault.empty()) {
      draft_.refuse({node.keys[0].layer, "its input: " + absorbed.fault, {}});
      return {};
    }
    Op map;
    map.kind = Kind::kMap;
    map.inputs = {from_tensor};
    const Finding finding = take_steps(absorbed, map);
    const std::vector<const Node*> movers = movers_of(route);
    const Node* const start =
        route.begins_with() == nullptr ? nodes_[0].get() : route.begins_with();
    const Node* made = movers.empty() ? &node_at(node.inputs[0]) : &node_at(movers[0]->inputs[0]);
    const std::string first =
        movers.empty() ? name : draft_.unused(start_name(*made, *start) + ".codes");
    const layers::SampleShape shape = start->out_shape;
    int tensor = draft_.add(
        std::move(map), code_tensor_of(first, movers.empty() ? node.out_shape : shape, *node.site),
        {Source::What::kCodes, made, node.site.get(), behind(route, movers, 0)}, finding);
    for (std::size_t i = 0; i < movers.size(); ++i) {
      const bool is_last = i + 1 == movers.size();
      const std::string next = is_last ? name : draft_.unused(movers[i]->name + ".codes");
      const Node* const values = is_last ? &node_at(node.inputs[0]) : movers[i];
      tensor = add_mover(*movers[i], tensor, next,
                         {Source::What::kCodes, values, node.site.get(),
                          is_last ? std::vector<const Node*>() : behind(route, movers, i)});
    }
    return {Reached::What::kCodes, tensor, {}, {}};
  }

  [[nodiscard]] Absorbed absorbed_of(const Route& route, int from_tensor) const {
    if (route.pixels != nullptr) return absorb_bytes(route);
    if (route.begins_at_codes) return absorb_codes(route, draft_.tensor(from_tensor).type.values());
    return absorb(route, draft_.ranges_of(from_tensor));
  }

  /// The steps of a map: multipliers where they were asked for and all channels have one.
  Finding take_steps(Absorbed& absorbed, Op& map) const {
    Finding finding{"table", absorbed.proof, {}};
    map.steps = std::move(absorbed.steps);
    if (absorbed.is_table) return finding;
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
  int add_mover(const Node& mover, int input, const std::string& name, Source source) {
    Op op;
    op.inputs = {input};
    op.name = mover.name;
    op.kind = mover.layer->type->takes_largest() ? Kind::kMaxPool : Kind::kReshape;
    if (op.kind == Kind::kMaxPool) op.window = window_of(*mover.layer);
    program::Tensor tensor = code_tensor_of(name, mover.out_shape, *source.site);
    return draft_.add(std::move(op), std::move(tensor), std::move(source));
  }

  void finish_logits() {
    const Reached& last = reached_.back();
    const Node& node = *nodes_.back();
    int logits = last.tensor;
    if (last.what == Reached::What::kRoute && !last.added.empty() &&
        last.route.contraction != nullptr) {
      return refuse_planes(*last.route.contraction);
    }
    if (last.what == Reached::What::kRoute && is_linear(last.route)) {
      try {
        logits = add_logits(last.route, last.tensor);
      } catch (const RunError& error) {
        return draft_.refuse({node.name, error.what(), kLogitsRule});
      }
    } else if (last.what == Reached::What::kNothing) {
      return;  // refused already
    } else if (last.what != Reached::What::kCodes) {
      draft_.refuse({node.name,
                     "the logits are no sums of a contraction and no rule makes codes of them",
                     kLogitsRule});
      return;
    }
    Op argmax;
    argmax.kind = Kind::kArgmax;
    argmax.inputs = {logits};
    const std::int64_t classes = draft_.tensor(logits).size();
    const int index =
        draft_.add(std::move(argmax), tensor_of("class", {}, program::type_of({0, classes - 1})),
                   {Source::What::kClass, &node, nullptr});
    draft_.set_outputs({logits, index});
  }

  int add_logits(const Route& route, int sums) {
    LinearLogits linear = linear_logits(route, network_.plan.last_pass(), draft_.ranges_of(sums));
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
    draft_.set_float_logits(linear.rounds);
    const auto what = are_sums ? Source::What::kSums : Source::What::kLogits;
    return draft_.add(std::move(map), std::move(tensor), {what, &node, nullptr});
  }

  network::Network& network_;
  const network::Nodes& nodes_;
  const Pixels& pixels_;
  Options options_;
  std::vector<Reached> reached_;  ///< of each node
  Draft draft_;
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
