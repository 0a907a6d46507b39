// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/exchange/verilog/budget.hpp"

#include <fmt/format.h>

namespace qloom::exchange::verilog {
namespace {

using program::Op;
using program::Tensor;

const char* const kColumns =
    "layer,op,map,recomputed,macs,lanes,cycles,weight_bits,constant_bits,input_bits,output_bits,"
    "input,weight,sum_needed,sum_register,overflow,steps,output\n";

std::int64_t bits_of(const Tensor& tensor) { return tensor.size() * tensor.type.bits; }

std::int64_t input_bits(const Design& design, const Op& op) {
  std::int64_t bits = 0;
  for (const int input : op.inputs) bits += bits_of(design.program.tensor(input));
  return bits;
}

std::string line_of(const Design& design, const Layer& layer, const Requantizer& requantizer) {
  const Op& op = *layer.op;
  const bool has_weights = multiplies(layer);
  const Tensor& out = design.program.tensor(layer.map != nullptr ? layer.map->output : op.output);
  const std::string sums =
      has_weights ? fmt::format("{},{},{}", op.sum.needed, op.sum.bits, name_of(op.sum.overflow))
                  : ",,";
  return fmt::format(
      "{},{},{},yes,{},{},{},{},{},{},{},{},{},{},{},{}\n", op.name, name_of(op.kind),
      layer.map != nullptr ? layer.map->name : "", products_of(layer),
      has_weights ? std::to_string(design.lanes) : "", cycles_of(design, layer),
      static_cast<std::int64_t>(op.weights.size()) * (has_weights ? op.weight_type.bits : 0),
      requantizer.constant_bits, input_bits(design, op), bits_of(out),
      design.input(layer).type.text(), has_weights ? op.weight_type.text() : "", sums,
      fmt::join(requantizer.step_bits, " "), out.type.text());
}

}  // namespace

std::string budget_text(const Design& design, const std::vector<Requantizer>& requantizers) {
  std::string text = kColumns;
  for (std::size_t i = 0; i < design.layers.size(); ++i) {
    text += line_of(design, design.layers[i], requantizers[i]);
  }
  for (const Op& op : design.program.ops) {
    if (!moves_data_only(op.kind)) continue;
    const Tensor& out = design.program.tensor(op.output);
    text +=
        fmt::format("{},{},,moves data only,0,,0,0,0,{},{},{},,,,,,{}\n", op.name, name_of(op.kind),
                    input_bits(design, op), bits_of(out), out.type.text(), out.type.text());
  }
  return text;
}

}  // namespace qloom::exchange::verilog
