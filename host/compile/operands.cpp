// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/compile/operands.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "host/compile/register.hpp"

namespace qloom::compile {
namespace {

/// Why the values of a quantize node came without codes.
std::string uncoded(const SiteQuantizer& site) {
  const std::string& id = site.spec().quantizer.method->id;
  const qloom_encoding encoding = site.encoding();
  if (!site.has_codes()) return fmt::format("quantizer \"{}\" has no integer codes", id);
  if (encoding.kind != QLOOM_ENCODING_AFFINE) {
    return fmt::format("codes of \"{}\" do not stand for equally spaced numbers", id);
  }
  if (encoding.grid.offset != nullptr) {
    return fmt::format("codes of \"{}\" have an offset that is no number of half steps", id);
  }
  if (encoding.groups > 1) {
    return fmt::format("\"{}\" has {} scales, one after the other along the sum", id,
                       encoding.groups);
  }
  return fmt::format("codes of \"{}\" are too wide for exact sums", id);
}

/// Would its codes be added exactly, if there were no others beside them?
bool has_whole_codes(const SiteQuantizer& site) {
  constexpr std::uint32_t kMostCodeBits = 23;
  const qloom_encoding e = site.encoding();
  return site.has_codes() && e.kind == QLOOM_ENCODING_AFFINE && e.groups == 1 &&
         e.grid.offset == nullptr && site.grid_bits() <= kMostCodeBits;
}

bool is_of_one_scale(const contraction::Operand& x) { return x.codes && x.scale_count == 1; }

void check_input(const Node& node, const Node& from, std::vector<Refusal>& refusals) {
  const std::string& layer = node.layer->name;
  const bool is_quantized = from.type == Node::Type::kQuantize;
  const SiteQuantizer* const site = is_quantized ? from.site.get() : from.grid;
  if (site == nullptr) {
    const char* name = from.type == Node::Type::kInput ? "input" : "activation";
    refusals.push_back(
        {layer, fmt::format("reads real values: no rule at site {}", name), rule_for(name, layer)});
  } else if (!is_quantized && has_whole_codes(*site) && !is_of_one_scale(node.input_operand)) {
    refusals.push_back({layer,
                        fmt::format("its input: codes of several scales lie side by side in \"{}\"",
                                    from.layer->name),
                        rule_for("output", from.layer->name)});
  } else if (!node.input_operand.codes) {
    refusals.push_back({layer, "its input: " + uncoded(*site), {}});
  } else if (node.input_operand.scale_count != 1) {
    refusals.push_back({layer, "its input has several scales along the sum", {}});
  }
}

void check_weights(const Node& node, bool makes_logits, std::vector<Refusal>& refusals) {
  if (node.weight_operand.codes || (node.planes && node.planes->are_there)) return;
  const std::string& layer = node.layer->name;
  const network::Parameter& weight = *node.weight;
  if (weight.forward == nullptr) {
    refusals.push_back(
        {layer, "weights are real: no rule at site weight", rule_for("weight", layer)});
  } else if (!weight.shadow.empty()) {
    refusals.push_back({layer, "weights are real: evaluation uses averaged ones", {}});
  } else if (network::is_of_planes(weight.forward->encoding(),
                                   static_cast<std::uint64_t>(node.out_shape.channels))) {
    refusals.push_back(planes_refusal(layer, makes_logits));
  } else {
    refusals.push_back({layer, "its weights: " + uncoded(*weight.forward), {}});
  }
}

/// Is what stands at padded places the value of a code?
bool pads_with_code(const contraction::Operand& x) {
  if (x.pad == 0) return true;
  const double code = double{x.pad} / double{*x.scale};
  return code == static_cast<double>(static_cast<std::int64_t>(code));
}

template <class T>
bool all_equal(const T* values, std::uint64_t count) {
  return std::all_of(values, values + count, [&](T v) { return v == values[0]; });
}

}  // namespace

std::string rule_for(const std::string& site, const std::string& layer) {
  return fmt::format(
      R"({{"site": "{}", "layers": ["{}"], "quantizer": {{"plugin": "affine", "bits": 8}}}})", site,
      layer);
}

Refusal planes_refusal(const std::string& layer, bool makes_logits) {
  return {layer,
          "its weights are -n, 0 and p: two sums, which a requantizer joins and thresholds do not",
          fmt::format(R"({{"site": "{}", "layers": ["{}"], "quantizer": {{"plugin": "affine", )"
                      R"("bits": 8}}, "requantizer": {{"plugin": "multiplier"}}}})",
                      makes_logits ? "logits" : "output", layer)};
}

std::vector<Refusal> refusals_at(const Node& contraction, const Node& from,
                                 const contraction::AccumulatorRef& accumulator,
                                 bool makes_logits) {
  std::vector<Refusal> refusals;
  check_input(contraction, from, refusals);
  check_weights(contraction, makes_logits, refusals);
  const std::string& layer = contraction.layer->name;
  if (is_modelled(accumulator) &&
      !register_of(accumulator,
                   contraction.layer->type->contraction(*contraction.layer, 1).fan_in())) {
    refusals.push_back({layer,
                        "its accumulator is no register that wraps or saturates after each product",
                        fmt::format(R"({{"site": "accumulator.forward", "layers": ["{}"], )"
                                    R"("accumulator": null}})",
                                    layer)});
  }
  if (contraction.input_operand.codes &&
      contraction.layer->type->contraction(*contraction.layer, 1).pads() &&
      !pads_with_code(contraction.input_operand)) {
    refusals.push_back(
        {layer,
         fmt::format("pads with {}, which is the value of no code", contraction.input_operand.pad),
         {}});
  }
  return refusals;
}

std::string fault_of(SiteQuantizer& site, const network::Phase& phase) {
  if (!site.is_coded()) return uncoded(site);
  if (site.spec().is_dynamic || site.is_per_sample() || site.follows_tensor(phase)) {
    return fmt::format("the scale of \"{}\" follows each tensor", site.spec().quantizer.method->id);
  }
  if (site.rounds_at_random()) {
    return fmt::format(
        "\"{}\" rounds at random in evaluation; \"when\": \"training\" keeps it to "
        "training",
        site.spec().quantizer.method->id);
  }
  const qloom_encoding e = site.encoding();
  const bool has_one_offset = e.grid.offset == nullptr || all_equal(e.grid.offset, e.groups);
  if (!all_equal(e.grid.scale, e.groups) || !all_equal(e.grid.zero_point, e.groups) ||
      !has_one_offset) {
    return fmt::format("\"{}\" has {} scales and zero points", site.spec().quantizer.method->id,
                       e.groups);
  }
  return {};
}

CodeSpace code_space_of(const SiteQuantizer& site) {
  const qloom_encoding e = site.encoding();
  const sites::Coding& coding = site.coding();
  return {{coding.step() * *std::min_element(e.grid.code_min, e.grid.code_min + e.groups),
           coding.step() * *std::max_element(e.grid.code_max, e.grid.code_max + e.groups)},
          coding.zero(),
          double{coding.scale()}};
}

}  // namespace qloom::compile
