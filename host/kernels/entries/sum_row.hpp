// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// accumulate_float under a rounding method: the results of a row side by side, addition by
// addition.
#pragma once

#include <cmath>
#include <cstdint>

#include "host/kernels/core.hpp"
#include "host/kernels/entries/runs.hpp"
#include "host/kernels/reference/accumulate.hpp"

namespace qloom::kernels {

/// Up to kColumns results of one row. A method that draws no random words rounds each addition of
/// the whole row in one call. One that may draw is called for each result: the words of its
/// additions follow each other, those of its neighbours lie elsewhere.
template <const Core& kCore>
class SumRow {
 public:
  /// The whole tile; call and spec as ref::accumulate_float has them.
  static qloom_status rows(const qloom_call& call, const qloom_tile& t, const FloatSpec& spec,
                           std::uint64_t chunk, std::uint64_t& overflows) noexcept {
    for (std::uint64_t i = 0; i < t.m; ++i) {
      for (std::uint64_t j = 0; j < t.n; j += kColumns) {
        SumRow row(call, t, spec, i, j);
        const qloom_status status = row.run(chunk, overflows);
        if (status != QLOOM_OK) return status;
      }
    }
    return QLOOM_OK;
  }

 private:
  static constexpr std::uint64_t kColumns = 512;
  static_assert(kColumns % kWidest == 0);

  SumRow(const qloom_call& call, const qloom_tile& t, const FloatSpec& spec, std::uint64_t row,
         std::uint64_t column) noexcept
      : call_(call),
        tile_(t),
        spec_(spec),
        row_(row),
        column_(column),
        n_(smaller(t.n - column, kColumns)),
        draws_((call.rounding.ops->caps & QLOOM_ROUNDING_DRAWS_NOTHING) == 0) {}

  qloom_status run(std::uint64_t chunk, std::uint64_t& overflows) noexcept {
    const float* const a = tile_.a + static_cast<std::int64_t>(row_) * tile_.lda;
    const std::uint64_t chunks = ref::chunk_count(tile_.k, chunk);
    const std::uint64_t length = chunk == 0 ? tile_.k : chunk;
    additions_ = tile_.k + chunks;
    clear(total_);
    for (std::uint64_t c = 0, k = 0; c < chunks; ++c) {
      clear(s_);
      for (const std::uint64_t end = k + smaller(tile_.k - k, length); k < end; ++k) {
        const float* const b = tile_.b + static_cast<std::int64_t>(k) * tile_.ldb + column_;
        kCore.add_products(a[k], b, s_, sum_, n_);
        if (const qloom_status bad = round(s_, overflows); bad != QLOOM_OK) return bad;
      }
      for (std::uint64_t j = 0; j < padded(); ++j) sum_[j] = total_[j] + s_[j];
      if (const qloom_status bad = round(total_, overflows); bad != QLOOM_OK) return bad;
    }
    double* const out = tile_.c + static_cast<std::int64_t>(row_) * tile_.ldc + column_;
    for (std::uint64_t j = 0; j < n_; ++j) {
      out[j] = std::isnan(total_[j]) ? std::nan("") : total_[j];
    }
    return QLOOM_OK;
  }
  /// out = R(sum), the next addition of each result.
  qloom_status round(double* out, std::uint64_t& overflows) noexcept {
    kCore.split_sums(spec_, sum_, part_, n_);
    const qloom_rounding_ref& r = call_.rounding;
    const std::uint64_t result = tile_.first + row_ * tile_.row_step + column_;
    const std::uint64_t together = draws_ ? 1 : n_;
    for (std::uint64_t j = 0; j < n_; j += together) {
      const std::uint64_t word = (result + j) * additions_ + done_;
      const qloom_status status =
          r.ops->round(r.self, &call_, word, part_ + j, rounded_ + j, together);
      if (status != QLOOM_OK) return status;
    }
    ++done_;
    overflows += kCore.join_sums(spec_, sum_, rounded_, out, n_);
    return QLOOM_OK;
  }
  [[nodiscard]] std::uint64_t padded() const noexcept {
    return (n_ + kWidest - 1) / kWidest * kWidest;
  }
  void clear(double* row) const noexcept {
    for (std::uint64_t j = 0; j < padded(); ++j) row[j] = 0.0;
  }

  const qloom_call& call_;
  const qloom_tile& tile_;
  const FloatSpec& spec_;
  std::uint64_t row_, column_, n_;
  bool draws_;
  std::uint64_t additions_ = 0, done_ = 0;  // of each result
  alignas(64) double total_[kColumns], s_[kColumns], sum_[kColumns];
  alignas(64) float part_[kColumns], rounded_[kColumns] = {};
};

}  // namespace qloom::kernels
