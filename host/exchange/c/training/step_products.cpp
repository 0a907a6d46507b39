// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <fmt/format.h>

#include "host/exchange/c/training/step_ops.hpp"
#include "host/step_program/tensors.hpp"

namespace qloom::exchange::c {
namespace {

using step_program::is_dense;

/// Opens the loops over a window's places that lie inside of x: "row" and "column".
void open_window(const step_program::ContractionShape& s, Text& text) {
  text.loop("p", s.kernel_h);
  text.put(fmt::format("const int32_t row = i * {} - {} + p * {};", s.stride_h, s.pad_top,
                       s.dilation_h));
  text.put(fmt::format("if (row < 0 || row >= {}) continue;", s.in_h));
  text.loop("q", s.kernel_w);
  text.put(fmt::format("const int32_t column = j * {} - {} + q * {};", s.stride_w, s.pad_left,
                       s.dilation_w));
  text.put(fmt::format("if (column < 0 || column >= {}) continue;", s.in_w));
}

/// "+ o / 4 * 2": the first channel of the output channel's group.
std::string group_of(const step_program::ContractionShape& s) {
  if (s.groups == 1) return "";
  return fmt::format(" + o / {} * {}", s.out_c / s.groups, s.in_c / s.groups);
}

void put_zeros(std::int64_t size, Text& text) {
  text.put(fmt::format("for (int32_t k = 0; k < {}; ++k) y[k] = 0;", size));
}

/// The products of one place of the window: a and b are x and w, dy and w, or x and dy; `from` is
/// the place of what is read beside an error, `to` that of the sums, of a forward product of w.
void put_sums(const StepPrinting& p, const std::string& from, const std::string& to, Text& text) {
  const step_program::Op& op = p.op();
  const step_program::Parts parts = step_program::parts_of(op);
  const bool is_forward = parts.y == op.output, is_dx = parts.x == op.output;
  const std::string sum = working(p.range(op.output)).text(), out = p.type(op.output).text();
  const std::int64_t channels = op.window.in_c / op.window.groups;
  text.put(fmt::format("const {} *const from = {} + {};", p.type(op.inputs[is_dx ? 1 : 0]).text(),
                       is_dx ? "b" : "a", from));
  if (is_forward) {
    text.put(fmt::format("const {} *const by = b + {};", p.type(op.inputs[1]).text(), to));
    text.put(
        fmt::format("for (int32_t c = 0; c < {}; ++c) sum += ({})from[c] * by[c];", channels, sum));
    return;
  }
  text.put(fmt::format("{} *const to = y + {};", out, to));
  text.put(fmt::format("for (int32_t c = 0; c < {}; ++c) to[c] = ({})(to[c] + error * from[c]);",
                       channels, out));
}

}  // namespace

void print_step_products(const StepPrinting& p) {
  const step_program::Op& op = p.op();
  const step_program::ContractionShape& s = op.window;
  const step_program::Parts parts = step_program::parts_of(op);
  const bool is_forward = parts.y == op.output, is_dx = parts.x == op.output;
  const CType sum = working(p.range(op.output)), out = p.type(op.output);
  const std::int64_t channels = s.in_c / s.groups;
  Text text;
  text.open(step_head(p));
  if (is_dx) put_zeros(p.tensor(op.output).size(), text);
  text.loop("i", s.out_h());
  text.loop("j", s.out_w());
  text.loop("o", s.out_c);
  const std::string at = fmt::format("(i * {} + j) * {} + o", s.out_w(), s.out_c);
  const char* error = is_dx ? "a" : "b";
  if (is_forward) text.put(fmt::format("{} sum = 0;", sum.text()));
  if (!is_forward) {
    text.put(fmt::format("const {} error = {}[{}];", sum.text(), error, at));
    text.put("if (error == 0) continue;");
  }
  open_window(s, text);
  const std::string x = fmt::format("(row * {} + column) * {}{}", s.in_w, s.in_c, group_of(s));
  const std::string w =
      fmt::format("((o * {} + p) * {} + q) * {}", s.kernel_h, s.kernel_w, channels);
  put_sums(p, is_dx ? w : x, is_forward ? w : is_dx ? x : w, text);
  text.close(2);
  if (is_forward) text.put(fmt::format("y[{}] = ({})sum;", at, out.text()));
  text.close(4);
  p.source.functions += text.all() + "\n";
}

void print_step_pool(const StepPrinting& p) {
  const step_program::Op& op = p.op();
  const step_program::ContractionShape& s = op.window;
  const bool is_route = op.kind == step_program::Kind::kRoute;
  const CType value = working(p.range(op.inputs[0])), out = p.type(op.output);
  Text text;
  text.open(step_head(p));
  if (is_route) put_zeros(p.tensor(op.output).size(), text);
  text.loop("i", s.out_h());
  text.loop("j", s.out_w());
  text.loop("c", s.in_c);
  const std::string at = fmt::format("(i * {} + j) * {} + c", s.out_w(), s.in_c);
  if (!is_route) {
    text.put(fmt::format("{} best = 0;", value.text()));
    text.put("int32_t place = -1;");
  }
  open_window(s, text);
  const std::string x = fmt::format("(row * {} + column) * {} + c", s.in_w, s.in_c);
  if (is_route) {
    text.open(fmt::format("if (b[{}] == p * {} + q)", at, s.kernel_w));
    text.put(fmt::format("y[{}] = ({})(y[{}] + a[{}]);", x, out.text(), x, at));
    text.close(1);
  } else {
    text.put(fmt::format("const {0} v = ({0})a[{1}];", value.text(), x));
    text.put("if (place >= 0 && v <= best) continue;");
    text.put("best = v;");
    text.put(fmt::format("place = p * {} + q;", s.kernel_w));
  }
  text.close(2);
  if (op.kind == step_program::Kind::kMaxPool) {
    text.put(fmt::format("y[{}] = ({})best;", at, out.text()));
  }
  if (op.kind == step_program::Kind::kMaxPlace) {
    text.put(fmt::format("y[{}] = ({})place;", at, out.text()));
  }
  text.close(4);
  p.source.functions += text.all() + "\n";
}

}  // namespace qloom::exchange::c
