// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/compile/codes.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "host/compile/tensors.hpp"

namespace qloom::compile {
namespace {

using layers::OfCodes;
using program::Kind;
using program::Op;

/// The first input that differs from the first in scale, zero point or type; null: none does.
const program::Tensor* other_grid(const Draft& draft, const std::vector<int>& inputs) {
  const program::Tensor& first = draft.tensor(inputs[0]);
  for (const int i : inputs) {
    const program::Tensor& x = draft.tensor(i);
    if (x.scale != first.scale || x.zero_point != first.zero_point || x.type != first.type) {
      return &x;
    }
  }
  return nullptr;
}

Interval reach_of(const program::Tensor& x) {
  const Interval codes = x.type.values();
  return {codes.lo - x.zero_point, codes.hi - x.zero_point};
}

/// A rule that gives an add integers whatever its inputs' scales are.
std::string join_rule(const std::string& layer) {
  return fmt::format(
      R"({{"site": "output", "layers": ["{}"], "quantizer": {{"plugin": "affine", "bits": 8}}, )"
      R"("requantizer": {{"plugin": "multiplier"}}}})",
      layer);
}

}  // namespace

int add_chosen(Draft& draft, const Node& node, const std::vector<int>& inputs) {
  const OfCodes of_codes = node.layer->type->of_codes;
  Op op;
  op.name = node.layer->name;
  op.inputs = inputs;
  op.kind = of_codes == OfCodes::kChosen  ? Kind::kMaxPool
            : of_codes == OfCodes::kMoved ? Kind::kReshape
                                          : Kind::kConcat;
  if (op.kind == Kind::kMaxPool) op.window = window_of(*node.layer);
  const program::Tensor& first = draft.tensor(inputs[0]);
  if (const program::Tensor* other = other_grid(draft, inputs)) {
    draft.refuse(
        {node.name,
         fmt::format("puts codes of \"{}\" ({}, zero point {}) beside those of \"{}\" ({}, "
                     "zero point {}): they are no codes of one grid",
                     first.name, first.type.text(), first.zero_point, other->name,
                     other->type.text(), other->zero_point),
         {}});
    return -1;
  }
  program::Tensor tensor = tensor_of(node.layer->name, node.out_shape, first.type);
  tensor.zero_point = first.zero_point;
  tensor.scale = first.scale;
  return draft.add(std::move(op), std::move(tensor), {Source::What::kHanded, &node, nullptr});
}

int add_sums(Draft& draft, const Node& node, const std::vector<int>& inputs) {
  const layers::Layer& layer = *node.layer;
  const bool is_mean = layer.type->of_codes == OfCodes::kMean;
  const program::Tensor& first = draft.tensor(inputs[0]);
  if (is_mean && (layer.pad_top | layer.pad_bottom | layer.pad_left | layer.pad_right) != 0) {
    draft.refuse({node.name, "pads: its windows at the edges have fewer elements", {}});
    return -1;
  }
  if (!is_mean && node.sums.empty()) {
    draft.refuse({node.name,
                  fmt::format("adds codes of \"{}\" at scale {} and of \"{}\" at scale {}",
                              first.name, first.scale.at(0), draft.tensor(inputs[1]).name,
                              draft.tensor(inputs[1]).scale.at(0)),
                  join_rule(layer.name)});
    return -1;
  }
  const std::int64_t count = is_mean ? layer.kernel_h * layer.kernel_w : 1;
  Interval reach{0, 0};
  for (const int i : inputs) {
    const Interval x = reach_of(draft.tensor(i));
    reach = {reach.lo + count * x.lo, reach.hi + count * x.hi};
  }
  Op op;
  op.name = layer.name;
  op.inputs = inputs;
  op.kind = is_mean ? Kind::kSumPool : Kind::kJoin;
  if (is_mean) op.window = window_of(layer);
  if (!is_mean) op.input_steps.resize(inputs.size());
  const Interval with_sign{std::min<std::int64_t>(reach.lo, -1), reach.hi};
  program::Tensor tensor =
      tensor_of(layer.name + ".sum", node.out_shape, program::type_of(with_sign));
  tensor.scale = {first.scale.at(0) / static_cast<double>(count)};
  const int sums =
      draft.add(std::move(op), std::move(tensor), {Source::What::kOwnSums, &node, nullptr});
  const auto channels = static_cast<std::size_t>(node.out_shape.channels);
  draft.set_ranges(sums, std::vector<Interval>(channels, reach));
  return sums;
}

int add_requantized(Draft& draft, const Node& quantize, const std::string& name,
                    const std::vector<int>& inputs) {
  const network::Requantized& group = *quantize.requantized;
  Op op;
  op.inputs = inputs;
  op.steps = group.steps.behind;
  if (!group.steps.before.empty()) {
    op.kind = Kind::kJoin;
    op.input_steps = group.steps.before;
  } else {
    op.kind = Kind::kMap;
  }
  Finding finding;
  finding.requantizer = quantize.site->spec().requantizer.method->id;
  finding.is_simulated = true;
  return draft.add(std::move(op), code_tensor_of(name, quantize.out_shape, *quantize.site),
                   {Source::What::kHanded, &quantize, quantize.site.get()}, finding);
}

}  // namespace qloom::compile
