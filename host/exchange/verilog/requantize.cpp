// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/exchange/verilog/requantize.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "host/exchange/verilog/step.hpp"
#include "host/exchange/verilog/words.hpp"

namespace qloom::exchange::verilog {
namespace {

using program::Interval;
using program::Kind;
using program::Range;
using steps::Chain;
using steps::Step;

Interval of_channel(const Range& range, std::size_t channel) {
  return range[range.size() == 1 ? 0 : channel];
}

/// Prints chains one after the other and knows what their values can be.
class Printer {
 public:
  Printer(const Layer& layer, std::int64_t channels) : layer_(layer), channels_(channels) {}

  /// The steps behind the wire <prefix>v0, whose values are given; theirs come back.
  Range print(const Chain& chain, const std::string& prefix, Range values) {
    int bits = signed_bits(program::whole(values));
    for (std::size_t i = 0; i < chain.size(); ++i) {
      values = behind(chain[i], values);
      StepPlace place;
      place.prefix = prefix;
      place.number = static_cast<int>(i) + 1;
      place.bits_in = bits;
      place.bits_out = bits = signed_bits(program::whole(values));
      place.file = fmt::format("layers/{}/{}step{}_{}.hex", layer_.name, prefix, i + 1,
                               steps::name_of(chain[i].op));
      print(chain[i], place);
    }
    return values;
  }

  void add(const std::string& text) { text_ += text; }

  std::string text_;
  Requantizer result_;

 private:
  /// Of each channel.
  Range behind(const Step& step, const Range& values) const {
    Range next;
    for (std::size_t channel = 0; channel < static_cast<std::size_t>(channels_); ++channel) {
      const std::optional<Interval> one = steps::behind(step, channel, of_channel(values, channel));
      next.push_back(one.value());  // fault_of() has seen that it is there
    }
    return next;
  }

  void print(const Step& step, const StepPlace& place) {
    const std::string rounding =
        step.op == steps::Op::kShiftRight ? fmt::format(", {}", name_of(step.rounding)) : "";
    add(fmt::format("\n  // {}step {}: {}{}\n", place.prefix, place.number, name_of(step.op),
                    rounding));
    add(step_text(step, place));
    result_.step_bits.push_back(place.bits_out);
    if (!has_memory(step)) return;
    const int bits = constant_bits(step);
    result_.constant_bits += static_cast<std::int64_t>(step.constants.size()) * bits;
    result_.files.emplace_back(
        place.file, words_of(step.constants, bits,
                             fmt::format("{}, address = channel * {} + number of the constant",
                                         name_of(step.op), step.per_channel)));
  }

  const Layer& layer_;
  std::int64_t channels_;
};

/// A join: each input without its zero point through its steps, and their sum as the wire v0.
Range print_sum(Printer& printer, const Design& design, const program::Op& op) {
  const auto channels = static_cast<std::size_t>(design.program.tensor(op.output).channels);
  Range sums(channels);
  std::string terms;
  for (std::size_t i = 0; i < op.inputs.size(); ++i) {
    const program::Tensor& in = design.program.tensor(op.inputs[i]);
    Range values;
    for (const Interval codes : design.range(op.inputs[i])) {
      values.push_back(without_zero_point(in, codes));
    }
    const std::string prefix = fmt::format("input{}_", i);
    const int bits = signed_bits(program::whole(values));
    printer.add(fmt::format("\n  wire signed [{}:0] {}v0 = value{} - {};\n", bits - 1, prefix, i,
                            literal(in.zero_point, signed_bits({in.zero_point, in.zero_point}))));
    const Range behind = printer.print(op.input_steps[i], prefix, values);
    for (std::size_t channel = 0; channel < channels; ++channel) {
      sums[channel].lo += of_channel(behind, channel).lo;
      sums[channel].hi += of_channel(behind, channel).hi;
    }
    terms += fmt::format("{}{}v{}", i == 0 ? "" : " + ", prefix, op.input_steps[i].size());
  }
  printer.add(fmt::format("\n  wire signed [{}:0] v0 = {};\n",
                          signed_bits(program::whole(sums)) - 1, terms));
  printer.result_.step_bits.push_back(signed_bits(program::whole(sums)));
  return sums;
}

/// Ports, and `text` between them and the end.
std::string module_text(const Layer& layer, const Requantizer& requantizer,
                        const std::string& text) {
  std::string ports = "  input wire [31:0] channel,\n";
  for (std::size_t i = 0; i < requantizer.value_bits.size(); ++i) {
    ports += fmt::format("  input wire signed [{}:0] value{},\n", requantizer.value_bits[i] - 1, i);
  }
  return fmt::format(
      "// Steps of {}. v<n> is the value behind step n, in as many bits of two's complement as it\n"
      "// can need.\n"
      "module requantize_{} (\n{}  output wire signed [{}:0] code\n);\n{}endmodule\n",
      layer.name, layer.identifier, ports, requantizer.code_bits - 1, text);
}

}  // namespace

Requantizer requantizer_of(const Design& design, const Layer& layer) {
  const program::Op& op = layer.map != nullptr ? *layer.map : *layer.op;
  Printer printer(layer, design.program.tensor(op.output).channels);
  for (const int input : op.inputs) {
    printer.result_.value_bits.push_back(signed_bits(program::whole(design.range(input))));
  }
  Range values;
  if (op.kind == Kind::kJoin) {
    values = print_sum(printer, design, op);
  } else {
    values = design.range(op.inputs[0]);
    printer.add(
        fmt::format("  wire signed [{}:0] v0 = value0;\n", printer.result_.value_bits[0] - 1));
  }
  values = printer.print(op.steps, "", values);
  printer.add(fmt::format("\n  assign code = v{};\n", op.steps.size()));
  Requantizer result = printer.result_;
  result.code_bits = signed_bits(program::whole(values));
  result.files.emplace_back(fmt::format("layers/{}/requantize.v", layer.name),
                            module_text(layer, result, printer.text_));
  return result;
}

}  // namespace qloom::exchange::verilog
