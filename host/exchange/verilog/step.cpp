// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/exchange/verilog/step.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "host/exchange/verilog/layer.hpp"
#include "host/exchange/verilog/words.hpp"

namespace qloom::exchange::verilog {
namespace {

using StepOp = steps::Op;
using steps::Rounding;
using steps::Step;

bool is_list(StepOp op) { return op == StepOp::kCount || op == StepOp::kTable; }

/// Puts a step's names into a text: {v} the value before it, {o} the wire behind it with its width
/// declared, {n} what makes a name this step's own, {b} width of {v}, {k}, {l} its constants.
std::string filled(const char* text, const StepPlace& place) {
  const std::string own = fmt::format("{}{}", place.prefix, place.number);
  const std::string before = fmt::format("{}v{}", place.prefix, place.number - 1);
  const std::string behind =
      fmt::format("wire signed [{}:0] {}v{}", place.bits_out - 1, place.prefix, place.number);
  return fmt::format(fmt::runtime(text), fmt::arg("v", before), fmt::arg("o", behind),
                     fmt::arg("n", own), fmt::arg("b", place.bits_in),
                     fmt::arg("top", place.bits_in - 1));
}

/// The memory of a step's constants.
std::string memory_text(const Step& step, const StepPlace& place) {
  return fmt::format("  reg signed [{}:0] c{}{} [0:{}];\n  initial $readmemh(\"{}\", c{}{});\n",
                     word_bits(constant_bits(step)) - 1, place.prefix, place.number,
                     step.constants.size() - 1, place.file, place.prefix, place.number);
}

/// Wires k<number>, and l<number> where a channel has two constants.
std::string constant_wires(const Step& step, const StepPlace& place) {
  std::string text;
  const std::int64_t bits = word_bits(constant_bits(step));
  for (std::uint64_t i = 0; i < step.per_channel; ++i) {
    const std::string value = has_memory(step)
                                  ? fmt::format("c{}{}[{} * channel + {}]", place.prefix,
                                                place.number, step.per_channel, i)
                                  : literal(step.constants[i], bits);
    text += fmt::format("  wire signed [{}:0] {}{}{} = {};\n", bits - 1, i == 0 ? 'k' : 'l',
                        place.prefix, place.number, value);
  }
  return text;
}

/// Whether the floor is one too low: h is the first bit that is shifted out, r whether one of the
/// others is set.
const char* is_up(Rounding rounding) {
  switch (rounding) {
    case Rounding::kNearestEven:
      return "h{n} & (r{n} | f{n}[0])";
    case Rounding::kNearestAway:
      return "h{n} & (r{n} | ~{v}[{top}])";
    case Rounding::kNearestUp:
      return "h{n}";
    case Rounding::kTowardZero:
      return "(h{n} | r{n}) & {v}[{top}]";
    case Rounding::kTowardNegative:
      return "1'b0";
    case Rounding::kTowardPositive:
      return "h{n} | r{n}";
  }
  return "";
}

std::string shift_right_text(Rounding rounding) {
  if (rounding == Rounding::kTowardNegative) return "  {o} = {v} >>> s{n};\n";
  return std::string(
             "  wire signed [{top}:0] f{n} = {v} >>> s{n};\n"
             "  wire signed [{top}:0] g{n} = {v} >>> (s{n} - 7'd1);\n"
             "  wire [{top}:0] m{n} = {v} & ~({{{b}{{1'b1}}}} << (s{n} - 7'd1));\n"
             "  wire h{n} = s{n} != 0 && g{n}[0];\n"
             "  wire r{n} = s{n} != 0 && m{n} != 0;\n"
             "  wire u{n} = ") +
         is_up(rounding) +
         ";\n"
         "  {o} = f{n} + $signed({{1'b0, u{n}}});\n";
}

/// In 64 bits, because a channel has its own width.
const char* const kWrap =
    "  wire signed [63:0] x{n} = {v};\n"
    "  wire signed [63:0] y{n} = x{n} << (7'd64 - s{n});\n"
    "  {o} = y{n} >>> (7'd64 - s{n});\n";
const char* const kSaturate =
    "  wire signed [63:0] x{n} = {v};\n"
    "  wire signed [63:0] h{n} = ~({{64{{1'b1}}}} << (s{n} - 7'd1));\n"
    "  {o} = (x{n} > h{n}) ? h{n} : (x{n} < ~h{n}) ? ~h{n} : x{n};\n";

std::string count_text(const Step& step, const StepPlace& place) {
  const std::string base =
      step.groups() == 1 ? "" : fmt::format("{} * channel + ", step.per_channel);
  return fmt::format(
      "  integer i{0};\n"
      "  reg [31:0] n{0};\n"
      "  reg signed [{1}:0] t{0};\n"
      "  always @(channel or {2}v{3}) begin\n"
      "    n{0} = 0;\n"
      "    for (i{0} = 0; i{0} < {4}; i{0} = i{0} + 1) begin\n"
      "      t{0} = c{0}[{5}i{0}];\n"
      "      if ({2}v{3} >= t{0}) n{0} = n{0} + 1;\n"
      "    end\n"
      "  end\n",
      fmt::format("{}{}", place.prefix, place.number), word_bits(constant_bits(step)) - 1,
      place.prefix, place.number - 1, step.per_channel, base);
}

/// What the step does, as filled() takes it.
std::string template_of(const Step& step) {
  switch (step.op) {
    case StepOp::kAdd:
      return "  {o} = {v} + k{n};\n";
    case StepOp::kMultiply:
      return "  {o} = {v} * k{n};\n";
    case StepOp::kShiftLeft:
      return "  {o} = {v} <<< s{n};\n";
    case StepOp::kShiftRight:
      return shift_right_text(step.rounding);
    case StepOp::kClamp:
      return "  {o} = ({v} < k{n}) ? k{n} : ({v} > l{n}) ? l{n} : {v};\n";
    case StepOp::kCount:
      return "  {o} = n{n};\n";
    case StepOp::kWrap:
      return kWrap;
    case StepOp::kSaturate:
      return kSaturate;
    case StepOp::kTable:
      return step.groups() == 1
                 ? "  {o} = c{n}[{v}];\n"
                 : fmt::format("  {{o}} = c{{n}}[{} * channel + {{v}}];\n", step.per_channel);
    case StepOp::kFloatScale:  // files_of() refuses it
      break;
  }
  return {};
}

}  // namespace

bool has_memory(const Step& step) { return is_list(step.op) || step.groups() > 1; }

int constant_bits(const Step& step) {
  const auto [lo, hi] = std::minmax_element(step.constants.begin(), step.constants.end());
  return signed_bits({*lo, *hi});
}

std::string step_text(const Step& step, const StepPlace& place) {
  std::string text = has_memory(step) ? memory_text(step, place) : "";
  if (step.op == StepOp::kCount) {
    text += count_text(step, place);
  } else if (step.op != StepOp::kTable) {
    text += constant_wires(step, place);
  }
  const bool counts_bits = step.op == StepOp::kShiftLeft || step.op == StepOp::kShiftRight ||
                           step.op == StepOp::kWrap || step.op == StepOp::kSaturate;
  if (counts_bits) text += filled("  wire [6:0] s{n} = k{n};\n", place);
  return text + filled(template_of(step).c_str(), place);
}

}  // namespace qloom::exchange::verilog
