// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/exchange/c/training/step_ops.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "host/exchange/c/steps.hpp"
#include "host/exchange/c/training/step_plan.hpp"

namespace qloom::exchange::c {
namespace {

using StepKind = step_program::Kind;

/// "const int32_t v0 = (int32_t)a[i];" in a loop over all elements.
void open_elements(const StepPrinting& p, Text& text) {
  text.loop("i", p.tensor(p.op().inputs[0]).size());
  text.put(fmt::format("const {0} v0 = ({0})a[i];", working(p.range(p.op().inputs[0])).text()));
}

void close_elements(const StepPrinting& p, const std::string& value, Text& text) {
  text.put(fmt::format("y[i] = ({})({});", p.type(p.op().output).text(), value));
  text.close(2);
  p.source.functions += text.all() + "\n";
}

/// v between the operation's bounds.
std::string clamped(const step_program::Op& op, const std::string& v) {
  const std::string low = literal(op.low), high = literal(op.high);
  return fmt::format("{0} < {1} ? {1} : {0} > {2} ? {2} : {0}", v, low, high);
}

void print_map(const StepPrinting& p) {
  const step_program::Op& op = p.op();
  const steps::Chain chain = without_repeats(op.steps);
  const std::int64_t channels = p.tensor(op.output).shape.back();
  Text text;
  text.open(step_head(p));
  open_elements(p, text);
  if (varies(chain)) text.put(fmt::format("const int32_t c = i % {};", channels));
  const Variable last =
      print_steps(chain, static_cast<std::uint64_t>(channels), {"v0", {p.range(op.inputs[0])}}, "v",
                  step_function(p.program, p.index) + "_step", p.source, text);
  close_elements(p, last.name, text);
}

void print_multiply(const StepPrinting& p) {
  Text text;
  text.open(step_head(p));
  open_elements(p, text);
  close_elements(p, fmt::format("({})v0 * b[i]", working(p.range(p.op().output)).text()), text);
}

void print_significant(const StepPrinting& p) {
  Text text;
  const int bits = working(steps::join(p.range(p.op().inputs[0]), p.range(p.op().output))).bits;
  text.open(step_head(p));
  open_elements(p, text);
  if (p.op().bits >= bits) return close_elements(p, "v0", text);
  const std::string round = p.source.shift_right(steps::Rounding::kNearestEven, bits);
  text.put(
      fmt::format("uint{0}_t rest = v0 < 0 ? (uint{0}_t)0 - (uint{0}_t)v0 : (uint{0}_t)v0;", bits));
  text.put("int32_t n = 0;");
  text.put(fmt::format("for (rest >>= {}; rest != 0; rest >>= 1) ++n;", p.op().bits));
  close_elements(p, fmt::format("{0}(v0, n) * ((int{1}_t)1 << n)", round, bits), text);
}

void print_exponent(const StepPrinting& p) {
  const int bits = working(p.range(p.op().inputs[0])).bits;
  Text text;
  text.open(fmt::format("static uint64_t {}(const {} *a, uint64_t most)",
                        step_function(p.program, p.index), p.type(p.op().inputs[0]).text()));
  open_elements(p, text);
  text.put(fmt::format("const uint64_t m = v0 < 0 ? (uint{0}_t)0 - (uint{0}_t)v0 : (uint{0}_t)v0;",
                       bits));
  text.put("if (m > most) most = m;");
  text.close(1);
  text.put("return most;");
  text.close(1);
  p.source.functions += text.all() + "\n";
}

void print_normalise(const StepPrinting& p) {
  const step_program::Op& op = p.op();
  const int bits = working(p.range(op.inputs[0])).bits;
  const std::string round = p.source.shift_right(op.rounding, bits);
  Text text;
  text.open(step_head(p));
  text.put(fmt::format("const int32_t shift = {} - b;", op.bits));
  open_elements(p, text);
  text.put(
      fmt::format("const int{0}_t v1 = shift >= 0 ? v0 * ((int{0}_t)1 << shift) : {1}(v0, "
                  "-shift);",
                  bits, round));
  close_elements(p, clamped(op, "v1"), text);
}

void print_update(const StepPrinting& p) {
  const step_program::Op& op = p.op();
  Text text;
  // The weights are replaced: y is a.
  text.open(fmt::format("static void {}({} *y, const {} *b)", step_function(p.program, p.index),
                        p.type(op.inputs[0]).text(), p.type(op.inputs[1]).text()));
  text.loop("i", p.tensor(op.inputs[0]).size());
  const std::string wide = working({p.range(op.inputs[0]).lo - p.range(op.inputs[1]).hi,
                                    p.range(op.inputs[0]).hi - p.range(op.inputs[1]).lo})
                               .text();
  text.put(fmt::format("const {0} v1 = ({0})y[i] - b[i];", wide));
  text.put(fmt::format("y[i] = ({})({});", p.type(op.inputs[0]).text(), clamped(op, "v1")));
  text.close(2);
  p.source.functions += text.all() + "\n";
}

void print_subtract_label(const StepPrinting& p) {
  Text text;
  text.open(step_head(p, ", uint32_t label"));
  open_elements(p, text);
  const std::string wide = working(p.range(p.op().output)).text();
  close_elements(p, fmt::format("({})v0 - ((uint32_t)i == label ? {} : 0)", wide, p.op().one),
                 text);
}

constexpr const char* kExponentOf = R"(/* round(log2 m), 0 for 0; m is below 2^63 */
static int32_t exponent_of(uint64_t m) {
  int32_t e = 0;
  uint64_t head = m;
  if (m == 0) return 0;
  while (head >> 1 != 0) {
    head >>= 1;
    ++e;
  }
  return m > UINT64_C(0x5A827999FCEF3242) >> (62 - e) ? e + 1 : e; /* 2^62 sqrt 2, rounded down */
}

)";

}  // namespace

