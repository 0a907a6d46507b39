// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/exchange/c/ops.hpp"

#include <fmt/format.h>

#include "host/exchange/c/steps.hpp"

namespace qloom::exchange::c {
namespace {

void print_argmax(const OpPrinter& p) {
  const std::string type = working(program::whole(p.codes())).text();
  Text text;
  text.put("int32_t best = 0;");
  text.loop("k", p.input().size());
  text.put(fmt::format("if (({0})x[k] > ({0})x[best]) best = k;", type));
  text.close();
  text.put(p.store("0", "best"));
  p.function(text, "index of the largest, the smallest among equals");
}

void print_concat(const OpPrinter& p) {
  Text text;
  const std::int64_t all = p.output().channels;
  std::int64_t first = 0;
  for (std::size_t i = 0; i < p.op().inputs.size(); ++i) {
    const std::int64_t channels = p.input(i).channels;
    text.loop("i", p.input(i).height * p.input(i).width);
    text.loop("c", channels);
    const std::string x = p.op().inputs.size() == 1 ? "x" : fmt::format("x{}", i);
    text.put(fmt::format("y[i * {} + {} + c] = {}[i * {} + c];", all, first, x, channels));
    text.close(2);
    first += channels;
  }
  p.function(text, "channels side by side");
}

}  // namespace

std::string loaded(const OpPrinter& printer, std::size_t input, const std::string& x,
                   const std::string& at, int bits) {
  const std::int64_t zero = printer.input(input).zero_point;
  const std::string code = fmt::format("(int{}_t){}[{}]", bits, x, at);
  return zero == 0 ? code : fmt::format("{} - {}", code, literal(zero));
}

int bits_of_code(const OpPrinter& printer, std::size_t input) {
  const std::int64_t zero = printer.input(input).zero_point;
  const Interval codes = steps::join(program::whole(printer.codes(input)), {zero, zero});
  return working(steps::join(codes, program::whole(printer.values(input)))).bits;
}

program::Range OpPrinter::values(std::size_t i) const {
  program::Range range = codes(i);
  for (Interval& one : range) {
    one.lo -= input(i).zero_point;
    one.hi -= input(i).zero_point;
  }
  return range;
}

std::string OpPrinter::store(const std::string& at, const std::string& value) const {
  return fmt::format("y[{}] = ({}){};", at, stored(output()).text(), value);
}

void OpPrinter::store_sum(Text& text, const std::string& at, const std::string& channel,
                          const std::string& sum) const {
  const program::Op* map = fused_map(program, index);
  if (map == nullptr) return text.put(store(at, sum));
  const program::Tensor& sums = program.tensor(op().output);
  const Variable v0{"v0", ranges[static_cast<std::size_t>(op().output)]};
  text.put(definition(v0, {sum, 64}));
  text.put(fmt::format("KEEP(s{}, {}, ({})v0);", op().output, at, stored(sums).text()));
  const steps::Chain chain = without_repeats(map->steps);
  if (varies(chain) && channel != "c") text.put(fmt::format("const int32_t c = {};", channel));
  const auto channels = static_cast<std::uint64_t>(sums.channels);
  const Variable last =
      print_steps(chain, channels, v0, "v", fmt::format("k{}_", index + 1), source, text);
  text.put(store(at, last.name));
}

std::string function_of(const program::Program& program, int op) {
  return fmt::format("op{}_{}", op, identifier(program.ops[static_cast<std::size_t>(op)].name));
}

void OpPrinter::function(const Text& body, const std::string& comment) const {
  std::string parameters;
  const std::size_t count = op().inputs.size();
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name = count == 1 ? "x" : fmt::format("x{}", i);
    parameters += fmt::format("const {} *{}, ", stored(input(i)).text(), name);
  }
  const program::Op* map = fused_map(program, index);
  const std::string more =
      map == nullptr ? "" : fmt::format("; {}: {}", map->name, steps::text_of(map->steps, 0));
  source.functions += fmt::format("/* {}, {}: {}{} */\n", commented(op().name),
                                  program::name_of(op().kind), comment, more);
  Text text;
  text.open(fmt::format("static void {}({}{} *y)", function_of(program, index), parameters,
                        stored(output()).text()));
  source.functions += text.all();
  std::string_view lines = body.all();
  while (!lines.empty()) {
    const std::size_t end = lines.find('\n') + 1;
    source.functions += "  " + std::string(lines.substr(0, end));
    lines.remove_prefix(end);
  }
  source.functions += "}\n\n";
}

void print_op(const OpPrinter& printer) {
  if (is_fused(printer.program, printer.index)) return;
  switch (printer.op().kind) {
    case program::Kind::kConv:
    case program::Kind::kDense:
      return print_contraction(printer);
    case program::Kind::kMap:
      return print_map(printer);
    case program::Kind::kJoin:
      return print_join(printer);
    case program::Kind::kConcat:
      return print_concat(printer);
    case program::Kind::kSumPool:
      return print_sum_pool(printer);
    case program::Kind::kMaxPool:
      return print_max_pool(printer);
    case program::Kind::kArgmax:
      return print_argmax(printer);
    case program::Kind::kReshape:
      return;
  }
}

}  // namespace qloom::exchange::c
