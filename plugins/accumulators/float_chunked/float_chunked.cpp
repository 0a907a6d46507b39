// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <array>
#include <vector>

#include <qloom/float_format.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// A narrow floating-point register, rounded after each addition; chunks of products are added up
/// by themselves first, which bounds the error by chunk + k / chunk roundings. Wang et al. 2018.
///
/// exactness: total = 0; for each chunk: s = 0, s = R(s + P(product)); total = R(total + s), R to
///            the format under the rule's rounding, P to the format of products, nearest, ties to
///            even
/// errors:    QLOOM_E_INVALID for a bias with which the largest value is no float32
class FloatChunked {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_ACCUMULATOR_USES_ROUNDING;

  explicit FloatChunked(const Params& params)
      : chunk_(static_cast<std::uint64_t>(params.integer("/chunk"))),
        format_(float_format(params, QLOOM_SPECIALS_IEEE)),
        product_format_(format_),
        rounds_products_(params.is_number("/product_format/exponent_bits")) {
    static_cast<void>(top_of(format_));
    if (!rounds_products_) return;
    const auto bits = [&](const char* pointer) {
      return static_cast<std::uint32_t>(params.integer(pointer));
    };
    product_format_.exponent_bits = bits("/product_format/exponent_bits");
    product_format_.mantissa_bits = bits("/product_format/mantissa_bits");
    product_format_.bias = (1 << (product_format_.exponent_bits - 1)) - 1;
  }
  qloom_status accumulate(const qloom_call& call, const qloom_tile& tile,
                          std::uint64_t& overflows) const noexcept {
    if (!rounds_products_) {
      return kernels().accumulate_float(&call, &tile, &format_, chunk_, &overflows);
    }
    if (tile.k <= kShortSum) {  // what most layers have, without asking for memory
      std::array<float, kShortSum + 2 * kProducts> room;
      return accumulate_rows(call, tile, room.data(),
                             std::min(kColumns, kProducts / std::max<std::uint64_t>(1, tile.k)),
                             overflows);
    }
    qloom_status status = QLOOM_OK;
    const qloom_status memory = guarded(call.error, [&] {
      std::vector<float> room(tile.k * (1 + 2 * kColumns));
      status = accumulate_rows(call, tile, room.data(), kColumns, overflows);
    });
    return memory != QLOOM_OK ? memory : status;
  }
  [[nodiscard]] std::uint32_t bits() const noexcept {
    return 1 + format_.exponent_bits + format_.mantissa_bits;
  }

 private:
  static constexpr std::uint64_t kColumns = 32, kShortSum = 2048, kProducts = 8192;
  struct Columns {  // k x n products, in float32 and in their format
    float *ones, *product, *rounded;
    std::uint64_t n;
  };

  /// room: for k and twice k x columns values.
  qloom_status accumulate_rows(const qloom_call& call, const qloom_tile& tile, float* room,
                               std::uint64_t columns, std::uint64_t& overflows) const noexcept {
    const Columns own{room, room + tile.k, room + tile.k * (1 + columns), columns};
    std::fill_n(own.ones, tile.k, 1.0F);
    for (std::uint64_t i = 0; i < tile.m; ++i) {
      for (std::uint64_t j = 0; j < tile.n; j += columns) {
        const qloom_status status = accumulate_columns(call, tile, i, j, own, overflows);
        if (status != QLOOM_OK) return status;
      }
    }
    return QLOOM_OK;
  }

  /// Results j and after of row i, columns.n at most: sums of rounded products, each times 1.
  qloom_status accumulate_columns(const qloom_call& call, const qloom_tile& tile, std::uint64_t i,
                                  std::uint64_t j, const Columns& columns,
                                  std::uint64_t& overflows) const noexcept {
    const std::uint64_t n = std::min(columns.n, tile.n - j);
    const auto row = static_cast<std::int64_t>(i), width = static_cast<std::int64_t>(n);
    float* product = columns.product;
    for (std::uint64_t k = 0; k < tile.k; ++k) {
      const float a = tile.a[row * tile.lda + static_cast<std::int64_t>(k)];
      const float* const b = tile.b + static_cast<std::int64_t>(k) * tile.ldb + j;
      product = std::transform(b, b + n, product, [a](float value) { return a * value; });
    }
    qloom_call nearest = call;
    nearest.rounding = {nullptr, nullptr, QLOOM_ROUND_NEAREST_EVEN, 0};
    const qloom_block block{0, tile.k * n, 1, 1, 0, 1};
    const qloom_status status = kernels().minifloat(&nearest, &product_format_, &block,
                                                    columns.product, columns.rounded, nullptr);
    if (status != QLOOM_OK) return status;
    qloom_tile part = tile;
    part.a = columns.ones;
    part.b = columns.rounded;
    part.ldb = width;
    part.c = tile.c + row * tile.ldc + j;
    part.m = 1;
    part.n = n;
    part.first = tile.first + i * tile.row_step + j;
    return kernels().accumulate_float(&call, &part, &format_, chunk_, &overflows);
  }

  std::uint64_t chunk_;
  qloom_float_format format_, product_format_;
  bool rounds_products_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Accumulator<FloatChunked>)
