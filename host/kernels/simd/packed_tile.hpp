// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A dot-product tile of 16-bit codes in integer lanes: the codes are packed part by part, so that
// both operands stay in the first-level cache, and some rows share a load of b.
#pragma once

#include <qloom/abi.h>

#include "host/kernels/simd/lanes.hpp"

namespace qloom::kernels::simd {

/// Register has
///   Lanes       integers, one per result
///   kProducts   products per addition: 1 or 2
///   kCounts     whether a sum may not fit
///   add(total, left, right, equal): the next total; takes 1 off `equal` in lanes whose sums fit.
///               left: a code in both halves of a word (or two codes); right: codes as packed here.
template <class Arch, class Register>
class PackedTile {
 public:
  /// Writes the results; returns how many additions did not fit.
  static std::uint64_t run(const qloom_tile& tile, std::uint32_t width) noexcept {
    PackedTile part(tile, width);
    std::uint64_t overflows = 0;
    for (std::uint64_t row = 0; row < tile.m; row += kRows) {
      const std::uint64_t rows = tile.m - row < kRows ? tile.m - row : kRows;
      for (std::uint64_t k = 0; k == 0 || k < tile.k; k += kDepth) {
        part.pack_left(row, rows, k);
        for (std::uint64_t j = 0; j < tile.n; j += kLanes) {
          part.pack_right(k, j);
          overflows += part.add_rows(row, rows, k == 0, j);
        }
      }
    }
    return overflows;
  }

 private:
  using Lanes = typename Register::Lanes;
  using Lane = typename Lanes::value_type;
  static constexpr std::uint64_t kLanes = Lanes::size;
  static constexpr std::uint64_t kProducts = Register::kProducts;
  static constexpr std::uint64_t kRows = 32, kSteps = 128, kDepth = kSteps * kProducts;
  static constexpr std::uint64_t kBlock = 4;

  PackedTile(const qloom_tile& tile, std::uint32_t width) noexcept
      : tile_(tile), register_(width) {}

  /// Words of rows row .. from product k on; an odd last code gets a 0 beside it, and the last
  /// block's missing rows are 0.
  void pack_left(std::uint64_t row, std::uint64_t rows, std::uint64_t k) noexcept {
    const std::uint64_t depth = tile_.k - k < kDepth ? tile_.k - k : kDepth;
    steps_ = (depth + kProducts - 1) / kProducts;
    for (std::uint64_t r = 0; r < rows; ++r) {
      const float* a = tile_.a + static_cast<std::int64_t>(row + r) * tile_.lda + k;
      for (std::uint64_t s = 0; s < depth / kProducts; ++s) {
        left_[r][s] = word(a[s * kProducts], a[s * kProducts + kProducts - 1]);
      }
      if (depth % kProducts != 0) left_[r][steps_ - 1] = word(a[depth - 1], 0.0F);
    }
    for (std::uint64_t r = rows; r % kBlock != 0; ++r) std::memset(left_[r], 0, sizeof(left_[r]));
  }
  /// Columns j .. j + kLanes - 1; columns past the end are 0.
  void pack_right(std::uint64_t k, std::uint64_t j) noexcept {
    columns_ = tile_.n - j < kLanes ? tile_.n - j : kLanes;
    for (std::uint64_t s = 0; s < steps_; ++s) {
      const std::uint64_t p = k + s * kProducts;
      const float* b = tile_.b + static_cast<std::int64_t>(p) * tile_.ldb + j;
      const bool is_whole = p + kProducts <= tile_.k;
      const float* last =
          is_whole ? b + static_cast<std::int64_t>(kProducts - 1) * tile_.ldb : kNone;
      for (std::uint64_t l = 0; l < columns_; ++l) right_[s][l] = lane(b[l], last[l]);
      for (std::uint64_t l = columns_; l < kLanes; ++l) right_[s][l] = 0;
    }
  }
  static std::int32_t word(float first, float second) noexcept {
    return (static_cast<std::int32_t>(first) & 0xFFFF) | static_cast<std::int32_t>(second) << 16;
  }
  static Lane lane(float first, float second) noexcept {
    if constexpr (sizeof(Lane) == 2)
      return static_cast<Lane>(static_cast<std::int32_t>(first));
    else if constexpr (kProducts == 2)
      return word(first, second);
    else
      return static_cast<std::int32_t>(first) & 0xFFFF;
  }

  std::uint64_t add_rows(std::uint64_t row, std::uint64_t rows, bool is_first,
                         std::uint64_t j) const noexcept {
    std::uint64_t overflows = 0;
    for (std::uint64_t r = 0; r < rows; r += kBlock) {
      const std::uint64_t count = rows - r < kBlock ? rows - r : kBlock;
      overflows += add_block(tile_.c + static_cast<std::int64_t>(row + r) * tile_.ldc + j, r, count,
                             is_first);
    }
    return overflows;
  }
  /// Rows r .. r + count - 1 of the packed ones to c. Between two parts of k the totals lie there.
  std::uint64_t add_block(double* c, std::uint64_t r, std::uint64_t count,
                          bool is_first) const noexcept {
    alignas(64) Lane lanes[kBlock][kLanes] = {};
    for (std::uint64_t i = 0; !is_first && i < count; ++i) {
      const double* from = c + static_cast<std::int64_t>(i) * tile_.ldc;
      for (std::uint64_t l = 0; l < columns_; ++l) lanes[i][l] = static_cast<Lane>(from[l]);
    }
    Lanes total[kBlock], equal(Lane(0));
    for (std::uint64_t i = 0; i < kBlock; ++i) total[i] = Lanes::load_aligned(lanes[i]);
    for (std::uint64_t s = 0; s < steps_; ++s) {
      const Lanes right = Lanes::load_aligned(right_[s]);
      for (std::uint64_t i = 0; i < kBlock; ++i) {
        total[i] = register_.add(total[i], Ints<Arch>(left_[r + i][s]), right, equal);
      }
    }
    for (std::uint64_t i = 0; i < kBlock; ++i) total[i].store_aligned(lanes[i]);
    for (std::uint64_t i = 0; i < count; ++i) {
      double* to = c + static_cast<std::int64_t>(i) * tile_.ldc;
      for (std::uint64_t l = 0; l < columns_; ++l) to[l] = static_cast<double>(lanes[i][l]);
    }
    if constexpr (Register::kCounts)
      return kBlock * steps_ * kLanes - magnitude_of(equal);
    else
      return 0;
  }
  /// Sum of all lanes, which hold counts from -kBlock * kSteps to 0, less their sign.
  static std::uint64_t magnitude_of(const Lanes& counts) noexcept {
    alignas(64) Lane lanes[kLanes];
    counts.store_aligned(lanes);
    std::int64_t sum = 0;
    for (const Lane n : lanes) sum -= n;
    return static_cast<std::uint64_t>(sum);
  }

  static constexpr float kNone[kLanes] = {};
  const qloom_tile& tile_;
  Register register_;
  std::uint64_t steps_ = 0, columns_ = 0;
  alignas(64) Lane right_[kSteps][kLanes];
  alignas(64) std::int32_t left_[kRows][kSteps];
};

}  // namespace qloom::kernels::simd
