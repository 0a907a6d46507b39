// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Which sums a requantizer takes, and the refusal where there are none.
#include <algorithm>

#include <fmt/format.h>

#include "host/layers/common/pool.hpp"
#include "host/network/plan/execution.hpp"
#include "host/network/plan/requantize.hpp"
#include "host/tensor/error.hpp"

namespace qloom::network {
namespace {

using layers::OfCodes;

class Finder {
 public:
  Finder(const Node& quantize, const Nodes& nodes) : quantize_(quantize), nodes_(nodes) {}

  std::unique_ptr<Requantized> find() {
    auto group = std::make_unique<Requantized>();
    for (int i = quantize_.inputs[0]; group->start == nullptr;) {
      Node& node = *nodes_[static_cast<std::size_t>(i)];
      if (node.type == Node::Type::kLayer && begins(node)) {
        group->start = &node;
      } else {
        take(node, *group);
        i = node.inputs[0];
      }
    }
    std::reverse(group->behind.begin(), group->behind.end());
    check_order(*group);
    check_start(*group->start);
    check_site();
    return group;
  }

 private:
  [[noreturn]] void refuse(const std::string& message) const {
    throw InputError(fmt::format("{}: {}", quantize_.site->spec().requantizer.where, message));
  }
  [[nodiscard]] const Node& at(int i) const { return *nodes_[static_cast<std::size_t>(i)]; }

  static bool begins(const Node& node) {
    const OfCodes of_codes = node.layer->type->of_codes;
    return node.weight != nullptr || of_codes == OfCodes::kSum || of_codes == OfCodes::kMean ||
           of_codes == OfCodes::kBeside;
  }

  /// A node between the sums and their codes.
  void take(const Node& node, Requantized& group) const {
    if (node.type == Node::Type::kInput) {
      refuse(fmt::format("\"{}\" hands on images, not sums", quantize_.keys[0].layer));
    }
    if (node.type == Node::Type::kQuantize) {
      refuse(fmt::format("between the sums and these codes stands the quantizer at \"{}\"",
                         node.keys[0].text()));
    }
    if (node.type == Node::Type::kQuantizeError) return;
    const layers::LayerType& type = *node.layer->type;
    if (!type.is_norm && !type.clamp && !type.acts_in_training_only) {
      refuse(
          fmt::format("\"{}\" ({}) is no sum, norm or clamp; expected a requantizer behind a "
                      "contraction, an add, a concat or an average pool, with norms and relu or "
                      "relu6 between at most",
                      node.name, type.name));
    }
    group.behind.push_back(&node);
  }

  void check_order(const Requantized& group) const {
    const Node* clamp = nullptr;
    for (const Node* node : group.behind) {
      if (node->layer->type->clamp) clamp = node;
      if (node->norm == nullptr || clamp == nullptr) continue;
      refuse(
          fmt::format("\"{}\" stands between the sums and the norm \"{}\"; expected the norm "
                      "first",
                      clamp->name, node->name));
    }
  }

  /// The layer whose values node number i hands on.
  [[nodiscard]] std::string name_of(int i) const {
    const Node& node = at(i);
    if (node.type == Node::Type::kInput) return "input";
    return node.type == Node::Type::kLayer ? node.layer->name : node.keys[0].layer;
  }

  void check_codes(const SiteQuantizer& site) const {
    if (!site.has_codes()) {
      refuse(fmt::format("quantizer \"{}\" at \"{}\" has no integer codes",
                         site.spec().quantizer.method->id, site.context().name));
    }
    constexpr std::uint32_t kMostGridBits = 23;  // codes up to 2^22 on either side of 0
    if (site.grid_bits() > kMostGridBits) {
      refuse(fmt::format(
          "quantizer \"{}\" at \"{}\" has codes of {} bits; expected at most {}, "
          "which are added exactly",
          site.spec().quantizer.method->id, site.context().name, site.grid_bits(), kMostGridBits));
    }
  }

  void check_start(const Node& start) const {
    for (const int i : start.inputs) {
      const Node& input = at(i);
      const bool is_read = start.weight != nullptr && input.type == Node::Type::kQuantize;
      if (is_read || input.grid != nullptr) {
        check_codes(is_read ? *input.site : *input.grid);
        continue;
      }
      const bool is_image = input.type == Node::Type::kInput;
      refuse(
          fmt::format("\"{}\" reads \"{}\", whose values are real: no rule puts a quantizer at "
                      "site {} of \"{}\" by the time this one acts",
                      start.name, name_of(i), is_image ? "input" : "output",
                      is_image ? start.name : name_of(i)));
    }
    if (start.weight == nullptr) {
      const bool is_mean = start.layer->type->of_codes == OfCodes::kMean;
      if (is_mean && layers::common_count(layers::pool_shape(*start.layer, 1)) == 0) {
        refuse(
            fmt::format("\"{}\" pads: the numbers of elements of its windows have no common "
                        "multiple up to 2^20",
                        start.name));
      }
      return;
    }
    if (start.weight->forward == nullptr) {
      refuse(
          fmt::format("the weights of \"{}\" are real: no rule puts a quantizer at site weight "
                      "of \"{}\" by the time this one acts",
                      start.name, start.name));
    }
    check_codes(*start.weight->forward);
  }

  void check_site() const {
    const sites::QuantizerSpec& spec = quantize_.site->spec();
    check_codes(*quantize_.site);
    const std::uint32_t rule = quantize_.site->rounding_rule();
    if (rule < QLOOM_ROUND_NEAREST_EVEN || rule > QLOOM_ROUND_TOWARD_POSITIVE) {
      throw InputError(
          fmt::format("{}: \"{}\" is no rounding of integer steps; "
                      "expected another rounding beside \"requantizer\"",
                      spec.rounding.where, spec.rounding.method->id));
    }
    const json::Json granularity = sites::granularity_of(spec.quantizer);
    if (granularity != "tensor") {
      throw InputError(
          fmt::format("{}{}/granularity: {} beside \"requantizer\"; expected \"tensor\"",
                      spec.quantizer.where, spec.quantizer.grid, granularity.dump()));
    }
  }

  const Node& quantize_;
  const Nodes& nodes_;
};

}  // namespace

std::unique_ptr<Requantized> requantized_group(const registry::Registry& registry,
                                               const Node& quantize, const Nodes& nodes) {
  auto group = Finder(quantize, nodes).find();
  const sites::SiteContext& context = quantize.site->context();
  const std::optional<qloom_site> record = context.record();
  group->method = methods::Requantizer(registry, quantize.site->spec().requantizer,
                                       record ? &*record : nullptr, context.name);
  return group;
}

}  // namespace qloom::network
