// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>

#include <fmt/format.h>

#include "host/exchange/c/ops.hpp"

namespace qloom::exchange::c {
namespace {

/// Loops over places and channels around a variable "result"; `element`: what each element x of the
/// window does to it.
void print_pool(const OpPrinter& p, int bits, std::int64_t start, const std::string& x,
                const std::string& element) {
  const auto& shape = p.op().window;
  const Window window(p);
  Text text;
  window.open_places(text);
  text.loop("c", p.input().channels);
  text.put(fmt::format("int{}_t result = {};", bits, literal(start)));
  const std::string inside = window.open_kernel(text);
  if (!inside.empty()) text.open(fmt::format("if ({})", inside));
  text.put(fmt::format("const int{}_t v = {};", bits, x));
  text.put(element);
  text.close(inside.empty() ? 2 : 3);
  p.store_sum(text, window.output() + " + c", "c", "result");
  text.close(3);
  p.function(text, fmt::format("windows of {} x {}", shape.kernel_h, shape.kernel_w));
}

}  // namespace

void print_sum_pool(const OpPrinter& printer) {
  const auto& shape = printer.op().window;
  const Interval one = program::whole(printer.values());
  const std::int64_t count = shape.kernel_h * shape.kernel_w;
  const Interval partial = steps::join({one.lo * count, one.hi * count}, steps::join(one, {0, 0}));
  const int bits = std::max(bits_of_code(printer, 0), working(partial).bits);
  const std::string x = loaded(printer, 0, "x", Window(printer).input() + " + c", bits);
  print_pool(printer, bits, 0, x, "result += v;");
}

void print_max_pool(const OpPrinter& printer) {
  const Interval codes = printer.input().type.values();
  const int bits = working(codes).bits;
  const std::string x = fmt::format("(int{}_t)x[{} + c]", bits, Window(printer).input());
  print_pool(printer, bits, codes.lo, x, "if (v > result) result = v;");
}

}  // namespace qloom::exchange::c
