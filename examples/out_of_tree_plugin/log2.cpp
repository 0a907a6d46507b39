// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// acme.log2: powers of two and zero, rounded to nearest in the log domain
// (Miyashita, Lee, Murmann, 2016, section 3.1).
#include <cmath>
#include <cstdint>
#include <vector>

#include <qloom/sdk.hpp>
#include <qloom/xtensor.hpp>
#include <xtensor/xmath.hpp>
#include <xtensor/xtensor.hpp>

#include "qloom_manifest.h"

namespace acme {
namespace {

/// round(log2 x) for finite x > 0, exact, without a logarithm: x = m * 2^e with m in [1/2, 1), so
/// log2 x = e + log2 m, and log2 m rounds to 0 above sqrt(1/2), else to -1. There are no ties:
/// sqrt(1/2) is irrational; kRootHalf is the largest float below it.
int nearest_exponent(float x) noexcept {
  constexpr float kRootHalf = 0x1.6a09e6p-1F;
  int e = 0;
  const float m = std::frexp(x, &e);
  return m > kRootHalf ? e : e - 1;
}

/// Codes 0 .. 2 * levels per group stand for -2^top .. -2^(top - levels + 1), 0,
/// 2^(top - levels + 1) .. 2^top, ascending. Gradient: straight through.
///
/// shape:       one table of codes per group
/// range:       magnitudes that round above 2^top saturate, NaN gives 0
/// exactness:   powers of two are exact in float32 (below 2^-149 they are 0)
class Log2 {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_WANTS_TENSOR;

  explicit Log2(const qloom::sdk::Params& params)
      : bits_(static_cast<int>(params.integer("/bits"))), levels_((1 << (bits_ - 1)) - 1) {}

  void prepare(const qloom_prepare& in) {
    const auto x = qloom::sdk::grouped_view(in.x);
    const xt::xtensor<float, 1> largest = xt::amax(xt::abs(x), {0, 2});
    const auto size = static_cast<std::size_t>(2 * levels_ + 1);
    top_.assign(largest.size(), 0);
    codebook_.assign(largest.size() * size, 0.0F);
    for (std::size_t g = 0; g < largest.size(); ++g) {
      if (largest(g) > 0) top_[g] = nearest_exponent(largest(g));
      float* zero = &codebook_[g * size + static_cast<std::size_t>(levels_)];
      for (int k = 1; k <= levels_; ++k) {
        zero[k] = std::ldexp(1.0F, top_[g] - levels_ + k);
        zero[-k] = -zero[k];
      }
    }
  }

  void encode(const qloom_call&, const qloom_block& block, const float* x,
              std::int32_t* code) const noexcept {
    qloom::sdk::for_each_run(block, [&](std::uint64_t i, std::uint64_t n, std::uint64_t g) {
      for (std::uint64_t end = i + n; i < end; ++i) code[i] = code_of(x[i], top_[g]);
    });
  }
  void decode(const qloom_block& block, const std::int32_t* code, float* y) const noexcept {
    qloom::sdk::for_each_run(block, [&](std::uint64_t i, std::uint64_t n, std::uint64_t g) {
      for (std::uint64_t end = i + n; i < end; ++i) y[i] = value_of(code[i], g);
    });
  }
  void apply(const qloom_call&, const qloom_block& block, const float* x, float* y) const noexcept {
    qloom::sdk::for_each_run(block, [&](std::uint64_t i, std::uint64_t n, std::uint64_t g) {
      for (std::uint64_t end = i + n; i < end; ++i) y[i] = value_of(code_of(x[i], top_[g]), g);
    });
  }

  void encoding(qloom_encoding& out) const {
    out.kind = QLOOM_ENCODING_CODEBOOK;
    out.bits = static_cast<std::uint32_t>(bits_);
    out.groups = top_.size();
    out.codebook = codebook_.data();
    out.codebook_size = static_cast<std::uint64_t>(2 * levels_ + 1);
  }
  void context(qloom_range_context& out) const {
    out.bits = static_cast<std::uint32_t>(bits_);
    out.is_signed = 1;
    out.levels = static_cast<std::uint64_t>(2 * levels_ + 1);
    out.symmetric = 1;
  }

 private:
  [[nodiscard]] std::int32_t code_of(float x, int top) const noexcept {
    const float magnitude = std::fabs(x);
    if (!(magnitude > 0)) return levels_;
    int k = std::isinf(x) ? levels_ : nearest_exponent(magnitude) - top + levels_;
    k = k < 0 ? 0 : k > levels_ ? levels_ : k;
    return x < 0 ? levels_ - k : levels_ + k;
  }
  [[nodiscard]] float value_of(std::int32_t code, std::uint64_t group) const noexcept {
    return codebook_[group * static_cast<std::uint64_t>(2 * levels_ + 1) +
                     static_cast<std::uint64_t>(code)];
  }

  int bits_, levels_;            // levels: powers of two of one sign
  std::vector<int> top_;         // full-scale exponent per group
  std::vector<float> codebook_;  // groups x (2 levels + 1)
};

}  // namespace
}  // namespace acme

QLOOM_METHODS(qloom::sdk::Quantizer<acme::Log2>)
