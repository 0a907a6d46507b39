// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>

#include <fmt/format.h>

#include "host/exchange/c/ops.hpp"
#include "host/exchange/c/steps.hpp"
#include "host/exchange/c/weights.hpp"

namespace qloom::exchange::c {
namespace {

using program::Overflow;

/// One convolution or dense layer on its way to text.
struct Sums {
  const OpPrinter& printer;
  const program::Op& op;
  const program::ContractionShape& shape;
  Packing packing;
  int bits;          ///< of the variable that holds the sum
  bool is_modular;   ///< wraps: the variable is unsigned, the width is cut once at the end
  std::string name;  ///< of the weights

  [[nodiscard]] std::string type() const {
    return fmt::format("{}int{}_t", is_modular ? "u" : "", bits);
  }
  /// x - zero point of an expression for x.
  [[nodiscard]] std::string shifted(const std::string& x) const {
    const std::int64_t zero = printer.input().zero_point;
    if (zero == 0) return fmt::format("({}){}", type(), x);
    const std::string taken =
        is_modular ? fmt::format("({}){}", type(), literal(zero)) : literal(zero);
    return fmt::format("(({}){} - {})", type(), x, taken);
  }
  [[nodiscard]] std::string weight(const std::string& k) const {
    if (packing.bits >= 8) return fmt::format("({})w[{}]", type(), k);
    std::string value = fmt::format("{}(w, {})", printer.source.field(packing.bits), k);
    if (packing.step != 1) value = fmt::format("{} * {}", value, packing.step);
    if (packing.low != 0) value = fmt::format("{} + {}", value, literal(packing.low));
    return fmt::format("({})({})", type(), value);
  }
  void add(Text& text, const std::string& x, const std::string& k) const {
    text.put(fmt::format("sum += {} * {};", shifted(x), weight(k)));
    if (op.sum.overflow != Overflow::kSaturate || !may_overflow()) return;
    const Interval held = program::Type{true, op.sum.bits}.values();
    text.put(fmt::format("sum = sum < {0} ? {0} : sum > {1} ? {1} : sum;", literal(held.lo),
                         literal(held.hi)));
  }
  [[nodiscard]] bool may_overflow() const { return op.sum.bits < op.sum.needed; }
  void store(Text& text, const std::string& at) const {
    text.put(printer.store(
        at,
        is_modular ? fmt::format("{}(sum, {})", printer.source.wrap(bits), op.sum.bits) : "sum"));
  }
};

/// Bits of the variable: of all partial sums, or of a register and one product beyond it.
int bits_for(const OpPrinter& printer) {
  const program::Op& op = printer.op();
  const std::int64_t zero = printer.input().zero_point;
  Interval codes = steps::join(program::whole(printer.codes()), {zero, zero});
  if (op.window.pads()) codes = steps::join(codes, {op.pad, op.pad});
  const Interval factors{codes.lo - zero, codes.hi - zero};  // 0 among them
  Interval all = steps::join(codes, factors);
  for (const Interval sum : program::sums_of(op, factors)) all = steps::join(all, sum);
  if (op.sum.overflow != Overflow::kSaturate || op.sum.bits >= op.sum.needed) {
    return working(all).bits;
  }
  Interval product{0, 0};
  for (const std::int64_t weight : op.weights) {
    product = steps::join(product, {factors.lo * weight, factors.lo * weight});
    product = steps::join(product, {factors.hi * weight, factors.hi * weight});
  }
  // At least 1 beyond: then no comparison with the register's ends is idle.
  const Interval held = program::values_of(op.sum);
  const Interval beyond{held.lo + std::min<std::int64_t>(product.lo, -1),
                        held.hi + std::max<std::int64_t>(product.hi, 1)};
  return working(steps::join(steps::join(codes, factors), beyond)).bits;
}

Sums sums_of(const OpPrinter& printer) {
  const program::Op& op = printer.op();
  Packing packing = packing_of(op.weights);
  if (!printer.is_packed || packing.bits >= 8) {
    const std::vector<std::int64_t> values(op.weights.begin(), op.weights.end());
    packing = {stored(range_of(values)).bits, 0, 1};
  }
  Sums sums{
      printer, op, op.window, packing, bits_for(printer), false, fmt::format("w{}", printer.index)};
  if (op.sum.overflow == Overflow::kWrap && sums.may_overflow()) {
    sums.is_modular = true;  // additions to 2^n are the same in any wider power of two
    sums.bits = op.sum.bits <= 32 ? 32 : 64;
  }
  return sums;
}

/// The array of weights; answers elements of a row.
std::int64_t print_weights(const Sums& sums) {
  const std::int64_t row = sums.shape.fan_in();
  std::string& arrays = sums.printer.source.arrays;
  if (sums.packing.bits >= 8) {
    arrays += array(sums.name, {sums.op.weights.begin(), sums.op.weights.end()});
    return row;
  }
  arrays += array(sums.name, packed(sums.op.weights, row, sums.packing));
  const std::int64_t in_byte = 8 / sums.packing.bits;
  return (row + in_byte - 1) / in_byte;
}

void open_row(const Sums& sums, std::int64_t row, Text& text) {
  const std::vector<std::int64_t> values(sums.op.weights.begin(), sums.op.weights.end());
  const CType type = sums.packing.bits >= 8 ? stored(range_of(values)) : CType{false, 8};
  text.loop("oc", sums.shape.out_c);
  text.put(fmt::format("const {} *const w = {} + oc * {};", type.text(), sums.name, row));
  text.put(fmt::format("{} sum = 0;", sums.type()));
}

void print_dense(const Sums& sums, std::int64_t row, Text& text) {
  open_row(sums, row, text);
  text.loop("k", sums.shape.fan_in());
  sums.add(text, "x[k]", "k");
  text.close();
  sums.store(text, "oc");
  text.close();
}

void print_conv(const Sums& sums, std::int64_t row, Text& text) {
  const auto& s = sums.shape;
  const Window window(sums.printer);
  const std::int64_t channels = s.in_c / s.groups, pad = sums.op.pad;
  window.open_places(text);
  open_row(sums, row, text);
  const std::string inside = window.open_kernel(text);
  const std::string k = fmt::format("(ky * {} + kx) * {} + c", s.kernel_w, channels);
  if (!inside.empty()) text.open(fmt::format("if ({})", inside));
  const std::string group =
      s.groups == 1 ? "" : fmt::format(" + oc / {} * {}", s.out_c / s.groups, channels);
  text.loop("c", channels);
  sums.add(text, fmt::format("x[{}{} + c]", window.input(), group), k);
  text.close();
  if (!inside.empty()) text.close();
  if (!inside.empty() && pad != sums.printer.input().zero_point) {
    text.open("else");
    text.loop("c", channels);
    sums.add(text, literal(pad), k);
    text.close(2);
  }
  text.close(2);
  sums.store(text, window.output() + " + oc");
  text.close(3);
}

}  // namespace

void print_contraction(const OpPrinter& printer) {
  const Sums sums = sums_of(printer);
  const std::int64_t row = print_weights(sums);
  Text text;
  if (printer.op().kind == program::Kind::kDense) {
    print_dense(sums, row, text);
  } else {
    print_conv(sums, row, text);
  }
  const auto& s = sums.shape;
  printer.function(
      text, fmt::format("{} x {} x {} products for each of {} channels, weights in {} bits",
                        s.kernel_h, s.kernel_w, s.in_c / s.groups, s.out_c, sums.packing.bits));
}

}  // namespace qloom::exchange::c
