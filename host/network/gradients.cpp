// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/network/gradients.hpp"

namespace qloom::network {

Buffer* BufferPool::acquire(const Shape& shape) {
  // The smallest free one that is large enough: the same passes take the same buffers each time.
  const std::size_t n = element_count(shape);
  Buffer* best = nullptr;
  for (const auto& buffer : buffers_) {
    if (buffer->users > 0 || buffer->tensor.capacity() < n) continue;
    if (best == nullptr || buffer->tensor.capacity() < best->tensor.capacity()) best = buffer.get();
  }
  if (best == nullptr) best = buffers_.emplace_back(std::make_unique<Buffer>()).get();
  best->tensor.resize(shape);
  best->users = keeps_all_ ? 2 : 1;  // the pool is a user itself
  return best;
}

void BufferPool::reset() {
  for (const auto& buffer : buffers_) buffer->users = 0;
}

}  // namespace qloom::network