std::string step_function(const step_program::Program& program, int index) {
  return fmt::format("op{}_{}", index,
                     identifier(program.ops[static_cast<std::size_t>(index)].name));
}

std::string step_head(const StepPrinting& p, const std::string& more) {
  const step_program::Op& op = p.op();
  std::string text = fmt::format("static void {}(const {} *a", step_function(p.program, p.index),
                                 p.type(op.inputs[0]).text());
  if (op.inputs.size() == 2) {
    const bool is_number = p.tensor(op.inputs[1]).each == step_program::Each::kStep;
    text += is_number ? ", int32_t b" : fmt::format(", const {} *b", p.type(op.inputs[1]).text());
  }
  return text + fmt::format(", {} *y{})", p.type(op.output).text(), more);
}

void print_step_op(const StepPrinting& p) {
  switch (p.op().kind) {
    case StepKind::kConv:
    case StepKind::kConvDx:
    case StepKind::kConvDw:
    case StepKind::kDense:
    case StepKind::kDenseDx:
    case StepKind::kDenseDw:
      return print_step_products(p);
    case StepKind::kMaxPool:
    case StepKind::kMaxPlace:
    case StepKind::kRoute:
      return print_step_pool(p);
    case StepKind::kMap:
      return print_map(p);
    case StepKind::kSubtractLabel:
      return print_subtract_label(p);
    case StepKind::kMultiply:
      return print_multiply(p);
    case StepKind::kSignificant:
      return print_significant(p);
    case StepKind::kExponent:
      return print_exponent(p);
    case StepKind::kNormalise:
      return print_normalise(p);
    case StepKind::kStochastic:
      return print_step_stochastic(p);
    case StepKind::kUpdate:
      return print_update(p);
  }
}

std::string step_helpers(const step_program::Program& program) {
  const bool has_exponents =
      std::any_of(program.ops.begin(), program.ops.end(),
                  [](const step_program::Op& op) { return op.kind == StepKind::kExponent; });
  return random_helpers(program) + (has_exponents ? kExponentOf : "");
}

}  // namespace qloom::exchange::c
