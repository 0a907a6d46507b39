// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include <qloom/sdk.hpp>

#include "long_register.hpp"
#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;
using qloom::exact::LongRegister;
using qloom::exact::Wide;

/// What all elements of a matrix have in common.
struct Bounds {
  std::int32_t largest = 0;          // bits of the largest magnitude
  std::int32_t lowest = 0x7F800000;  // smallest exponent field, in place, but for zeros
  bool is_whole = true;              // integers all
  [[nodiscard]] bool is_finite() const noexcept { return largest < 0x7F800000; }
  [[nodiscard]] double magnitude() const noexcept {
    return static_cast<double>(std::bit_cast<float>(largest));
  }
  /// All elements are multiples of 2^unit.
  [[nodiscard]] int unit() const noexcept {
    const int last_bit = std::max(lowest >> 23, 1) - 150;
    return is_whole ? std::max(last_bit, 0) : last_bit;
  }
  /// Bits of the elements in that unit, without the sign.
  [[nodiscard]] int bits() const noexcept {
    return largest == 0 ? 0 : std::max(largest >> 23, 1) - 126 - unit();
  }
};

/// rows x columns elements, `pitch` from row to row.
Bounds bounds_of(const float* x, std::uint64_t rows, std::uint64_t columns,
                 std::int64_t pitch) noexcept {
  std::int32_t largest = 0, lowest = 0x7F800000, fractions = 0;
  vectorized([&] {
    for (std::uint64_t r = 0; r < rows; ++r) {
      const float* row = x + static_cast<std::int64_t>(r) * pitch;
      for (std::uint64_t i = 0; i < columns; ++i) {
        constexpr float kWhole = 0x1p23F;  // floats from here on have no fraction
        const float size = std::fabs(row[i]);
        const auto bits = std::bit_cast<std::int32_t>(size);
        const std::int32_t field = bits == 0 ? 0x7F800000 : bits & 0x7F800000;
        largest = bits > largest ? bits : largest;
        lowest = field < lowest ? field : lowest;
        const float rounded = (size + kWhole) - kWhole;
        fractions |= (size < kWhole ? 1 : 0) & (rounded != size ? 1 : 0);
      }
    }
  });
  return {largest, lowest, fractions == 0};
}

double& result(const qloom_tile& t, std::uint64_t i, std::uint64_t j) noexcept {
  return t.c[static_cast<std::int64_t>(i) * t.ldc + static_cast<std::int64_t>(j)];
}

/// Sums of which a double holds every part.
void add_doubles(const qloom_tile& t) noexcept {
  vectorized([&] {
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(t.m); ++i) {
      double* c = t.c + i * t.ldc;
      std::fill_n(c, t.n, 0.0);
      for (std::int64_t k = 0; k < static_cast<std::int64_t>(t.k); ++k) {
        const double a = t.a[i * t.lda + k];
        const float* b = t.b + k * t.ldb;
        QLOOM_INDEPENDENT_STEPS
        for (std::uint64_t j = 0; j < t.n; ++j) c[j] += a * static_cast<double>(b[j]);
      }
    }
  });
}

/// Sums of products of 64-bit integers in 128 bits.
class WordSums {
 public:
  WordSums(const qloom_tile& tile, const Bounds& a, const Bounds& b) noexcept
      : tile_(tile),
        left_factor_(std::ldexp(1.0, -a.unit())),
        right_factor_(std::ldexp(1.0, -b.unit())),
        unit_(a.unit() + b.unit()) {}

  void run() noexcept {
    for (std::uint64_t j = 0; j < tile_.n; j += kColumns) {
      for (std::uint64_t i = 0; i < tile_.m; i += kRows) {
        block(i, std::min(kRows, tile_.m - i), j, std::min(kColumns, tile_.n - j));
      }
    }
  }

 private:
  static constexpr std::uint64_t kRows = 8, kColumns = 16, kDepth = 128;

