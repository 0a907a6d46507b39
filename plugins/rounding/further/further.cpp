// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Rounding modes that fixed-point libraries offer beside the standard ones: x in grid steps ->
// integer. From 2^23 on a float32 is an integer and comes back as it is.
#include <cmath>

#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using qloom::sdk::ElementRounding;
using qloom::sdk::Params;
using qloom::sdk::Rounding;

constexpr float kWhole = 0x1p23F;  // no fractions from here on

/// x up where its fraction x - floor(x) is more than 1/2, down where it is less; ties as `is_up`.
float to_nearest(float x, bool is_up_at_tie) noexcept {
  const float down = std::floor(x);
  const double fraction = double{x} - double{down};
  return fraction > 0.5 || (fraction == 0.5 && is_up_at_tie) ? down + 1.0F : down;
}
bool is_odd(float whole) noexcept { return 2.0F * std::floor(0.5F * whole) != whole; }
/// The integer at or below |x| < 2^23 with its lowest bit set: what an OR gate does.
float jammed(float x) noexcept {
  const float down = std::floor(x);
  return std::fabs(x) < kWhole && !is_odd(down) ? down + 1.0F : down;
}

struct NearestZero {
  float operator()(float x) const noexcept { return to_nearest(x, x < 0.0F); }
};
struct NearestDown {
  float operator()(float x) const noexcept { return to_nearest(x, false); }
};
struct NearestOdd {
  float operator()(float x) const noexcept { return to_nearest(x, !is_odd(std::floor(x))); }
};
struct Away {
  float operator()(float x) const noexcept { return std::copysign(std::ceil(std::fabs(x)), x); }
};
struct MagnitudeTruncate {
  static constexpr std::uint32_t kCaps = QLOOM_ROUNDING_MOVES_INTEGERS;
  float operator()(float x) const noexcept {
    return std::floor(x) + (x < 0.0F && x > -kWhole ? 1.0F : 0.0F);
  }
};
struct Jam {
  static constexpr std::uint32_t kCaps = QLOOM_ROUNDING_MOVES_INTEGERS;
  float operator()(float x) const noexcept { return jammed(x); }
};
struct JamUnbiased {
  float operator()(float x) const noexcept { return x == std::floor(x) ? x : jammed(x); }
};

/// Up where the fraction is at least 1 - b: with b = 0 never. Compared in double, so that b = 1/2
/// has the bits of nearest_up; floor(x + b) in float32 would not.
///
/// mean error: (b - 1/2) steps for fractions that are evenly distributed
class Biased {
 public:
  Biased() = default;
  explicit Biased(const Params& params) : up_from_(1.0 - params.number("/offset")) {}
  float operator()(float x) const noexcept {
    const float down = std::floor(x);
    return double{x} >= double{down} + up_from_ ? down + 1.0F : down;
  }

 private:
  double up_from_ = 1.0;
};

}  // namespace

QLOOM_METHODS(Rounding<ElementRounding<NearestZero>>, Rounding<ElementRounding<NearestDown>>,
              Rounding<ElementRounding<NearestOdd>>, Rounding<ElementRounding<Away>>,
              Rounding<ElementRounding<MagnitudeTruncate>>, Rounding<ElementRounding<Jam>>,
              Rounding<ElementRounding<JamUnbiased>>, Rounding<ElementRounding<Biased>>)
