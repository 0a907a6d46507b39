// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Owning float32 tensors: 64-byte aligned, contiguous, row major, padded to 64 bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace qloom {

using Shape = std::vector<std::int64_t>;

/// Number of elements; 1 for a scalar (empty shape).
[[nodiscard]] inline std::size_t element_count(const Shape& shape) {
  std::size_t n = 1;
  for (const std::int64_t extent : shape) n *= static_cast<std::size_t>(extent);
  return n;
}

/// A float32 buffer that grows but never shrinks its memory, so that a step allocates nothing after
/// the first. Copying copies the elements. More than twelve functions: those of a container.
class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(const Shape& shape) { resize(shape); }
  Tensor(const Tensor& other) { *this = other; }
  Tensor& operator=(const Tensor& other) {
    if (this == &other) return *this;
    if (other.empty()) {  // a default one's shape is a scalar's, which has an element
      shape_ = other.shape_;
      size_ = 0;
      return *this;
    }
    resize(other.shape_);
    std::memcpy(data(), other.data(), size_ * sizeof(float));
    return *this;
  }
  /// What is moved from is empty.
  Tensor(Tensor&& other) noexcept { swap(other); }
  Tensor& operator=(Tensor&& other) noexcept {
    Tensor taken(std::move(other));
    swap(taken);
    return *this;
  }

  /// Contents are undefined afterwards when the memory had to grow.
  void resize(const Shape& shape) { resize(shape.data(), shape.size()); }
  void resize(std::initializer_list<std::int64_t> shape) { resize(shape.begin(), shape.size()); }
  void fill(float value) {
    for (std::size_t i = 0; i < size_; ++i) data_.get()[i] = value;
  }

  [[nodiscard]] float* data() noexcept { return data_.get(); }
  [[nodiscard]] const float* data() const noexcept { return data_.get(); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// Elements that resize() can hold without new memory.
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] const Shape& shape() const noexcept { return shape_; }
  [[nodiscard]] float& operator[](std::size_t i) noexcept { return data_.get()[i]; }
  [[nodiscard]] float operator[](std::size_t i) const noexcept { return data_.get()[i]; }
  [[nodiscard]] float* begin() noexcept { return data(); }
  [[nodiscard]] float* end() noexcept { return data() + size_; }
  [[nodiscard]] const float* begin() const noexcept { return data(); }
  [[nodiscard]] const float* end() const noexcept { return data() + size_; }

 private:
  void swap(Tensor& other) noexcept {
    data_.swap(other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    shape_.swap(other.shape_);
  }
  void resize(const std::int64_t* extents, std::size_t rank) {
    if (extents != shape_.data()) shape_.assign(extents, extents + rank);
    size_ = element_count(shape_);
    if (size_ <= capacity_) return;
    constexpr std::size_t kAlign = 64;
    const std::size_t bytes = (size_ * sizeof(float) + kAlign - 1) / kAlign * kAlign;
    data_.reset(static_cast<float*>(std::aligned_alloc(kAlign, bytes)));
    if (data_ == nullptr) throw std::bad_alloc();
    capacity_ = bytes / sizeof(float);
  }
  struct Free {
    void operator()(float* p) const noexcept { std::free(p); }
  };
  std::unique_ptr<float, Free> data_;
  std::size_t size_ = 0, capacity_ = 0;
  Shape shape_;
};

}  // namespace qloom