  void block(std::uint64_t i, std::uint64_t rows, std::uint64_t j, std::uint64_t columns) noexcept {
    Wide sums[kRows][kColumns] = {};
    for (std::uint64_t k = 0; k < tile_.k; k += kDepth) {
      const std::uint64_t depth = std::min(kDepth, tile_.k - k);
      convert(i, rows, j, columns, k, depth);
      for (std::uint64_t r = 0; r < rows; ++r) {
        for (std::uint64_t c = 0; c < columns; ++c) {
          Wide sum = sums[r][c];
          for (std::uint64_t d = 0; d < depth; ++d) sum += Wide{left_[r][d]} * right_[c][d];
          sums[r][c] = sum;
        }
      }
    }
    for (std::uint64_t r = 0; r < rows; ++r) {
      for (std::uint64_t c = 0; c < columns; ++c) {
        result(tile_, i + r, j + c) = qloom::exact::rounded_to_odd(sums[r][c], unit_);
      }
    }
  }
  /// Operands k .. k + depth - 1 in their units, those of b by column.
  void convert(std::uint64_t i, std::uint64_t rows, std::uint64_t j, std::uint64_t columns,
               std::uint64_t k, std::uint64_t depth) noexcept {
    for (std::uint64_t r = 0; r < rows; ++r) {
      const float* a = tile_.a + static_cast<std::int64_t>(i + r) * tile_.lda + k;
      for (std::uint64_t d = 0; d < depth; ++d) {
        left_[r][d] = static_cast<std::int64_t>(static_cast<double>(a[d]) * left_factor_);
      }
    }
    for (std::uint64_t d = 0; d < depth; ++d) {
      const float* b = tile_.b + static_cast<std::int64_t>(k + d) * tile_.ldb + j;
      for (std::uint64_t c = 0; c < columns; ++c) {
        right_[c][d] = static_cast<std::int64_t>(static_cast<double>(b[c]) * right_factor_);
      }
    }
  }

  const qloom_tile& tile_;
  double left_factor_, right_factor_;
  int unit_;
  std::int64_t left_[kRows][kDepth], right_[kColumns][kDepth];
};

/// The definition.
void add_long(const qloom_tile& t) noexcept {
  for (std::uint64_t i = 0; i < t.m; ++i) {
    for (std::uint64_t j = 0; j < t.n; ++j) {
      const float* a = t.a + static_cast<std::int64_t>(i) * t.lda;
      LongRegister sum;
      double beyond = 0.0;  // sum of the products that are not finite
      for (std::uint64_t k = 0; k < t.k; ++k) {
        const float left = a[k],
                    right =
                        t.b[static_cast<std::int64_t>(k) * t.ldb + static_cast<std::int64_t>(j)];
        if (std::isfinite(left) && std::isfinite(right))
          sum.add_product(left, right);
        else
          beyond += static_cast<double>(left) * static_cast<double>(right);
      }
      result(t, i, j) = beyond == 0.0        ? sum.rounded_to_odd()
                        : std::isnan(beyond) ? std::nan("")
                                             : beyond;
    }
  }
}

/// The exact sum of all products, as if in a register of 640 bits.
///
/// range:     infinities and NaN as IEEE 754 adds them; a sum of 0 is +0
/// exactness: c is the sum where a double holds it, otherwise the sum rounded to odd, so that the
///            one rounding that follows, to float32, is that of the sum itself. Shorter registers
///            are used where the largest and the smallest operands of a tile prove that they hold
///            every part of every sum: doubles for codes, 128 bits for numbers of similar size.
class Exact {
 public:
  explicit Exact(const Params&) {}
  void accumulate(const qloom_call&, const qloom_tile& t, std::uint64_t&) const noexcept {
    const Bounds a = bounds_of(t.a, t.m, t.k, t.lda), b = bounds_of(t.b, t.k, t.n, t.ldb);
    if (!a.is_finite() || !b.is_finite()) return add_long(t);
    constexpr double kDoubleExact = 0x1p53;  // integers up to here are doubles
    const double most = a.magnitude() * b.magnitude() * static_cast<double>(t.k);
    if (a.is_whole && b.is_whole && most < kDoubleExact) return add_doubles(t);
    const int growth = std::bit_width(t.k);  // t.k < 2^growth
    if (a.bits() <= 62 && b.bits() <= 62 && a.bits() + b.bits() + growth <= 126) {
      return WordSums(t, a, b).run();
    }
    add_long(t);
  }
  [[nodiscard]] bool is_exact() const noexcept { return true; }
  [[nodiscard]] std::uint32_t bits() const noexcept { return LongRegister::kBits; }
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Accumulator<Exact>)
