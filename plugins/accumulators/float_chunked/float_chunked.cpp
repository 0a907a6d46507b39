// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <qloom/float_format.hpp>
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
      : chunk_(static_cast<std::uint64_t>(params.integer("/chunk"))),
        format_(float_format(params, QLOOM_SPECIALS_IEEE)) {
    static_cast<void>(top_of(format_));
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
  qloom_float_format format_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Accumulator<FloatChunked>)
