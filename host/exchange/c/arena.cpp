// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/exchange/c/arena.hpp"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "host/exchange/c/fusion.hpp"
#include "host/exchange/c/types.hpp"
#include "host/tensor/error.hpp"

namespace qloom::exchange::c {
namespace {

using program::Kind;
using program::Op;
using program::Program;

/// A tensor in the arena.
struct Block {
  int tensor;
  std::int64_t element, bytes;  ///< size of an element; of all, aligned
  int first, last;              ///< operations that write and last read it
  std::vector<int> over;        ///< tensors that it may be written over, in the same place
  std::int64_t offset = -1;     ///< not placed yet

  [[nodiscard]] bool lives_with(const Block& other) const {
    return first <= other.last && other.first <= last;
  }
  [[nodiscard]] bool may_replace(const Block& other) const {
    return std::find(over.begin(), over.end(), other.tensor) != over.end();
  }
};

std::vector<int> roots_of(const Program& program) {
  std::vector<int> root(program.tensors.size());
  std::iota(root.begin(), root.end(), 0);
  for (const Op& op : program.ops) {
    if (op.kind != Kind::kReshape) continue;
    root[static_cast<std::size_t>(op.output)] = root[static_cast<std::size_t>(op.inputs[0])];
  }
  return root;
}

/// Tensors in the caller's memory (the input, and outputs that share it with no other output), and
/// those in none.
void place_others(const Program& program, Memory& memory) {
  std::vector<int> count(program.tensors.size());
  const int returned = returned_output(program);
  const auto root = [&](int tensor) {
    return static_cast<std::size_t>(memory.root[static_cast<std::size_t>(tensor)]);
  };
  for (const int output : program.outputs) ++count[root(output)];
  for (const int output : program.outputs) {
    if (output == returned || count[root(output)] > 1) continue;
    memory.places[root(output)].where = Place::Where::kOutput;
  }
  memory.places[root(program.input)].where = Place::Where::kInput;
  for (std::size_t tensor = 0; tensor < count.size(); ++tensor) {
    if (is_passing(program, static_cast<int>(tensor))) {
      memory.places[tensor].where = Place::Where::kNone;
    }
  }
}

class Lives {
 public:
  Lives(const Program& program, const Memory& memory) : program_(program), memory_(memory) {
    blocks_.resize(program.tensors.size());
    const int end = static_cast<int>(program.ops.size());
    for (std::size_t t = 0; t < blocks_.size(); ++t) {
      const program::Tensor& tensor = program.tensors[t];
      const std::int64_t element = stored(tensor).bytes(), bytes = element * tensor.size();
      blocks_[t] = {static_cast<int>(t),
                    element,
                    (bytes + kAlignment - 1) / kAlignment * kAlignment,
                    end,
                    -1,
                    {}};
    }
    for (int i = 0; i < end; ++i) see(i);
    for (const int output : program.outputs) block(output).last = end;
  }

  std::vector<Block> in_arena() const {
    std::vector<Block> all;
    for (const Block& one : blocks_) {
      if (one.last >= 0 && memory_.of(one.tensor).where == Place::Where::kArena) all.push_back(one);
    }
    return all;
  }

 private:
  Block& block(int tensor) {
    return blocks_[static_cast<std::size_t>(memory_.root[static_cast<std::size_t>(tensor)])];
  }

  void see(int i) {
    const Op& op = program_.ops[static_cast<std::size_t>(i)];
    for (const int input : op.inputs) block(input).last = i;
    Block& out = block(op.output);
    out.last = std::max(out.last, i);
    if (op.kind == Kind::kReshape) return;
    const bool is_early = is_fused(program_, i);  // written while the sums are made
    out.first = is_early ? i - 1 : i;
    if (is_early) return;
    if (op.kind != Kind::kMap && op.kind != Kind::kJoin) return;
    // Of two C types one has to be a character's: then the compiler knows that they may meet.
    for (const int input : op.inputs) {
      const Block& in = block(input);
      if (out.element == 1 || out.element == in.element) out.over.push_back(in.tensor);
    }
  }

  const Program& program_;
  const Memory& memory_;
  std::vector<Block> blocks_;
};

/// True when the block may not lie there because of another that is placed.
bool collides(const Block& block, std::int64_t offset, const Block& placed) {
  if (placed.offset < 0 || !block.lives_with(placed)) return false;
  if (offset + block.bytes <= placed.offset || placed.offset + placed.bytes <= offset) return false;
  const bool meets_once = block.last == placed.first || placed.last == block.first;
  const bool may_share = block.may_replace(placed) || placed.may_replace(block);
  return !(meets_once && may_share && offset == placed.offset);
}

std::int64_t lowest_offset(const Block& block, const std::vector<Block>& blocks) {
  std::vector<std::int64_t> candidates{0};
  for (const Block& other : blocks) {
    if (other.offset < 0) continue;
    candidates.push_back(other.offset);
    candidates.push_back(other.offset + other.bytes);
  }
  std::sort(candidates.begin(), candidates.end());
  return *std::find_if(candidates.begin(), candidates.end(), [&](std::int64_t offset) {
    return std::none_of(blocks.begin(), blocks.end(),
                        [&](const Block& other) { return collides(block, offset, other); });
  });
}

/// Bytes that live during one operation; an output over its input counts once.
std::int64_t bytes_at(int i, const std::vector<Block>& blocks) {
  std::int64_t all = 0, shared = 0;
  for (const Block& block : blocks) {
    if (block.first > i || block.last < i) continue;
    all += block.bytes;
    if (block.first != i) continue;
    for (const Block& other : blocks) {
      if (other.last == i && block.may_replace(other)) {
        shared = std::max(shared, std::min(block.bytes, other.bytes));
      }
    }
  }
  return all - shared;
}

}  // namespace

int returned_output(const program::Program& program) {
  for (const int output : program.outputs) {
    for (const Op& op : program.ops) {
      if (op.output == output && op.kind == Kind::kArgmax) return output;
    }
  }
  return -1;
}

void require_addressable(std::int64_t arena) {
  constexpr std::int64_t kMost = 2147483647;
  if (arena <= kMost) return;
  throw InputError(fmt::format("arena: {} bytes, expected at most {}", arena, kMost));
}

Memory plan(const program::Program& program) {
  Memory memory;
  memory.bytes = kAlignment;  // an array has elements
  memory.root = roots_of(program);
  memory.places.resize(program.tensors.size());
  place_others(program, memory);
  std::vector<Block> blocks = Lives(program, memory).in_arena();
  std::stable_sort(blocks.begin(), blocks.end(),
                   [](const Block& a, const Block& b) { return a.bytes > b.bytes; });
  for (Block& block : blocks) {
    block.offset = lowest_offset(block, blocks);
    memory.places[static_cast<std::size_t>(block.tensor)].offset = block.offset;
    memory.bytes = std::max(memory.bytes, block.offset + block.bytes);
  }
  for (int i = 0; i <= static_cast<int>(program.ops.size()); ++i) {
    memory.lower_bound = std::max(memory.lower_bound, bytes_at(i, blocks));
  }
  return memory;
}

}  // namespace qloom::exchange::c
