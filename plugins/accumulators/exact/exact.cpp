// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>

#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// The exact sum of integer codes; of real values the sum in double.
///
/// exactness: a product of two floats is exact in double; sums of integer products are while they
///            stay below 2^53, that is for 2^21 products of 16-bit codes
class Exact {
 public:
  explicit Exact(const Params&) {}
  void accumulate(const qloom_call&, const qloom_tile& t, std::uint64_t&) const noexcept {
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(t.m); ++i) {
      double* c = t.c + i * t.ldc;
      std::fill_n(c, t.n, 0.0);
      for (std::int64_t k = 0; k < static_cast<std::int64_t>(t.k); ++k) {
        const double a = t.a[i * t.lda + k];
        const float* b = t.b + k * t.ldb;
        for (std::uint64_t j = 0; j < t.n; ++j) c[j] += a * static_cast<double>(b[j]);
      }
    }
  }
  [[nodiscard]] bool is_exact() const noexcept { return true; }
  [[nodiscard]] std::uint32_t bits() const noexcept { return 64; }
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Accumulator<Exact>)
