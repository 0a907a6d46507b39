// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Memory whose neighbours are watched: cells with a known pattern on one side, a page that nobody
// may touch on the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace qloom::check {

enum class Side {
  kBefore,  ///< the forbidden page lies before the first byte
  kAfter    ///< the forbidden page lies after the last byte
};

/// Room for `bytes` bytes directly beside a forbidden page; the other side is filled with guard
/// cells up to the end of its page.
class GuardedBytes {
 public:
  GuardedBytes(std::size_t bytes, Side side);
  ~GuardedBytes();
  GuardedBytes(const GuardedBytes&) = delete;
  GuardedBytes& operator=(const GuardedBytes&) = delete;

  [[nodiscard]] unsigned char* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return bytes_; }
  /// Offset from data() of the first guard cell that was written to (negative before it);
  /// 0: none was.
  [[nodiscard]] std::ptrdiff_t touched() const;

 private:
  std::size_t bytes_, mapped_ = 0;
  unsigned char *map_ = nullptr, *data_ = nullptr;
  std::span<unsigned char> cells_;
};

/// n values of T.
template <class T>
class Guarded {
 public:
  Guarded(std::size_t n, Side side) : bytes_(n * sizeof(T), side), n_(n) {}
  /// Copies of the values.
  Guarded(const T* values, std::size_t n, Side side) : Guarded(n, side) {
    if (n > 0) std::memcpy(data(), values, n * sizeof(T));
  }
  [[nodiscard]] T* data() const { return reinterpret_cast<T*>(bytes_.data()); }
  [[nodiscard]] std::size_t size() const { return n_; }
  /// Are the guard cells as they were?
  [[nodiscard]] bool is_intact() const { return bytes_.touched() == 0; }
  [[nodiscard]] bool equals(const T* values) const {
    return n_ == 0 || std::memcmp(data(), values, n_ * sizeof(T)) == 0;
  }

 private:
  GuardedBytes bytes_;
  std::size_t n_;
};

}  // namespace qloom::check
