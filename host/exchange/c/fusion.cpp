// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/exchange/c/fusion.hpp"

#include <algorithm>

namespace qloom::exchange::c {
namespace {

std::int64_t readers_of(const program::Program& program, int tensor) {
  std::int64_t count = std::count(program.outputs.begin(), program.outputs.end(), tensor);
  for (const program::Op& op : program.ops) {
    count += std::count(op.inputs.begin(), op.inputs.end(), tensor);
  }
  return count;
}

bool adds(program::Kind kind) {
  return kind == program::Kind::kConv || kind == program::Kind::kDense ||
         kind == program::Kind::kSumPool;
}

}  // namespace

const program::Op* fused_map(const program::Program& program, int op) {
  const auto at = static_cast<std::size_t>(op);
  if (at + 1 >= program.ops.size() || !adds(program.ops[at].kind)) return nullptr;
  const program::Op& next = program.ops[at + 1];
  const int sums = program.ops[at].output;
  const bool is_map = next.kind == program::Kind::kMap && next.inputs[0] == sums;
  return is_map && readers_of(program, sums) == 1 ? &next : nullptr;
}

bool is_fused(const program::Program& program, int op) {
  return op > 0 && fused_map(program, op - 1) != nullptr;
}

bool is_passing(const program::Program& program, int tensor) {
  for (std::size_t i = 0; i < program.ops.size(); ++i) {
    if (program.ops[i].output == tensor) return fused_map(program, static_cast<int>(i)) != nullptr;
  }
  return false;
}

}  // namespace qloom::exchange::c
