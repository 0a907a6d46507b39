// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <qloom/uniform_grid.hpp>

namespace qloom::sdk {

/// A uniform grid on which a value always goes up with the probability of its fraction, decided by
/// the 32 bits of the element's random word: the rule's rounding mode has no say.
class RandomGrid : public UniformGrid {
 public:
  qloom_status apply(const qloom_call& call, const qloom_block& block, const float* x,
                     float* y) const noexcept {
    return UniformGrid::apply(with_rounding(call, QLOOM_ROUND_STOCHASTIC, 32), block, x, y);
  }
  qloom_status encode(const qloom_call& call, const qloom_block& block, const float* x,
                      std::int32_t* code) const noexcept {
    return UniformGrid::encode(with_rounding(call, QLOOM_ROUND_STOCHASTIC, 32), block, x, code);
  }
};

}  // namespace qloom::sdk
