// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/compile/contractions.hpp"

#include <array>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "host/compile/register.hpp"
#include "host/compile/tensors.hpp"

namespace qloom::compile {
namespace {

using program::Kind;
using program::Op;

constexpr std::array<const char*, network::WeightPlanes::kCount> kPlaneNames{".positive",
                                                                             ".negative"};

/// The code that stands at padded places; false, refused, where it is none of the input's.
bool take_pad(Draft& draft, const Node& node, std::int64_t zero_point, Interval codes, Op& op) {
  const contraction::Operand& x = node.input_operand;
  const auto pad = static_cast<std::int64_t>(double{x.pad} / double{*x.scale});
  op.pad = zero_point + pad;
  if (!op.window.pads() || (pad >= codes.lo && pad <= codes.hi)) return true;
  draft.refuse({node.layer->name,
                fmt::format("pads with {}, which its input's codes do not reach", x.pad),
                {}});
  return false;
}

}  // namespace

int add_products(Draft& draft, const Node& node, int input,
                 const contraction::AccumulatorRef& accumulator, std::optional<std::size_t> plane) {
  const contraction::Operand& weights =
      plane ? node.planes->weights.at(*plane) : node.weight_operand;
  Op op;
  op.name = node.layer->name + (plane ? kPlaneNames.at(*plane) : "");
  op.inputs = {input};
  op.window = node.layer->type->contraction(*node.layer, 1);
  const bool is_dense =
      op.window.in_h * op.window.in_w == 1 && !op.window.pads() && op.window.groups == 1;
  op.kind = is_dense ? Kind::kDense : Kind::kConv;
  take_weights(weights, op);
  const program::Tensor& x = draft.tensor(input);
  const Interval codes{x.type.values().lo - x.zero_point, x.type.values().hi - x.zero_point};
  if (op.kind == Kind::kConv && !take_pad(draft, node, x.zero_point, codes, op)) return -1;
  auto sums = program::sums_of(op, codes);
  Interval all{0, 0};
  for (const Interval& sum : sums) all = steps::join(all, sum);
  if (!take_register(draft, all, accumulator, op)) return -1;
  for (Interval& sum : sums) sum = held(op.sum, sum);
  program::Tensor tensor = sum_tensor_of(node, weights, held(op.sum, all));
  tensor.name = op.name + ".sum";
  const auto what = plane ? Source::What::kPlane : Source::What::kSums;
  const int made =
      draft.add(std::move(op), std::move(tensor), {what, &node, nullptr, {}, plane.value_or(0)});
  draft.set_ranges(made, std::move(sums));
  return made;
}

}  // namespace qloom::compile
