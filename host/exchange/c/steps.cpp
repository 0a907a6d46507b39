// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/exchange/c/steps.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "host/tensor/error.hpp"

namespace qloom::exchange::c {
namespace {

using steps::Step;

/// One step on its way to a statement.
struct Printing {
  const Step& step;
  const Variable& variable;
  Interval in, out;   ///< what it is before and behind the step
  std::string array;  ///< name of its constants, where they are an array
  Source& source;

  /// Constant i of the channel as an expression of so many bits.
  [[nodiscard]] std::string constant(std::uint64_t i, int bits) const {
    if (step.groups() == 1) return literal(step.constants[i]);
    const std::string index =
        step.per_channel == 1 ? "c" : fmt::format("{} * c + {}", step.per_channel, i);
    return fmt::format("(int{}_t){}[{}]", bits, array, index);
  }
  /// Bits that hold the variable before and after the step and more values.
  [[nodiscard]] int bits(Interval more) const {
    return working(steps::join(steps::join(in, out), more)).bits;
  }
  [[nodiscard]] Interval constants() const { return range_of(step.constants); }
  [[nodiscard]] std::string list() const {
    return step.groups() == 1 ? array : fmt::format("{} + {} * c", array, step.per_channel);
  }
};

Expression binary(const Printing& p, const char* sign) {
  const int bits = p.bits(p.constants());
  return {fmt::format("{} {} {}", as(p.variable, bits), sign, p.constant(0, bits)), bits};
}

Expression shift_left(const Printing& p) {
  const std::int64_t most = p.constants().hi;
  const int bits = p.bits({0, std::int64_t{1} << most});
  const std::string factor = p.step.groups() == 1
                                 ? literal(std::int64_t{1} << most)
                                 : fmt::format("((int{}_t)1 << {})", bits, p.constant(0, 32));
  return {fmt::format("{} * {}", as(p.variable, bits), factor), bits};
}

Expression shift_right(const Printing& p) {
  const int bits = p.constants().hi > 31 ? 64 : p.bits(p.in);
  const bool goes_down = p.step.rounding == steps::Rounding::kTowardNegative ||
                         p.step.rounding == steps::Rounding::kTowardZero;
  const std::string operand = as(p.variable, bits), by = p.constant(0, 32);
  if (goes_down && p.in.lo >= 0) return {fmt::format("{} >> {}", operand, by), bits};
  const std::string function = p.source.shift_right(p.step.rounding, bits);
  return {fmt::format("{}({}, {})", function, operand, by), bits};
}

/// v between two bounds; one that v keeps by itself is not compared with.
Expression bounded(const Printing& p, const std::string& low, const std::string& high,
                   Interval values, int bits) {
  const std::string v = as(p.variable, bits);
  std::string text;
  if (p.in.lo < values.lo) text += fmt::format("{} < {} ? {} : ", v, low, low);
  if (p.in.hi > values.hi) text += fmt::format("{} > {} ? {} : ", v, high, high);
  return {text + v, bits};
}

Expression clamp(const Printing& p) {
  const int bits = p.bits(p.constants());
  Interval inner{p.step.constants[0], p.step.constants[1]};  // within the bounds of each channel
  for (std::size_t i = 0; i < p.step.constants.size(); i += 2) {
    inner.lo = std::max(inner.lo, p.step.constants[i]);
    inner.hi = std::min(inner.hi, p.step.constants[i + 1]);
  }
  return bounded(p, p.constant(0, bits), p.constant(1, bits), inner, bits);
}

Expression count(const Printing& p) {
  const int bits = p.bits(p.constants());
  const std::string function = p.source.count(stored(p.constants()), bits);
  return {
      fmt::format("{}({}, {}, {})", function, p.list(), p.step.per_channel, as(p.variable, bits)),
      32};
}

Expression wrap(const Printing& p) {
  const int bits = p.constants().hi > 32 ? 64 : p.bits(p.in);
  return {fmt::format("{}((uint{}_t){}, {})", p.source.wrap(bits), bits, p.variable.name,
                      p.constant(0, 32)),
          bits};
}

Expression saturate(const Printing& p) {
  const int bits = p.constants().hi > 32 ? 64 : p.bits(p.in);
  if (p.step.groups() != 1) {
    const std::string function = p.source.saturate(bits);
    return {fmt::format("{}({}, {})", function, as(p.variable, bits), p.constant(0, 32)), bits};
  }
  const Interval held = program::Type{true, static_cast<int>(p.step.constants[0])}.values();
  return bounded(p, literal(held.lo), literal(held.hi), held, bits);
}

Expression table(const Printing& p) {
  const std::string first =
      p.step.groups() == 1 ? "" : fmt::format("{} * c + ", p.step.per_channel);
  const CType element = stored(p.constants());
  const bool is_narrow = element.bits < 32 || element == CType{true, 32};
  return {fmt::format("{}[{}{}]", p.array, first, p.variable.name), is_narrow ? 32 : 64};
}

Expression expression(const Printing& p) {
  switch (p.step.op) {
    case steps::Op::kAdd:
      return binary(p, "+");
    case steps::Op::kMultiply:
      return binary(p, "*");
    case steps::Op::kShiftLeft:
      return shift_left(p);
    case steps::Op::kShiftRight:
      return shift_right(p);
    case steps::Op::kClamp:
      return clamp(p);
    case steps::Op::kCount:
      return count(p);
    case steps::Op::kWrap:
      return wrap(p);
    case steps::Op::kSaturate:
      return saturate(p);
    case steps::Op::kTable:
      return table(p);
    case steps::Op::kFloatScale:  // print() refuses it
      break;
  }
  return {};
}

bool has_array(const Step& step) {
  return step.groups() != 1 || step.op == steps::Op::kCount || step.op == steps::Op::kTable;
}

/// The values behind a step, of all channels where they are the same for all.
program::Range behind(const Step& step, std::uint64_t channels, const program::Range& range) {
  const std::uint64_t count = range.size() == 1 && step.groups() == 1 ? 1 : channels;
  program::Range all;
  for (std::uint64_t channel = 0; channel < count; ++channel) {
    const Interval values = range[range.size() == 1 ? 0 : channel];
    const std::optional<Interval> next = steps::behind(step, channel, values);
    if (!next) throw RunError("a step that was not proved");  // not of a program
    all.push_back(*next);
  }
  return all;
}

}  // namespace

std::string definition(const Variable& variable, const Expression& value) {
  const CType type = working(variable.values());
  const std::string cast = value.bits > type.bits ? fmt::format("({})", type.text()) : "";
  return fmt::format("const {} {} = {};", type.text(), variable.name,
                     cast.empty() ? value.text : fmt::format("{}({})", cast, value.text));
}

std::string as(const Variable& variable, int bits) {
  if (working(variable.values()).bits == bits) return variable.name;
  return fmt::format("(int{}_t){}", bits, variable.name);
}

steps::Chain without_repeats(const steps::Chain& chain) {
  steps::Chain shorter = chain;
  for (Step& step : shorter) {
    const auto first = step.of(0);
    bool repeats = true;
    for (std::uint64_t c = 1; c < step.groups() && repeats; ++c) {
      repeats = std::equal(first.begin(), first.end(), step.of(c).begin());
    }
    if (repeats) step.constants.resize(step.per_channel);
  }
  return shorter;
}

bool varies(const steps::Chain& chain) {
  return std::any_of(chain.begin(), chain.end(),
                     [](const Step& step) { return step.groups() != 1; });
}

Variable print_steps(const steps::Chain& chain, std::uint64_t channels, Variable in,
                     const std::string& prefix, const std::string& names, Source& source,
                     Text& text) {
  for (std::size_t i = 0; i < chain.size(); ++i) {
    const std::string name = fmt::format("{}{}", names, i + 1);
    const Variable out{fmt::format("{}{}", prefix, i + 1), behind(chain[i], channels, in.range)};
    const Expression value = expression({chain[i], in, in.values(), out.values(), name, source});
    const bool is_read = value.text.find(name) != std::string::npos;  // not of an idle clamp
    if (has_array(chain[i]) && is_read) source.arrays += array(name, chain[i].constants);
    text.put(definition(out, value));
    in = out;
  }
  return in;
}

}  // namespace qloom::exchange::c
