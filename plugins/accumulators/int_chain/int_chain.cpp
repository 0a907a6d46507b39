// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <array>

#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// Short chains of products in a narrow two's-complement register, whose sums are spilled into a
/// wide one: what integer training on 16-bit operands does, of which two products can fill 32 bits.
///
/// spill:     int64: exact below 2^53, so that without an overflow of a chain the result is the
/// exact
///            sum; float32: a chain's sum is rounded to float32 and added in float32, ties to even
/// range:     whole numbers of at most 2^24; who calls sees to it
class IntChain {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_ACCUMULATOR_INTEGER;

  explicit IntChain(const Params& params)
      : bits_(static_cast<std::uint32_t>(params.integer("/bits"))),
        wrap_(params.text("/overflow") == "wrap" ? 1 : 0),
        chain_(static_cast<std::uint64_t>(params.integer("/chain"))),
        is_float_(params.text("/spill") == "float32") {}

  void accumulate(const qloom_call&, const qloom_tile& tile,
                  std::uint64_t& overflows) const noexcept {
    for (std::uint64_t i = 0; i < tile.m; ++i) {
      for (std::uint64_t j = 0; j < tile.n; j += kColumns) {
        row(tile, i, j, std::min(kColumns, tile.n - j), overflows);
      }
    }
  }
  [[nodiscard]] std::uint32_t bits() const noexcept { return bits_; }

 private:
  static constexpr std::uint64_t kColumns = 256;

  /// Results j .. j + n - 1 of row i.
  void row(const qloom_tile& tile, std::uint64_t i, std::uint64_t j, std::uint64_t n,
           std::uint64_t& overflows) const noexcept {
    double* const c = tile.c + static_cast<std::int64_t>(i) * tile.ldc + j;
    std::fill_n(c, n, 0.0);
    alignas(64) std::array<double, kColumns> sums;
    qloom_tile part = tile;
    part.c = sums.data();
    part.m = 1;
    part.n = n;
    for (std::uint64_t k = 0; k < tile.k; k += chain_) {
      part.a = tile.a + static_cast<std::int64_t>(i) * tile.lda + k;
      part.b = tile.b + static_cast<std::int64_t>(k) * tile.ldb + j;
      part.k = std::min(chain_, tile.k - k);
      kernels().accumulate_integer(&part, bits_, wrap_, &overflows);
      for (std::uint64_t e = 0; e < n; ++e) {
        c[e] = is_float_
                   ? static_cast<double>(static_cast<float>(c[e]) + static_cast<float>(sums[e]))
                   : c[e] + sums[e];
      }
    }
  }

  std::uint32_t bits_, wrap_;
  std::uint64_t chain_;
  bool is_float_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Accumulator<IntChain>)
