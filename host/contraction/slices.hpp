// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// How a contraction's batch is cut, and the parallel loop over the pieces.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>

#include <omp.h>

#include "host/contraction/contraction.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::contraction {

/// True for a 1x1 kernel that reads every pixel once: then all pixels of the batch are rows of one
/// matrix product.
[[nodiscard]] inline bool is_pointwise(const ContractionShape& s) {
  return s.kernel_h == 1 && s.kernel_w == 1 && s.stride_h == 1 && s.stride_w == 1 &&
         s.pad_top == 0 && s.pad_bottom == 0 && s.pad_left == 0 && s.pad_right == 0 &&
         s.groups == 1;
}

/// A matrix product with one row per sample.
[[nodiscard]] inline bool is_dense(const ContractionShape& s) {
  return is_pointwise(s) && s.in_h == 1 && s.in_w == 1;
}

/// A batch cut into `count` slices of `size` samples; the last one may be shorter. A function of
/// the shape alone, never of the number of threads.
struct Slices {
  std::int64_t batch = 0, size = 1, count = 0;

  [[nodiscard]] std::int64_t first(std::int64_t i) const { return i * size; }
  [[nodiscard]] std::int64_t samples(std::int64_t i) const {
    return std::min(size, batch - i * size);
  }
};

[[nodiscard]] inline Slices cut(std::int64_t batch, std::int64_t size) {
  return {batch, size, (batch + size - 1) / size};
}

/// Slices of the forward role and the input gradient: each writes its own outputs.
[[nodiscard]] inline Slices output_slices(const ContractionShape& s) {
  // Images: 8 keep a slice in the second-level cache. Rows: 16 fill the registers of a product.
  return cut(s.batch, is_dense(s) ? 16 : 8);
}

/// Slices of the weight gradient: each fills a buffer of the weights' size, so there are at most
/// 16, and fewer when the weights are many.
[[nodiscard]] inline Slices weight_slices(const ContractionShape& s) {
  constexpr std::int64_t kBufferElements = 1 << 20;
  const std::int64_t most = std::clamp<std::int64_t>(kBufferElements / s.w_size(), 4, 16);
  return cut(s.batch, std::max<std::int64_t>(8, (s.batch + most - 1) / most));
}

/// `n` samples of the shape. A pointwise contraction becomes one image with a row of pixels.
[[nodiscard]] inline ContractionShape with_batch(ContractionShape s, std::int64_t n) {
  s.batch = n;
  if (!is_pointwise(s)) return s;
  s.in_w *= n * s.in_h;
  s.in_h = s.batch = 1;
  return s;
}

/// Within its life, OpenMP loops that this thread starts have one thread.
class SingleThread {
 public:
  SingleThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~SingleThread() { omp_set_num_threads(before_); }
  SingleThread(const SingleThread&) = delete;
  SingleThread& operator=(const SingleThread&) = delete;

 private:
  int before_;
};

/// Number of per-thread work areas that for_each_slice() may ask for.
[[nodiscard]] inline std::size_t slot_count() {
  return static_cast<std::size_t>(std::max(omp_get_max_threads(), omp_get_thread_num() + 1));
}

/// body(i, slot) for i in 0 .. count - 1 on all threads, each with one thread inside; slot is the
/// thread's number, below slot_count(). The first exception caught is thrown again afterwards.
template <class Body>
void for_each_slice(std::int64_t count, Body&& body) {
  std::exception_ptr failure;
  std::atomic_flag has_failed = ATOMIC_FLAG_INIT;
  for_each(static_cast<std::uint64_t>(count), [&](std::uint64_t i) noexcept {
    try {
      const SingleThread guard;
      body(static_cast<std::int64_t>(i), static_cast<std::size_t>(omp_get_thread_num()));
    } catch (...) {
      if (!has_failed.test_and_set()) failure = std::current_exception();
    }
  });
  if (failure) std::rethrow_exception(failure);
}

}  // namespace qloom::contraction
