// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/exchange/verilog/parameters.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "host/exchange/verilog/words.hpp"

namespace qloom::exchange::verilog {
namespace {

using program::Kind;
using program::Op;
using program::Tensor;

void put(Parameters& parameters, const std::string& name, std::int64_t value) {
  parameters.emplace_back(name, std::to_string(value));
}

/// What the memory of an input needs, its names beginning with `prefix`.
void put_tensor(Parameters& parameters, const std::string& prefix, const Tensor& tensor) {
  put(parameters, prefix + "WORD_BITS", word_bits(tensor.type.bits));
  put(parameters, prefix + "BITS", tensor.type.bits);
  put(parameters, prefix + "SIGNED", tensor.type.is_signed ? 1 : 0);
}

/// Shapes of input and output, and the window between them.
void put_window(Parameters& parameters, const Op& op) {
  const program::ContractionShape& s = op.window;
  put(parameters, "IN_H", s.in_h);
  put(parameters, "IN_W", s.in_w);
  put(parameters, "OUT_H", s.out_h());
  put(parameters, "OUT_W", s.out_w());
  put(parameters, "KERNEL_H", s.kernel_h);
  put(parameters, "KERNEL_W", s.kernel_w);
  put(parameters, "STRIDE_H", s.stride_h);
  put(parameters, "STRIDE_W", s.stride_w);
  put(parameters, "PAD_TOP", s.pad_top);
  put(parameters, "PAD_LEFT", s.pad_left);
  put(parameters, "DILATION_H", s.dilation_h);
  put(parameters, "DILATION_W", s.dilation_w);
}

/// Values of code - zero point, what is padded included.
program::Interval terms_of(const Design& design, const Layer& layer) {
  const Tensor& in = design.input(layer);
  program::Interval codes = in.type.values();
  if (layer.op->window.pads()) codes = steps::join(codes, {layer.op->pad, layer.op->pad});
  return without_zero_point(in, codes);
}

Parameters product_parameters(const Design& design, const Layer& layer) {
  const Op& op = *layer.op;
  const Tensor& in = design.input(layer);
  const int terms = signed_bits(terms_of(design, layer));
  Parameters parameters{{"INPUT_FILE", path_of(layer, "input.hex")},
                        {"WEIGHT_FILE", path_of(layer, "weights.hex")}};
  put(parameters, "SAMPLES", design.samples);
  put_window(parameters, op);
  put(parameters, "IN_C", op.window.in_c);
  put(parameters, "OUT_C", op.window.out_c);
  put(parameters, "GROUPS", op.window.groups);
  put(parameters, "LANES", design.lanes);
  put_tensor(parameters, "IN_", in);
  parameters.emplace_back("ZERO_POINT", literal(in.zero_point, 64));
  parameters.emplace_back("PAD", literal(op.window.pads() ? op.pad : 0, 64));
  put(parameters, "TERM_BITS", terms);
  put(parameters, "WEIGHT_WORD_BITS", word_bits(design.lanes * op.weight_type.bits));
  put(parameters, "WEIGHT_BITS", op.weight_type.bits);
  put(parameters, "WEIGHT_SIGNED", op.weight_type.is_signed ? 1 : 0);
  put(parameters, "SUM_BITS", op.sum.bits);
  put(parameters, "OVERFLOW", static_cast<int>(op.sum.overflow));
  put(parameters, "WIDE_BITS", std::max(op.sum.bits, terms + op.weight_type.bits + 1) + 1);
  return parameters;
}

/// The register of a pool holds its sums and its input's codes.
int pool_bits(const Design& design, const Layer& layer) {
  const Tensor& out = design.program.tensor(layer.op->output);
  return signed_bits(steps::join(out.type.values(), design.input(layer).type.values()));
}

Parameters pool_parameters(const Design& design, const Layer& layer) {
  const Tensor& in = design.input(layer);
  Parameters parameters{{"INPUT_FILE", path_of(layer, "input.hex")}};
  put(parameters, "IS_MAX", layer.op->kind == Kind::kMaxPool ? 1 : 0);
  put(parameters, "SAMPLES", design.samples);
  put_window(parameters, *layer.op);
  put(parameters, "CHANNELS", in.channels);
  put_tensor(parameters, "IN_", in);
  parameters.emplace_back("ZERO_POINT", literal(in.zero_point, 64));
  put(parameters, "VALUE_BITS", pool_bits(design, layer));
  return parameters;
}

Parameters argmax_parameters(const Design& design, const Layer& layer) {
  Parameters parameters{{"FILE", path_of(layer, "input.hex")}};
  put(parameters, "SAMPLES", design.samples);
  put(parameters, "SIZE", design.input(layer).size());
  put_tensor(parameters, "IN_", design.input(layer));
  return parameters;
}

Parameters element_parameters(const Design& design, const Layer& layer) {
  const Tensor& out = design.program.tensor(layer.op->output);
  Parameters parameters;
  put(parameters, "COUNT", design.samples * out.size());
  put(parameters, "CHANNELS", out.channels);
  return parameters;
}

}  // namespace

std::string path_of(const Layer& layer, const std::string& file) {
  return fmt::format("\"layers/{}/{}\"", layer.name, file);
}

Parameters parameters_of(const Design& design, const Layer& layer) {
  switch (layer.op->kind) {
    case Kind::kConv:
    case Kind::kDense:
      return product_parameters(design, layer);
    case Kind::kSumPool:
    case Kind::kMaxPool:
      return pool_parameters(design, layer);
    case Kind::kArgmax:
      return argmax_parameters(design, layer);
    case Kind::kMap:
    case Kind::kJoin:
      return element_parameters(design, layer);
    case Kind::kConcat:
    case Kind::kReshape:
      break;
  }
  return {};
}

std::string parameters_text(const Layer& layer, const Parameters& parameters) {
  std::string text = fmt::format("// Parameters of layer {}.\n", layer.name);
  for (const auto& [name, value] : parameters) {
    text += fmt::format("localparam {} = {};\n", name, value);
  }
  return text;
}

}  // namespace qloom::exchange::verilog
