// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Elementary functions with the same bits on every system: computed in double by the C library and
// rounded once to float32.
//
// C libraries differ by an ulp or two of their results, in double 2^-52 of them, and a float32
// hides it unless a result lies that close to the middle of two floats: about once in 2^28 values
// for each ulp. That is what is promised, and no more. The library's float32 functions (tanhf,
// expf) differ far more often.
//
// A formula of several steps stays in double, with the functions of <cmath>, and is rounded once at
// its end; a test lists the files that do so.
#pragma once

#include <cmath>

namespace qloom::sdk::elementary {

[[nodiscard]] inline float exp(double x) noexcept { return static_cast<float>(std::exp(x)); }
[[nodiscard]] inline float log(double x) noexcept { return static_cast<float>(std::log(x)); }
[[nodiscard]] inline float tanh(double x) noexcept { return static_cast<float>(std::tanh(x)); }
[[nodiscard]] inline float cos(double x) noexcept { return static_cast<float>(std::cos(x)); }
[[nodiscard]] inline float pow(double base, double exponent) noexcept {
  return static_cast<float>(std::pow(base, exponent));
}
/// 1 / (1 + e^-x)
[[nodiscard]] inline float logistic(double x) noexcept {
  return static_cast<float>(1.0 / (1.0 + std::exp(-x)));
}

}  // namespace qloom::sdk::elementary
