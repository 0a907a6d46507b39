// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/network/plan/gradients.hpp"

namespace qloom::network {

Buffer* BufferPool::acquire(const Shape& shape) {
  // The smallest free one that is large enough: the same passes take the same buffers each time.
  // Where none is, the largest free one grows: small gradients come first, so that few buffers are
  // as large as the largest.
  const std::size_t n = element_count(shape);
  Buffer *best = nullptr, *largest = nullptr;
  for (const auto& buffer : buffers_) {
    if (buffer->users > 0) continue;
    const std::size_t capacity = buffer->tensor.capacity();
    if (largest == nullptr || capacity > largest->tensor.capacity()) largest = buffer.get();
    if (capacity < n) continue;
    if (best == nullptr || capacity < best->tensor.capacity()) best = buffer.get();
  }
  if (best == nullptr) best = largest;
  if (best == nullptr) best = buffers_.emplace_back(std::make_unique<Buffer>()).get();
  best->tensor.resize(shape);
  best->users = keeps_all_ ? 2 : 1;  // the pool is a user itself
  return best;
}

void BufferPool::reset() {
  for (const auto& buffer : buffers_) buffer->users = 0;
}

}  // namespace qloom::network
