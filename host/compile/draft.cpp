// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/compile/draft.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "host/tensor/error.hpp"

namespace qloom::compile {
namespace {

/// The name, with a number behind it where it is taken.
template <class IsTaken>
std::string numbered(const std::string& name, const IsTaken& is_taken) {
  if (!is_taken(name)) return name;
  for (int i = 2;; ++i) {
    std::string other = fmt::format("{}.{}", name, i);
    if (!is_taken(other)) return other;
  }
}

}  // namespace

int Draft::add(program::Tensor tensor, Source source) {
  tensor.name = unused(tensor.name);
  out_.program.tensors.push_back(std::move(tensor));
  out_.sources.push_back(std::move(source));
  return static_cast<int>(out_.program.tensors.size()) - 1;
}

int Draft::add(program::Op op, program::Tensor tensor, Source source, Finding finding) {
  op.name = unused_op(op.name.empty() ? tensor.name : op.name);
  op.output = add(std::move(tensor), std::move(source));
  out_.program.ops.push_back(std::move(op));
  out_.findings.push_back(std::move(finding));
  return out_.program.ops.back().output;
}

std::string Draft::unused(const std::string& name) const {
  return numbered(name, [this](const std::string& other) {
    return program::find_tensor(out_.program, other) >= 0;
  });
}

std::string Draft::unused_op(const std::string& name) const {
  return numbered(name, [this](const std::string& other) {
    return std::any_of(out_.program.ops.begin(), out_.program.ops.end(),
                       [&](const program::Op& op) { return op.name == other; });
  });
}

void Draft::refuse(Refusal refusal) {
  const auto is_same = [&](const Refusal& other) {
    return other.layer == refusal.layer && other.reason == refusal.reason;
  };
  if (std::none_of(out_.refusals.begin(), out_.refusals.end(), is_same)) {
    out_.refusals.push_back(std::move(refusal));
  }
}

void Draft::set_ranges(int tensor, std::vector<Interval> ranges) {
  ranges_.emplace_back(tensor, std::move(ranges));
}

const std::vector<Interval>& Draft::ranges_of(int tensor) const {
  const auto found = std::find_if(ranges_.begin(), ranges_.end(),
                                  [&](const auto& entry) { return entry.first == tensor; });
  return found->second;
}

Compiled Draft::take() {
  if (!out_.refusals.empty()) {
    out_.program = {};
    return std::move(out_);
  }
  const std::string fault = program::fault_of(out_.program);
  if (!fault.empty()) throw RunError("the compiled program is none: " + fault);
  return std::move(out_);
}

}  // namespace qloom::compile
