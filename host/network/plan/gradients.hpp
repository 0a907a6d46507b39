// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The buffers that a backward pass hands from node to node. A buffer goes back to the pool with its
// last user, so a pass holds only the gradients that are still to be read.
#pragma once

#include <memory>
#include <vector>

#include "host/tensor/tensor.hpp"

namespace qloom::network {

/// A tensor with the number of places that still read it.
struct Buffer {
  Tensor tensor;
  int users = 0;
};

class BufferPool {
 public:
  /// A buffer of this shape with one user; contents are undefined.
  [[nodiscard]] Buffer* acquire(const Shape& shape);
  static Buffer* share(Buffer* buffer) {
    ++buffer->users;
    return buffer;
  }
  void release(Buffer* buffer) { --buffer->users; }
  /// May its user write to it?
  [[nodiscard]] static bool is_writable(const Buffer& buffer) { return buffer.users == 1; }
  /// With true nothing is used twice until reset(), so that gradients can be looked at afterwards.
  void keep_all(bool keeps) { keeps_all_ = keeps; }
  /// All buffers are free.
  void reset();

 private:
  std::vector<std::unique_ptr<Buffer>> buffers_;
  bool keeps_all_ = false;
};

/// dL/d(value) of a node as its readers deliver it: up to two addends, added when it is read.
struct Gradient {
  Buffer* addends[2] = {nullptr, nullptr};
  [[nodiscard]] bool empty() const { return addends[0] == nullptr; }
  /// The sum, once it has been read and where all gradients are kept.
  [[nodiscard]] const Tensor& value() const { return addends[0]->tensor; }
};

}  // namespace qloom::network
