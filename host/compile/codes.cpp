// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/compile/codes.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "host/compile/register.hpp"
#include "host/compile/tensors.hpp"
#include "host/layers/common/pool.hpp"

namespace qloom::compile {
namespace {

using layers::OfCodes;
using program::Kind;
using program::Op;

Interval reach_of(const program::Tensor& x) {
  const Interval codes = x.type.values();
  return {codes.lo - x.zero_point, codes.hi - x.zero_point};
}

std::string scale_text(const program::Tensor& x) {
  if (x.scale.size() == 1) return fmt::format("{}", x.scale[0]);
  return fmt::format("{}, {}, ...", x.scale[0], x.scale.back());
}

/// A rule that gives an add integers whatever its inputs' scales are.
std::string join_rule(const std::string& layer) {
  return fmt::format(
      R"({{"site": "output", "layers": ["{}"], "quantizer": {{"plugin": "affine", "bits": 8}}, )"
      R"("requantizer": {{"plugin": "multiplier"}}}})",
      layer);
}

/// The scale of each channel of inputs that lie side by side, or one that all have.
std::vector<double> scales_beside(const Draft& draft, const std::vector<int>& inputs) {
  std::vector<double> scales;
  for (const int i : inputs) {
    const program::Tensor& x = draft.tensor(i);
    for (std::size_t c = 0; c < static_cast<std::size_t>(x.channels); ++c) {
      scales.push_back(x.scale[x.scale.size() == 1 ? 0 : c]);
    }
  }
  const bool is_one =
      std::all_of(scales.begin(), scales.end(), [&](double s) { return s == scales[0]; });
  if (is_one) scales.resize(1);
  return scales;
}

/// Codes of one type, so that they can lie side by side: as they are where they have one, else less
/// their zero points.
std::vector<int> aligned(Draft& draft, const Node& node, const std::vector<int>& inputs,
                         const std::vector<const Node*>& makers) {
  const program::Tensor& first = draft.tensor(inputs[0]);
  const bool is_one = std::all_of(inputs.begin(), inputs.end(), [&](int i) {
    const program::Tensor& x = draft.tensor(i);
    return x.type == first.type && x.zero_point == first.zero_point;
  });
  if (is_one) return inputs;
  Interval reach{0, 0};
  for (const int i : inputs) reach = steps::join(reach, reach_of(draft.tensor(i)));
  std::vector<int> same;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    program::Tensor tensor = draft.tensor(inputs[k]);
    Op map;
    map.kind = Kind::kMap;
    map.inputs = {inputs[k]};
    map.steps = {{steps::Op::kAdd, steps::Rounding::kTowardNegative, {-tensor.zero_point}, 1}};
    tensor.name = node.layer->name + "." + tensor.name;
    tensor.type = program::type_of(reach);
    tensor.zero_point = 0;
    same.push_back(
        draft.add(std::move(map), std::move(tensor), {Source::What::kHanded, makers[k], nullptr}));
  }
  return same;
}

/// The scales of a tensor whose elements have been moved into this many channels.
std::vector<double> moved_scales(const program::Tensor& from, std::int64_t channels) {
  if (from.scale.size() == 1 || channels == from.channels) return from.scale;
  std::vector<double> scales;
  for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c) {
    scales.push_back(from.scale[c % from.scale.size()]);
  }
  return scales;
}

}  // namespace

int add_chosen(Draft& draft, const Node& node, const std::vector<int>& inputs,
               const std::vector<const Node*>& makers) {
  const OfCodes of_codes = node.layer->type->of_codes;
  Op op;
  op.name = node.layer->name;
  op.inputs = of_codes == OfCodes::kBeside ? aligned(draft, node, inputs, makers) : inputs;
  op.kind = of_codes == OfCodes::kChosen  ? Kind::kMaxPool
            : of_codes == OfCodes::kMoved ? Kind::kReshape
                                          : Kind::kConcat;
  if (op.kind == Kind::kMaxPool) op.window = window_of(*node.layer);
  const program::Tensor& first = draft.tensor(op.inputs[0]);
  program::Tensor tensor = tensor_of(node.layer->name, node.out_shape, first.type);
  tensor.zero_point = first.zero_point;
  tensor.scale = of_codes == OfCodes::kBeside ? scales_beside(draft, inputs)
                                              : moved_scales(first, tensor.channels);
  return draft.add(std::move(op), std::move(tensor), {Source::What::kHanded, &node, nullptr});
}

