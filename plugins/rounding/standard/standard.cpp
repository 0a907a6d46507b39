// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The eight rounding modes that the host's kernels know: x in grid steps -> integer. Their scalar
// definitions lie with the kernels; plugin.json says each in words.
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using qloom::sdk::LoweredRounding;
using qloom::sdk::Params;
using qloom::sdk::Rounding;

/// floor(x) + 1 with probability x - floor(x), decided by `random_bits` bits of the element's
/// random word, else floor(x); the same with |x| and its sign where the kernel that calls has a
/// format of sign and magnitude. Grid points stay. Bias: at most 2^-random_bits steps, downwards;
/// with the fraction rounded to nearest first half of that, on average none. For -1/2 < x < 0 the
/// fraction x - floor(x) is off by up to 2^-25.
class Stochastic : public LoweredRounding<QLOOM_ROUND_STOCHASTIC> {
 public:
  explicit Stochastic(const Params& params) : LoweredRounding(params) {
    argument_ = static_cast<std::uint32_t>(params.integer("/random_bits"));
    if (params.text("/fraction") == "nearest") argument_ |= QLOOM_STOCHASTIC_NEAREST_FRACTION;
  }
};

}  // namespace

QLOOM_METHODS(Rounding<LoweredRounding<QLOOM_ROUND_NEAREST_EVEN>>,
              Rounding<LoweredRounding<QLOOM_ROUND_NEAREST_AWAY>>,
              Rounding<LoweredRounding<QLOOM_ROUND_NEAREST_UP>>,
              Rounding<LoweredRounding<QLOOM_ROUND_TOWARD_ZERO>>,
              Rounding<LoweredRounding<QLOOM_ROUND_TOWARD_NEGATIVE>>,
              Rounding<LoweredRounding<QLOOM_ROUND_TOWARD_POSITIVE>>, Rounding<Stochastic>,
              Rounding<LoweredRounding<QLOOM_ROUND_STOCHASTIC_EQUAL>>)
