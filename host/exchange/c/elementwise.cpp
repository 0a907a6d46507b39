// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>

#include <fmt/format.h>

#include "host/exchange/c/ops.hpp"
#include "host/exchange/c/steps.hpp"

namespace qloom::exchange::c {
namespace {

/// Loops over the elements; answers the index of one. With `by_channel` there is a variable "c".
std::string open_elements(const program::Tensor& tensor, bool by_channel, Text& text) {
  if (!by_channel) {
    text.loop("i", tensor.size());
    return "i";
  }
  text.loop("i", tensor.height * tensor.width);
  text.loop("c", tensor.channels);
  return fmt::format("i * {} + c", tensor.channels);
}

std::uint64_t channels_of(const program::Tensor& tensor) {
  return static_cast<std::uint64_t>(tensor.channels);
}

/// Input i of a join behind its own steps.
Variable joined_input(const OpPrinter& p, std::size_t i, const steps::Chain& chain,
                      const std::string& at, Text& text) {
  const int bits = bits_of_code(p, i);
  const Variable x{fmt::format("x{}_0", i), p.values(i)};
  const std::string array = p.op().inputs.size() == 1 ? "x" : fmt::format("x{}", i);
  text.put(definition(x, {loaded(p, i, array, at, bits), bits}));
  return print_steps(chain, channels_of(p.output()), x, fmt::format("x{}_", i),
                     fmt::format("k{}_{}_", p.index, i), p.source, text);
}

/// The sum so far and one more.
Variable added(const Variable& sum, const Variable& term, std::size_t i, Text& text) {
  const auto part = [](const program::Range& range, std::size_t channel) {
    return range[range.size() == 1 ? 0 : channel];
  };
  Variable next{fmt::format("sum{}", i), {}};
  for (std::size_t c = 0; c < std::max(sum.range.size(), term.range.size()); ++c) {
    const Interval a = part(sum.range, c), b = part(term.range, c);
    next.range.push_back({a.lo + b.lo, a.hi + b.hi});
  }
  const Interval all = next.values();
  const int bits = working(steps::join(all, steps::join(sum.values(), term.values()))).bits;
  text.put(definition(next, {fmt::format("{} + {}", as(sum, bits), as(term, bits)), bits}));
  return next;
}

}  // namespace

void print_map(const OpPrinter& printer) {
  const steps::Chain chain = without_repeats(printer.op().steps);
  Text text;
  const bool by_channel = varies(chain);
  const std::string at = open_elements(printer.output(), by_channel, text);
  const Variable x{"v0", printer.codes()};
  const int bits = working(x.values()).bits;
  text.put(definition(x, {fmt::format("(int{}_t)x[{}]", bits, at), bits}));
  const Variable last = print_steps(chain, channels_of(printer.output()), x, "v",
                                    fmt::format("k{}_", printer.index), printer.source, text);
  text.put(printer.store(at, last.name));
  text.close(by_channel ? 2 : 1);
  printer.function(text, steps::text_of(chain, 0) + (by_channel ? " in channel 0" : ""));
}

void print_join(const OpPrinter& printer) {
  const program::Op& op = printer.op();
  std::vector<steps::Chain> chains;
  for (const steps::Chain& chain : op.input_steps) chains.push_back(without_repeats(chain));
  const steps::Chain chain = without_repeats(op.steps);
  const bool by_channel = varies(chain) || std::any_of(chains.begin(), chains.end(), varies);
  Text text;
  const std::string at = open_elements(printer.output(), by_channel, text);
  Variable sum = joined_input(printer, 0, chains[0], at, text);
  for (std::size_t i = 1; i < chains.size(); ++i) {
    sum = added(sum, joined_input(printer, i, chains[i], at, text), i, text);
  }
  const Variable last = print_steps(chain, channels_of(printer.output()), sum, "v",
                                    fmt::format("k{}_", printer.index), printer.source, text);
  text.put(printer.store(at, last.name));
  text.close(by_channel ? 2 : 1);
  printer.function(text, fmt::format("the sum of {} inputs", chains.size()));
}

}  // namespace qloom::exchange::c
