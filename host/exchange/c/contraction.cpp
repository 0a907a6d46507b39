// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <functional>

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
  /// A weight from its field, or an element of the array.
  [[nodiscard]] std::string weight(std::string field) const {
    if (packing.bits >= 8) return fmt::format("({}){}", type(), field);
    if (packing.step != 1) field += fmt::format(" * {}", packing.step);
    if (packing.low != 0) field += fmt::format(" + {}", literal(packing.low));
    return fmt::format("({})({})", type(), field);
  }
  void add(Text& text, const std::string& x, const std::string& weight) const {
    text.put(fmt::format("sum += {} * {};", shifted(x), weight));
    if (op.sum.overflow != Overflow::kSaturate || !may_overflow()) return;
    const Interval held = program::values_of(op.sum);
    text.put(fmt::format("sum = sum < {0} ? {0} : sum > {1} ? {1} : sum;", literal(held.lo),
                         literal(held.hi)));
  }
  [[nodiscard]] std::int64_t in_byte() const { return packing.bits >= 8 ? 1 : 8 / packing.bits; }
  [[nodiscard]] bool may_overflow() const { return op.sum.bits < op.sum.needed; }
  void store(Text& text, const std::string& at) const {
    const std::string sum =
        is_modular ? fmt::format("{}(sum, {})", printer.source.wrap(bits), op.sum.bits) : "sum";
    printer.store_sum(text, at, "oc", sum);
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
  return (row + sums.in_byte() - 1) / sums.in_byte();
}

void open_row(const Sums& sums, std::int64_t row, Text& text) {
  const std::vector<std::int64_t> values(sums.op.weights.begin(), sums.op.weights.end());
  const CType type = sums.packing.bits >= 8 ? stored(range_of(values)) : CType{false, 8};
  text.loop("oc", sums.shape.out_c);
  text.put(fmt::format("const {} *const w = {} + oc * {};", type.text(), sums.name, row));
  text.put(fmt::format("{} sum = 0;", sums.type()));
}

/// Products in a row of weights: run number `place` of it, each of `count`. "" for a row that is
/// one.
struct Run {
  const Sums& sums;
  std::string place;
  std::int64_t count;
  std::function<std::string(const std::string& number)> x;  ///< of a product

  /// An element of the run in the row, where a run has so many elements.
  [[nodiscard]] std::string at(std::int64_t elements, const std::string& element) const {
    return place.empty() ? element : fmt::format("{} * {} + {}", place, elements, element);
  }
  [[nodiscard]] std::string field(const std::string& k) const {
    return fmt::format("{}(w, {})", sums.printer.source.field(sums.packing.bits), k);
  }
};

void print_one_by_one(const Run& run, Text& text) {
  const std::string at = run.at(run.count, "k");
  const bool is_packed = run.sums.in_byte() > 1;
  const std::string weight = is_packed ? run.field(at) : fmt::format("w[{}]", at);
  text.loop("k", run.count);
  run.sums.add(text, run.x("k"), run.sums.weight(weight));
  text.close();
}

/// All fields of a byte at a time, and those left over.
void print_by_bytes(const Run& run, Text& text) {
  const Sums& sums = run.sums;
  const std::int64_t in_byte = sums.in_byte(), whole = run.count / in_byte;
  const int mask = (1 << sums.packing.bits) - 1;
  text.loop("b", whole);
  text.put(fmt::format("const int32_t fields = w[{}];", run.at(whole, "b")));
  for (std::int64_t i = 0; i < in_byte; ++i) {
    const std::int64_t shift = i * sums.packing.bits;
    const std::string field = i == in_byte - 1 ? fmt::format("(fields >> {})", shift)
                              : i == 0         ? fmt::format("(fields & {})", mask)
                                               : fmt::format("((fields >> {}) & {})", shift, mask);
    sums.add(text, run.x(fmt::format("b * {} + {}", in_byte, i)), sums.weight(field));
  }
  text.close();
  for (std::int64_t k = whole * in_byte; k < run.count; ++k) {
    const std::string number = fmt::format("{}", k);
    sums.add(text, run.x(number), sums.weight(run.field(number)));
  }
}

/// One product after the other.
void print_run(const Run& run, Text& text) {
  const std::int64_t in_byte = run.sums.in_byte();
  const bool begins_at_byte = run.place.empty() || run.count % in_byte == 0;
  if (in_byte > 1 && begins_at_byte && run.count >= in_byte) return print_by_bytes(run, text);
  print_one_by_one(run, text);
}

void print_dense(const Sums& sums, std::int64_t row, Text& text) {
  open_row(sums, row, text);
  const auto x = [](const std::string& number) { return fmt::format("x[{}]", number); };
  print_run({sums, "", sums.shape.fan_in(), x}, text);
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
  const std::string place = fmt::format("(ky * {} + kx)", s.kernel_w);
  const std::string group =
      s.groups == 1 ? "" : fmt::format("oc / {} * {} + ", s.out_c / s.groups, channels);
  const auto x = [&](const std::string& number) {
    return fmt::format("x[{} + {}{}]", window.input(), group, number);
  };
  if (!inside.empty()) text.open(fmt::format("if ({})", inside));
  print_run({sums, place, channels, x}, text);
  if (!inside.empty()) text.close();
  if (!inside.empty() && pad != sums.printer.input().zero_point) {
    text.open("else");
    print_run({sums, place, channels, [&](const std::string&) { return literal(pad); }}, text);
    text.close();
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
