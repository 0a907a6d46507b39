// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What tests of reductions share: the cut of a tensor into groups, the number of threads, results
// compared by their bits.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>
#include <omp.h>

namespace qloom::kernels::test {

/// Geometry of a tensor; missing: elements that the last group lacks.
struct Geometry {
  std::uint64_t outer, groups, inner, missing;
  [[nodiscard]] std::uint64_t n() const { return outer * groups * inner - missing; }
};

/// OpenMP's number of threads for the length of a scope.
class Threads {
 public:
  explicit Threads(int n) : before_(omp_get_max_threads()) { omp_set_num_threads(n); }
  ~Threads() { omp_set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

inline void expect_same(const std::vector<double>& a, const std::vector<double>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(std::bit_cast<std::uint64_t>(a[i]), std::bit_cast<std::uint64_t>(b[i]))
        << "result " << i << ": " << a[i] << " and " << b[i];
  }
}

}  // namespace qloom::kernels::test