namespace {

/// The sums of a pool's windows that pad, each for its own number of elements: a convolution by
/// ones, whose padding is 0.
int add_window_sums(Draft& draft, const Node& node, int input) {
  const program::Tensor& x = draft.tensor(input);
  Op op;
  op.name = node.layer->name;
  op.inputs = {input};
  op.kind = Kind::kConv;
  op.window = window_of(*node.layer);
  op.pad = x.zero_point;
  op.weights.assign(static_cast<std::size_t>(op.window.w_size()), 1);
  op.weight_type = {true, 2};
  const std::vector<Interval> sums = program::sums_of(op, reach_of(x));
  if (!take_register(draft, sums[0], {}, op)) return -1;
  const Interval with_sign{std::min<std::int64_t>(sums[0].lo, -1), sums[0].hi};
  program::Tensor tensor =
      tensor_of(node.layer->name + ".windows", node.out_shape, program::type_of(with_sign));
  return draft.add(std::move(op), std::move(tensor), {Source::What::kWindows, &node, nullptr});
}

/// The elements in one row of channels, or back in the shape of the node.
int add_reshaped(Draft& draft, const Node& node, int input, bool is_flat, const std::string& name,
                 Source::What what) {
  Op op;
  op.kind = Kind::kReshape;
  op.inputs = {input};
  layers::SampleShape shape = node.out_shape;
  if (is_flat) shape = {1, 1, shape.size()};
  return draft.add(std::move(op), tensor_of(name, shape, draft.tensor(input).type),
                   {what, &node, nullptr});
}

/// The same for one number of elements: each window's times a factor of its own.
int add_common_sums(Draft& draft, const Node& node, int windows) {
  constexpr std::int64_t kMostOfTensor = 262144;  // of a tensor (docs/program.md)
  const std::string& name = node.layer->name;
  if (node.out_shape.size() > kMostOfTensor) {
    draft.refuse({name,
                  fmt::format("pads, and its {} elements, each with a factor of its own, are more "
                              "than {}",
                              node.out_shape.size(), kMostOfTensor),
                  {}});
    return -1;
  }
  const int flat = add_reshaped(draft, node, windows, true, name + ".flat", Source::What::kWindows);
  const std::vector<std::int64_t> multiples =
      layers::window_multiples(layers::pool_shape(*node.layer, 1));
  Op map;
  map.kind = Kind::kMap;
  map.inputs = {flat};
  steps::Step multiply{steps::Op::kMultiply, steps::Rounding::kTowardNegative, {}, 1};
  for (const std::int64_t multiple : multiples) {
    multiply.constants.insert(multiply.constants.end(),
                              static_cast<std::size_t>(node.out_shape.channels), multiple);
  }
  const std::int64_t most = *std::max_element(multiples.begin(), multiples.end());
  const Interval all = draft.tensor(flat).type.values();
  map.steps = {std::move(multiply)};
  const int scaled = draft.add(std::move(map),
                               tensor_of(name + ".scaled", {1, 1, node.out_shape.size()},
                                         program::type_of({all.lo * most, all.hi * most})),
                               {Source::What::kOwnSums, &node, nullptr});
  return add_reshaped(draft, node, scaled, false, name + ".sum", Source::What::kOwnSums);
}

}  // namespace

int add_mean(Draft& draft, const Node& node, int input) {
  const layers::Layer& layer = *node.layer;
  const std::int64_t count = layers::common_count(layers::pool_shape(layer, 1));
  if (count == 0) {
    draft.refuse({layer.name,
                  "pads: the numbers of elements of its windows have no common multiple up to 2^20",
                  {}});
    return -1;
  }
  const program::Tensor x = draft.tensor(input);
  const Interval codes = reach_of(x), reach{count * codes.lo, count * codes.hi};
  int sums = -1;
  if (window_of(layer).pads()) {
    sums = add_window_sums(draft, node, input);
    if (sums >= 0) sums = add_common_sums(draft, node, sums);
    if (sums < 0) return -1;
  } else {
    Op op;
    op.name = layer.name;
    op.inputs = {input};
    op.kind = Kind::kSumPool;
    op.window = window_of(layer);
    const Interval with_sign{std::min<std::int64_t>(reach.lo, -1), reach.hi};
    sums = draft.add(std::move(op),
                     tensor_of(layer.name + ".sum", node.out_shape, program::type_of(with_sign)),
                     {Source::What::kOwnSums, &node, nullptr});
  }
  std::vector<double> scale = x.scale;
  for (double& s : scale) s /= static_cast<double>(count);
  draft.set_scale(sums, std::move(scale));
  const auto channels = static_cast<std::size_t>(node.out_shape.channels);
  draft.set_ranges(sums, std::vector<Interval>(channels, reach));
  return sums;
}

int add_sums(Draft& draft, const Node& node, const std::vector<int>& inputs) {
  const layers::Layer& layer = *node.layer;
  const program::Tensor& first = draft.tensor(inputs[0]);
  if (node.sums.empty()) {
    draft.refuse({node.name,
                  fmt::format("adds codes of \"{}\" at scale {} and of \"{}\" at scale {}",
                              first.name, scale_text(first), draft.tensor(inputs[1]).name,
                              scale_text(draft.tensor(inputs[1]))),
                  join_rule(layer.name)});
    return -1;
  }
  Interval reach{0, 0};
  for (const int i : inputs) {
    const Interval x = reach_of(draft.tensor(i));
    reach = {reach.lo + x.lo, reach.hi + x.hi};
  }
  Op op;
  op.name = layer.name;
  op.inputs = inputs;
  op.kind = Kind::kJoin;
  op.input_steps.resize(inputs.size());
  const Interval with_sign{std::min<std::int64_t>(reach.lo, -1), reach.hi};
  program::Tensor tensor =
      tensor_of(layer.name + ".sum", node.out_shape, program::type_of(with_sign));
  tensor.scale = {first.scale.at(0)};
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
    const std::int64_t zero = draft.tensor(inputs[0]).zero_point;  // of codes side by side
    if (zero != 0) {
      op.steps.insert(op.steps.begin(),
                      {steps::Op::kAdd, steps::Rounding::kTowardNegative, {-zero}, 1});
    }
  }
  Finding finding;
  finding.requantizer = quantize.site->spec().requantizer.method->id;
  finding.is_simulated = true;
  return draft.add(std::move(op), code_tensor_of(name, quantize.out_shape, *quantize.site),
                   {Source::What::kHanded, &quantize, quantize.site.get()}, finding);
}

}  // namespace qloom::compile
