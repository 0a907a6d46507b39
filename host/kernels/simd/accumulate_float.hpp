// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// ref::accumulate_float, vectorized across results, so that the order of every sum holds.
#pragma once

#include "host/kernels/core.hpp"
#include "host/kernels/simd/lane_words.hpp"
#include "host/kernels/simd/sum_rounder.hpp"
#include "host/kernels/simd/wide_tile.hpp"

namespace qloom::kernels::simd {

/// Sums of Rows x one batch of columns, and their overflows.
template <class Arch, std::uint32_t R, std::uint64_t Rows>
class FloatBlock {
 public:
  using D = Doubles<Arch>;
  using Sums = D[Rows][2];
  using Rounder = SumRounder<Arch, R>;
  static_assert(Rows == 1 || !Rounder::kDraws, "rows have words of their own");

  FloatBlock(const FloatJob& job, std::uint64_t row, std::uint64_t column) noexcept
      : tile_(*job.tile),
        round_sum_(job),
        a_(tile_.a + static_cast<std::int64_t>(row) * tile_.lda),
        b_(tile_.b + column),
        words_(job, tile_.first + row * tile_.row_step + column) {
    clear(total_);
  }
  /// Products begin .. end - 1 into a sum of their own, then that into the total.
  void add_chunk(const Part<Arch>& io, std::uint64_t begin, std::uint64_t end) noexcept {
    Sums s;
    clear(s);
    for (std::uint64_t k = begin; k < end; ++k) {
      const Floats<Arch> right = io.load(b_ + static_cast<std::int64_t>(k) * tile_.ldb);
      Sums product;
      for (std::uint64_t r = 0; r < Rows; ++r) {
        const Floats<Arch> left(
            a_[static_cast<std::int64_t>(r) * tile_.lda + static_cast<std::int64_t>(k)]);
        const Widened<Arch> wide = widen<Arch>(left * right);
        product[r][0] = wide.low;
        product[r][1] = wide.high;
      }
      add(s, product);
    }
    add(total_, s);
  }
  /// First n results of each row to c; returns their overflows.
  std::uint64_t store(double* c, std::uint64_t n) noexcept {
    for (std::uint64_t r = 0; r < Rows; ++r) {
      for (D& t : total_[r]) t = xsimd::select(t == t, t, D(__builtin_nan("")));
      store_results<Arch>(total_[r], c + static_cast<std::int64_t>(r) * tile_.ldc, n);
    }
    double lanes[kWidth<Arch>];
    store_results<Arch>(count_, lanes, n);
    std::uint64_t overflows = 0;
    for (std::uint64_t l = 0; l < n; ++l) overflows += static_cast<std::uint64_t>(lanes[l]);
    return overflows;
  }

 private:
  static void clear(Sums& sums) noexcept {
    for (auto& s : sums) s[0] = s[1] = D(0.0);
  }
  /// total = R(total + term)
  void add(Sums& total, const Sums& term) noexcept {
    const auto* const word = words_.next();
    Sums sum;
    for (std::uint64_t r = 0; r < Rows; ++r) {
      for (std::uint64_t p = 0; p < 2; ++p) sum[r][p] = total[r][p] + term[r][p];
    }
    if (all_usual(sum)) {
      for (std::uint64_t r = 0; r < Rows; ++r) {
        for (std::uint64_t p = 0; p < 2; ++p) total[r][p] = round_sum_.quick(sum[r][p], word[p]);
      }
    } else if constexpr (Rounder::kHasQuick) {
      Sums rounded;  // a copy, so that the sums need not lie in memory
      round(sum, word, rounded);
      for (std::uint64_t r = 0; r < Rows; ++r) {
        for (std::uint64_t p = 0; p < 2; ++p) total[r][p] = rounded[r][p];
      }
    } else {
      for (std::uint64_t r = 0; r < Rows; ++r) {
        for (std::uint64_t p = 0; p < 2; ++p) {
          total[r][p] = round_sum_(sum[r][p], word[p], count_[p]);
        }
      }
    }
  }
  [[gnu::noinline]] void round(const Sums& sum, const Wide<Arch>* word, Sums& rounded) noexcept {
#pragma GCC unroll 1
    for (std::uint64_t i = 0; i < 2 * Rows; ++i) {
      rounded[i / 2][i % 2] = round_sum_(sum[i / 2][i % 2], word[i % 2], count_[i % 2]);
    }
  }
  bool all_usual(const Sums& sum) const noexcept {
    if constexpr (!Rounder::kHasQuick) return false;
    auto usual = round_sum_.is_usual(sum[0][0]);
    for (const auto& row : sum) {
      for (const D& lanes : row) usual = usual && round_sum_.is_usual(lanes);
    }
    if (xsimd::all(usual)) return true;
    usual = round_sum_.is_usual_or_zero(sum[0][0]);  // rarely zeros alone stand in the way
    for (const auto& row : sum) {
      for (const D& lanes : row) usual = usual && round_sum_.is_usual_or_zero(lanes);
    }
    return xsimd::all(usual);
  }

  const qloom_tile& tile_;
  Rounder round_sum_;
  const float *a_, *b_;
  std::conditional_t<Rounder::kDraws, LaneWords<Arch>, NoWords<Arch>> words_;
  Sums total_;
  D count_[2] = {D(0.0), D(0.0)};
};

/// Results of Rows x one batch of columns; returns overflows of the first `columns` lanes.
template <class Arch, std::uint32_t R, std::uint64_t Rows>
inline std::uint64_t float_rows(const FloatJob& job, std::uint64_t row, std::uint64_t column,
                                std::uint64_t columns) noexcept {
  const qloom_tile& tile = *job.tile;
  FloatBlock<Arch, R, Rows> block(job, row, column);
  const std::uint64_t chunks = job.additions - tile.k;
  const std::uint64_t length = chunks == 1 ? tile.k : job.chunk;
  std::uint64_t begin = 0;
  for (std::uint64_t c = 0; c < chunks; ++c) {
    const std::uint64_t end = tile.k - begin < length ? tile.k : begin + length;
    block.add_chunk(Part<Arch>{columns}, begin, end);
    begin = end;
  }
  return block.store(tile.c + static_cast<std::int64_t>(row) * tile.ldc + column, columns);
}

template <class Arch, std::uint32_t R>
std::uint64_t accumulate_float(const FloatJob& job) noexcept {
  constexpr std::uint64_t kRowBlock = SumRounder<Arch, R>::kDraws ? 1 : 4;
  const qloom_tile& tile = *job.tile;
  std::uint64_t overflows = 0;
  for (std::uint64_t j = 0; j < tile.n; j += kWidth<Arch>) {
    const std::uint64_t n = tile.n - j < kWidth<Arch> ? tile.n - j : kWidth<Arch>;
    std::uint64_t i = 0;
    for (; i + kRowBlock <= tile.m; i += kRowBlock) {
      overflows += float_rows<Arch, R, kRowBlock>(job, i, j, n);
    }
    for (; i < tile.m; ++i) overflows += float_rows<Arch, R, 1>(job, i, j, n);
  }
  return overflows;
}

}  // namespace qloom::kernels::simd
