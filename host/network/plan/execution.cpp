// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/network/plan/execution.hpp"

#include <utility>

#include "host/layers/common/elementwise.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::network {

layers::Inputs Execution::inputs_of(const Node& node) {
  input_values.clear();
  input_shapes.clear();
  for (const int i : node.inputs) {
    const Node& from = this->node(i);
    input_values.push_back(from.value->data());
    input_shapes.push_back(from.out_shape);
  }
  return {batch, input_values, input_shapes};
}

void Execution::deliver(Node& node, Buffer* addend) {
  Gradient& g = node.gradient;
  if (!node.needs_gradient) return buffers.release(addend);
  if (g.addends[1] != nullptr) g = {{collect(node), nullptr}};
  g.addends[g.empty() ? 0 : 1] = addend;
}

Buffer* Execution::collect(Node& node) {
  Buffer *a = node.gradient.addends[0], *b = node.gradient.addends[1];
  if (fuses) node.gradient = {};
  if (b == nullptr) return a;
  if (!BufferPool::is_writable(*a)) std::swap(a, b);
  Buffer* sum = BufferPool::is_writable(*a) ? BufferPool::share(a) : buffers.acquire(node.shape);
  for_each_tile(sum->tensor.size(), [&](std::uint64_t first, std::uint64_t n) {
    layers::add(a->tensor.data() + first, b->tensor.data() + first, sum->tensor.data() + first, n);
  });
  buffers.release(a);
  buffers.release(b);
  if (!fuses) node.gradient = {{sum, nullptr}};
  return sum;
}

}  // namespace qloom::network
