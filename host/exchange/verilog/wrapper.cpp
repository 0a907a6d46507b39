// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/exchange/verilog/wrapper.hpp"

#include <fmt/format.h>

#include "host/exchange/verilog/parameters.hpp"
#include "host/exchange/verilog/words.hpp"

namespace qloom::exchange::verilog {
namespace {

using program::Kind;
using program::Op;
using program::Tensor;

/// The generic module that works, its parameters by name from parameters.vh.
std::string instance(const std::string& module, const Parameters& parameters,
                     const std::string& ports) {
  std::string text = fmt::format("  {} #(\n", module);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    text += fmt::format("    .{0}({0}){1}\n", parameters[i].first,
                        i + 1 == parameters.size() ? "" : ",");
  }
  return text + fmt::format(
                    "  ) work (\n"
                    "    .clk(clk), .enable(enable), .valid(valid), {},\n"
                    "    .cycles(cycles), .done(done)\n"
                    "  );\n",
                    ports);
}

/// Prints what stands in a layer's module.
class Body {
 public:
  Body(const Design& design, const Layer& layer, const Requantizer& requantizer)
      : design_(design),
        layer_(layer),
        requantizer_(requantizer),
        parameters_(parameters_of(design, layer)) {}

  [[nodiscard]] std::string text() const {
    switch (layer_.op->kind) {
      case Kind::kConv:
      case Kind::kDense:
        return products();
      case Kind::kMap:
      case Kind::kJoin:
        return elements();
      case Kind::kSumPool:
      case Kind::kMaxPool:
        return stream("pool_layer", "VALUE_BITS");
      case Kind::kArgmax:
        return stream("argmax_layer", "33");
      case Kind::kConcat:
      case Kind::kReshape:
        break;
    }
    return {};
  }

 private:
  [[nodiscard]] std::string products() const {
    std::string text = "  wire [31:0] channel;\n  wire signed [SUM_BITS-1:0] sum;\n";
    text += instance("mac_layer", parameters_, ".channel(channel), .sum(sum)");
    text += comparison(layer_.op->output, "sum", "sum", "SUM_BITS");
    if (layer_.map == nullptr) return text + "  assign codes = 0;\n";
    text += fmt::format("  wire signed [{}:0] value0 = sum;\n", requantizer_.value_bits[0] - 1);
    return text + requantized(layer_.map->output);
  }

  [[nodiscard]] std::string elements() const {
    const Op& op = *layer_.op;
    std::string text = "  wire [31:0] index, channel;\n";
    text += instance("element_layer", parameters_, ".index(index), .channel(channel)");
    for (std::size_t i = 0; i < op.inputs.size(); ++i) {
      const program::Type type = design_.program.tensor(op.inputs[i]).type;
      text += fmt::format(
          "  wire signed [{0}:0] read{1};\n"
          "  source_words #(\n"
          "    .FILE({2}), .WORD_BITS({3}), .BITS({0}), .IS_SIGNED({4}), .COUNT(COUNT)\n"
          "  ) source{1} (.index(index), .value(read{1}));\n"
          "  wire signed [{5}:0] value{1} = read{1};\n",
          type.bits, i, path_of(layer_, input_file(op, i)), word_bits(type.bits),
          type.is_signed ? 1 : 0, requantizer_.value_bits[i] - 1);
    }
    return text + requantized(op.output) + "  assign sums = 0;\n";
  }

  /// Pools and argmax hand out their values themselves.
  [[nodiscard]] std::string stream(const std::string& module, const std::string& bits) const {
    return fmt::format("  wire signed [{}-1:0] value;\n", bits) +
           instance(module, parameters_, ".value(value)") +
           comparison(layer_.op->output, "code", "value", bits) + "  assign sums = 0;\n";
  }

  /// The requantizer between the wires value<n> and the codes of a tensor.
  [[nodiscard]] std::string requantized(int tensor) const {
    std::string ports = ".channel(channel)";
    for (std::size_t i = 0; i < requantizer_.value_bits.size(); ++i) {
      ports += fmt::format(", .value{0}(value{0})", i);
    }
    return fmt::format(
               "  wire signed [{}:0] code;\n"
               "  requantize_{} requantize ({}, .code(code));\n",
               requantizer_.code_bits - 1, layer_.identifier, ports) +
           comparison(tensor, "code", "code", std::to_string(requantizer_.code_bits));
  }

  [[nodiscard]] std::string comparison(int number, const std::string& what,
                                       const std::string& value, const std::string& bits) const {
    const Tensor& tensor = design_.program.tensor(number);
    const std::string file = what == "sum" ? "sums" : "output";
    return fmt::format(
        "  golden_words #(\n"
        "    .FILE({0}), .TRACE_FILE({12}), .LAYER(\"{1}\"), .WHAT(\"{2}\"),\n"
        "    .WORD_BITS({3}), .BITS({4}), .IS_SIGNED({5}), .VALUE_BITS({6}),\n"
        "    .COUNT({7}), .HEIGHT({8}), .WIDTH({9}), .CHANNELS({10})\n"
        "  ) compared_{2}s (.clk(clk), .valid(valid), .value({11}), .differing({2}s));\n",
        path_of(layer_, file + ".hex"), layer_.name, what, word_bits(tensor.type.bits),
        tensor.type.bits, tensor.type.is_signed ? 1 : 0, bits, design_.samples * tensor.size(),
        tensor.height, tensor.width, tensor.channels, value, path_of(layer_, file + ".txt"));
  }

  const Design& design_;
  const Layer& layer_;
  const Requantizer& requantizer_;
  Parameters parameters_;
};

}  // namespace

std::string input_file(const Op& op, std::size_t input) {
  return op.inputs.size() == 1 ? "input.hex" : fmt::format("input{}.hex", input);
}

std::vector<Text> wrapper_of(const Design& design, const Layer& layer,
                             const Requantizer& requantizer) {
  const std::string folder = fmt::format("layers/{}/", layer.name);
  const std::string text = fmt::format(
      "// Layer {0}: how many of its sums and codes differ from the golden words.\n"
      "module layer_{1} (\n"
      "  input wire clk,\n"
      "  input wire enable,\n"
      "  output wire done,\n"
      "  output wire [31:0] sums,\n"
      "  output wire [31:0] codes,\n"
      "  output wire [31:0] cycles\n"
      ");\n"
      "`include \"{2}parameters.vh\"\n"
      "  wire valid;\n{3}"
      "endmodule\n",
      layer.name, layer.identifier, folder, Body(design, layer, requantizer).text());
  return {{folder + "layer.v", text},
          {folder + "parameters.vh", parameters_text(layer, parameters_of(design, layer))}};
}

Compared compared_by(const Design& design, const Layer& layer) {
  const auto count = [&](const Op& op) {
    return design.samples * design.program.tensor(op.output).size();
  };
  if (!multiplies(layer)) return {.sums = 0, .codes = count(*layer.op)};
  return {.sums = count(*layer.op), .codes = layer.map == nullptr ? 0 : count(*layer.map)};
}

}  // namespace qloom::exchange::verilog
