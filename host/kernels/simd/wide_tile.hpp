// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A dot-product tile with an integer register in doubles, which hold every sum below 2^53.
#pragma once

#include "host/kernels/simd/round.hpp"

namespace qloom::kernels::simd {

/// First n of kWidth results to c.
template <class Arch>
inline void store_results(const Doubles<Arch> (&total)[2], double* c, std::uint64_t n) noexcept {
  alignas(64) double lanes[kWidth<Arch>];
  total[0].store_aligned(lanes);
  total[1].store_aligned(lanes + Doubles<Arch>::size);
  std::memcpy(c, lanes, n * sizeof(double));
}

template <class Arch, bool Wrap>
class WideTile {
 public:
  /// Writes the results; returns how many additions did not fit.
  static std::uint64_t run(const qloom_tile& tile, std::uint32_t width) noexcept {
    const WideTile wide(tile, __builtin_ldexp(1.0, static_cast<int>(width)));
    std::uint64_t overflows = 0;
    for (std::uint64_t j = 0; j < tile.n; j += kWidth<Arch>) {
      std::uint64_t i = 0;
      for (; i + kRows <= tile.m; i += kRows) overflows += wide.template rows<kRows>(i, j);
      for (; i < tile.m; ++i) overflows += wide.template rows<1>(i, j);
    }
    return overflows;
  }

 private:
  using D = Doubles<Arch>;
  static constexpr std::uint64_t kRows = 4;

  WideTile(const qloom_tile& tile, double modulus) noexcept
      : tile_(tile),
        min_(-modulus / 2.0),
        max_(modulus / 2.0 - 1.0),
        modulus_(modulus),
        inverse_(1.0 / modulus) {}

  D settle(const D& sum) const noexcept {
    if constexpr (Wrap)
      return sum - modulus_ * Integral<D>::down((sum - min_) * inverse_);
    else
      return lesser(greater(sum, min_), max_);
  }
  template <std::uint64_t Rows>
  std::uint64_t rows(std::uint64_t row, std::uint64_t column) const noexcept {
    const std::uint64_t rest = tile_.n - column;
    const Part<Arch> io{rest < kWidth<Arch> ? rest : kWidth<Arch>};
    const float* a = tile_.a + static_cast<std::int64_t>(row) * tile_.lda;
    const float* b = tile_.b + column;
    D total[Rows][2], count(0.0);
    for (auto& t : total) t[0] = t[1] = D(0.0);
    for (std::uint64_t k = 0; k < tile_.k; ++k) {
      const Widened<Arch> right =
          widen<Arch>(io.load(b + static_cast<std::int64_t>(k) * tile_.ldb));
      for (std::uint64_t r = 0; r < Rows; ++r) {
        const D left(static_cast<double>(
            a[static_cast<std::int64_t>(r) * tile_.lda + static_cast<std::int64_t>(k)]));
        add(total[r][0], left * right.low, count);
        add(total[r][1], left * right.high, count);
      }
    }
    for (std::uint64_t r = 0; r < Rows; ++r) {
      double* c = tile_.c + static_cast<std::int64_t>(row + r) * tile_.ldc + column;
      store_results<Arch>(total[r], c, io.n);
    }
    return total_of(count);
  }
  void add(D& total, const D& product, D& count) const noexcept {
    const D sum = total + product;
    total = settle(sum);
    count = count + xsimd::select(sum != total, D(1.0), D(0.0));
  }
  /// Sum of all lanes, which hold counts below 2^53.
  static std::uint64_t total_of(const D& counts) noexcept {
    alignas(64) double lanes[D::size];
    counts.store_aligned(lanes);
    std::uint64_t sum = 0;
    for (const double lane : lanes) sum += static_cast<std::uint64_t>(lane);
    return sum;
  }

  const qloom_tile& tile_;
  D min_, max_, modulus_, inverse_;
};

}  // namespace qloom::kernels::simd
