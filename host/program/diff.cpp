// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/program/diff.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "host/tensor/error.hpp"

namespace qloom::program {
namespace {

/// The operation that makes a tensor; null for the input.
const Op* maker_of(const Program& program, std::size_t tensor) {
  const auto found = std::find_if(program.ops.begin(), program.ops.end(), [&](const Op& op) {
    return op.output == static_cast<int>(tensor);
  });
  return found == program.ops.end() ? nullptr : &*found;
}

}  // namespace

Diff::Diff(const Program& program) : program_(program), counts_(program.tensors.size()) {
  order_.push_back(static_cast<std::size_t>(program.input));
  for (const Op& op : program.ops) order_.push_back(static_cast<std::size_t>(op.output));
}

void Diff::add(std::int64_t first, std::int64_t samples, const std::vector<Values>& a,
               const std::vector<Values>& b) {
  for (const std::size_t tensor : order_) {
    const Tensor& t = program_.tensors[tensor];
    if (a[tensor].empty() || b[tensor].empty()) continue;
    for (const Values* values : {&a[tensor], &b[tensor]}) {
      const auto expected = static_cast<std::size_t>(samples * t.size());
      if (values->size() == expected) continue;
      throw RunError(fmt::format("\"{}\": {} values for {} samples, expected {}", t.name,
                                 values->size(), samples, expected));
    }
    compare(tensor, first, samples, a, b);
  }
}

void Diff::compare(std::size_t tensor, std::int64_t first, std::int64_t samples,
                   const std::vector<Values>& a, const std::vector<Values>& b) {
  const Tensor& t = program_.tensors[tensor];
  Count& count = counts_[tensor];
  count.values += static_cast<std::uint64_t>(samples * t.size());
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < a[tensor].size(); ++i) {
    if (a[tensor][i] == b[tensor][i]) continue;
    ++count.differing;
    if (!found) found = i;
  }
  const auto rank =
      static_cast<std::size_t>(std::find(order_.begin(), order_.end(), tensor) - order_.begin());
  if (!found || (first_ && first_rank_ <= rank)) return;
  const auto i = static_cast<std::int64_t>(*found);
  first_rank_ = rank;
  first_ = Place{tensor,
                 first + i / t.size(),
                 i % t.size() / (t.width * t.channels),
                 i % (t.width * t.channels) / t.channels,
                 i % t.channels,
                 a[tensor][*found],
                 b[tensor][*found],
                 std::nullopt};
  const Op* op = maker_of(program_, tensor);
  if (op == nullptr || op->kind != Kind::kMap) return;
  const auto input = static_cast<std::size_t>(op->inputs[0]);
  if (a[input].size() != a[tensor].size() || b[input].size() != b[tensor].size()) return;
  first_->input = {a[input][*found], b[input][*found]};
}

std::string Diff::explanation(const std::string& name_a, const std::string& name_b) const {
  const Place& p = *first_;
  std::string text = fmt::format("  sample {}, row {}, column {}, channel {}: {} {}, {} {}\n",
                                 p.sample, p.row, p.column, p.channel, name_a, p.a, name_b, p.b);
  const Op* op = maker_of(program_, p.tensor);
  if (op == nullptr) return text;
  if (!p.input) return text + fmt::format("  made by \"{}\" ({})\n", op->name, name_of(op->kind));
  const std::string& input = program_.tensor(op->inputs[0]).name;
  const auto [in_a, in_b] = *p.input;
  text += in_a == in_b ? fmt::format("  there {} is {} in both", input, in_a)
                       : fmt::format("  there {} is {} and {}", input, in_a, in_b);
  return text + fmt::format("; steps of channel {}: {}\n", p.channel,
                            steps::text_of(op->steps, static_cast<std::uint64_t>(p.channel)));
}

std::string Diff::text(const std::string& name_a, const std::string& name_b) const {
  std::size_t width = 0;
  for (const Tensor& tensor : program_.tensors) width = std::max(width, tensor.name.size());
  std::string text;
  for (const std::size_t tensor : order_) {
    const Count& count = counts_[tensor];
    const std::string& name = program_.tensors[tensor].name;
    if (count.values == 0) {
      text += fmt::format("{:<{}}  not compared: one side does not have it\n", name, width);
      continue;
    }
    const bool is_first = first_ && first_->tensor == tensor;
    text += fmt::format("{:<{}}  {} of {} differ{}\n", name, width, count.differing, count.values,
                        is_first ? "   <- first difference" : "");
    if (is_first) text += explanation(name_a, name_b);
  }
  return text;
}

}  // namespace qloom::program
