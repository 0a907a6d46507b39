// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/exchange/verilog/layer.hpp"

#include <algorithm>
#include <cctype>
#include <set>

namespace qloom::exchange::verilog {
namespace {

using program::Kind;
using program::Op;
using program::Program;

/// The map that alone reads the tensor, or none.
const Op* only_map(const Program& program, int tensor) {
  const Op* reader = nullptr;
  for (const Op& op : program.ops) {
    if (std::find(op.inputs.begin(), op.inputs.end(), tensor) == op.inputs.end()) continue;
    if (reader != nullptr || op.kind != Kind::kMap) return nullptr;
    reader = &op;
  }
  return reader;
}

/// Letters, digits and "_", not taken before.
std::string identifier_of(const std::string& name, std::set<std::string>& taken) {
  std::string identifier = name;
  std::replace_if(
      identifier.begin(), identifier.end(), [](unsigned char c) { return std::isalnum(c) == 0; },
      '_');
  while (!taken.insert(identifier).second) identifier += '_';
  return identifier;
}

}  // namespace

bool moves_data_only(Kind kind) { return kind == Kind::kConcat || kind == Kind::kReshape; }

bool multiplies(const Layer& layer) {
  return layer.op->kind == Kind::kConv || layer.op->kind == Kind::kDense;
}

Design design_of(const Program& program, std::int64_t samples, std::int64_t lanes) {
  Design design{.program = program,
                .ranges = program::ranges_of(program),
                .layers = {},
                .samples = samples,
                .lanes = lanes};
  std::set<const Op*> taken;  // maps that are part of a layer
  std::set<std::string> identifiers;
  for (const Op& op : program.ops) {
    if (moves_data_only(op.kind) || taken.count(&op) != 0) continue;
    Layer layer{.name = op.name, .identifier = identifier_of(op.name, identifiers), .op = &op};
    if (multiplies(layer)) layer.map = only_map(program, op.output);
    if (layer.map != nullptr) taken.insert(layer.map);
    design.layers.push_back(layer);
  }
  return design;
}

std::int64_t words_per_sum(const Design& design, const Layer& layer) {
  return (layer.op->window.fan_in() + design.lanes - 1) / design.lanes;
}

std::int64_t cycles_of(const Design& design, const Layer& layer) {
  const Op& op = *layer.op;
  const std::int64_t outputs = design.program.tensor(op.output).size();
  switch (op.kind) {
    case Kind::kConv:
    case Kind::kDense:
      return outputs * words_per_sum(design, layer);
    case Kind::kSumPool:
    case Kind::kMaxPool:
      return outputs * op.window.kernel_h * op.window.kernel_w;
    case Kind::kArgmax:
      return design.input(layer).size();
    case Kind::kMap:
    case Kind::kJoin:
      return outputs;
    case Kind::kConcat:
    case Kind::kReshape:
      break;
  }
  return 0;
}

std::int64_t products_of(const Layer& layer) {
  return multiplies(layer) ? layer.op->window.y_size() * layer.op->window.fan_in() : 0;
}

int signed_bits(program::Interval values) {
  return steps::bits_of({std::min<std::int64_t>(values.lo, -1), values.hi});
}

program::Interval without_zero_point(const program::Tensor& tensor, program::Interval values) {
  return {values.lo - tensor.zero_point, values.hi - tensor.zero_point};
}

}  // namespace qloom::exchange::verilog
