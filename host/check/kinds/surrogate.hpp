// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What stands for the steps of a quantizer when its gradient is formed. Steps have the slope 0
// almost everywhere, so backward() gives that of a surrogate; the manifest's "gradient" names it.
#pragma once

#include <optional>
#include <string>

namespace qloom::check {

/// Smallest and largest value that the quantizer has; or -clip and clip of the manifest.
struct Ends {
  double lo, hi;
};

/// dx = dy * slope(x):
enum class Surrogate {
  kUnrounded,    ///< apply() with a rounding method that leaves values as they are
  kErrorKept,    ///< apply() with one that adds the rounding error of the first call (LSQ)
  kIdentity,     ///< 1
  kRelu,         ///< 1 where x > 0
  kClipped,      ///< 1 where lo <= x <= hi
  kClippedRelu,  ///< 1 where 0 < x <= hi
  kScaled,       ///< |y|, and 1 where y = 0 (trained ternary quantization)
  kApproxSign,   ///< 2 - 2 |x| where |x| <= 1 (Bi-Real Net)
  kSwishSign     ///< b (2 - b x tanh(b x / 2)) / (1 + cosh(b x)), b = 5 (BNN+)
};

/// Of the word in a manifest; empty for an unknown one.
[[nodiscard]] std::optional<Surrogate> surrogate_of(const std::string& word);
/// Is it a closed form, not apply() itself?
[[nodiscard]] bool is_closed(Surrogate surrogate);
/// Of a closed form. y: what apply() gives for x.
[[nodiscard]] double slope_of(Surrogate surrogate, double x, double y, const Ends& ends);
/// Does x lie where the slope jumps, so that either side is right?
[[nodiscard]] bool is_at_jump(Surrogate surrogate, double x, const Ends& ends);

}  // namespace qloom::check
