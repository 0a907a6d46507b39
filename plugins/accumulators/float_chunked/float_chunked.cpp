// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
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
    qloom_status status = QLOOM_OK;
    const qloom_status memory = guarded(call.error, [&] {
      Columns columns(tile.k, std::min(tile.n, kColumns));
      for (std::uint64_t i = 0; i < tile.m; ++i) {
        for (std::uint64_t j = 0; j < tile.n && status == QLOOM_OK; j += kColumns) {
          status = accumulate_columns(call, tile, i, j, columns, overflows);
        }
      }
    });
    return memory != QLOOM_OK ? memory : status;
  }
  [[nodiscard]] std::uint32_t bits() const noexcept {
    return 1 + format_.exponent_bits + format_.mantissa_bits;
  }

 private:
  static constexpr std::uint64_t kColumns = 32;
  struct Columns {  // k x n products, in float32 and in their format
    Columns(std::uint64_t k, std::uint64_t n) : ones(k, 1.0F), product(k * n), rounded(k * n) {}
    std::vector<float> ones, product, rounded;
  };

  /// Results j and after of row i, kColumns at most: sums of rounded products, each times 1.
  qloom_status accumulate_columns(const qloom_call& call, const qloom_tile& tile, std::uint64_t i,
                                  std::uint64_t j, Columns& columns,
                                  std::uint64_t& overflows) const noexcept {
    const std::uint64_t n = std::min(kColumns, tile.n - j);
    const auto row = static_cast<std::int64_t>(i), width = static_cast<std::int64_t>(n);
    float* product = columns.product.data();
    for (std::uint64_t k = 0; k < tile.k; ++k) {
      const float a = tile.a[row * tile.lda + static_cast<std::int64_t>(k)];
      const float* const b = tile.b + static_cast<std::int64_t>(k) * tile.ldb + j;
      product = std::transform(b, b + n, product, [a](float value) { return a * value; });
    }
    qloom_call nearest = call;
    nearest.rounding = {nullptr, nullptr, QLOOM_ROUND_NEAREST_EVEN, 0};
    const qloom_block block{0, tile.k * n, 1, 1, 0, 1};
    const qloom_status status =
        kernels().minifloat(&nearest, &product_format_, &block, columns.product.data(),
                            columns.rounded.data(), nullptr);
    if (status != QLOOM_OK) return status;
    qloom_tile part = tile;
    part.a = columns.ones.data();
    part.b = columns.rounded.data();
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
