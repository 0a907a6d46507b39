// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// A narrow floating-point register, rounded after each addition; chunks of products are added up
/// by themselves first, which bounds the error by chunk + k / chunk roundings. Wang et al. 2018.
///
/// exactness: total = 0; for each chunk: s = 0, s = R(s + product); total = R(total + s), R to the
///            format under the rule's rounding
/// errors:    QLOOM_E_INVALID for a bias with which the largest value is no float32
class FloatChunked {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_ACCUMULATOR_USES_ROUNDING;

  explicit FloatChunked(const Params& params)
      : chunk_(static_cast<std::uint64_t>(params.integer("/chunk"))) {
    const auto exponent_bits = params.integer("/exponent_bits");
    const auto bias = params.is_number("/bias") ? params.integer("/bias")
                                                : (std::int64_t{1} << (exponent_bits - 1)) - 1;
    const std::int64_t top = (std::int64_t{1} << exponent_bits) - 2 - bias;
    if (top > 127) {
      throw Error(QLOOM_E_INVALID, concat("/bias: ", bias, " makes the largest exponent ", top,
                                          ", expected 127 at most"));
    }
    format_.exponent_bits = static_cast<std::uint32_t>(exponent_bits);
    format_.mantissa_bits = static_cast<std::uint32_t>(params.integer("/mantissa_bits"));
    format_.bias = static_cast<std::int32_t>(bias);
    format_.specials = QLOOM_SPECIALS_IEEE;
    format_.subnormals = params.flag("/subnormals") ? 1 : 0;
    format_.saturate = params.text("/overflow") == "saturate" ? 1 : 0;
  }
  qloom_status accumulate(const qloom_call& call, const qloom_tile& tile,
                          std::uint64_t& overflows) const noexcept {
    return kernels().accumulate_float(&call, &tile, &format_, chunk_, &overflows);
  }
  [[nodiscard]] std::uint32_t bits() const noexcept {
    return 1 + format_.exponent_bits + format_.mantissa_bits;
  }

 private:
  std::uint64_t chunk_;
  qloom_float_format format_{};
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Accumulator<FloatChunked>)
