// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Operands and result of a dot-product tile.
#pragma once

#include <cstdint>
#include <vector>

#include <qloom/abi.h>

namespace qloom::kernels::test {

/// a[m x k], b[k x n], c[m x n] with wider rows than needed and guards between them.
struct Matrices {
  Matrices(std::uint64_t rows, std::uint64_t columns, std::uint64_t depth)
      : m(rows), n(columns), k(depth), a(m * (k + 3)), b(k * (n + 2) + 1), c(m * (n + 1), kGuard) {}
  [[nodiscard]] qloom_tile tile() {
    return {a.data(),
            b.data(),
            c.data(),
            static_cast<std::int64_t>(k + 3),
            static_cast<std::int64_t>(n + 2),
            static_cast<std::int64_t>(n + 1),
            m,
            n,
            k,
            11,
            n + 5};
  }
  [[nodiscard]] float left(std::uint64_t i, std::uint64_t p) const { return a[i * (k + 3) + p]; }
  [[nodiscard]] float right(std::uint64_t p, std::uint64_t j) const { return b[p * (n + 2) + j]; }
  [[nodiscard]] double& result(std::uint64_t i, std::uint64_t j) { return c[i * (n + 1) + j]; }

  static constexpr double kGuard = -123456.0;
  std::uint64_t m, n, k;
  std::vector<float> a, b;
  std::vector<double> c;
};

}  // namespace qloom::kernels::test
