// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/check/kinds/surrogate.hpp"

#include <cmath>
#include <iterator>

namespace qloom::check {

std::optional<Surrogate> surrogate_of(const std::string& word) {
  constexpr const char* kWords[] = {"unrounded", "error_kept",  "identity",
                                    "relu",      "clipped",     "clipped_relu",
                                    "scaled",    "approx_sign", "swish_sign"};
  for (std::size_t i = 0; i < std::size(kWords); ++i) {
    if (word == kWords[i]) return static_cast<Surrogate>(i);
  }
  return {};
}

bool is_closed(Surrogate surrogate) {
  return surrogate != Surrogate::kUnrounded && surrogate != Surrogate::kErrorKept;
}

double slope_of(Surrogate surrogate, double x, double y, const Ends& ends) {
  switch (surrogate) {
    case Surrogate::kUnrounded:
    case Surrogate::kErrorKept:
    case Surrogate::kIdentity:
      return 1.0;
    case Surrogate::kRelu:
      return x > 0 ? 1.0 : 0.0;
    case Surrogate::kClipped:
      return x >= ends.lo && x <= ends.hi ? 1.0 : 0.0;
    case Surrogate::kClippedRelu:
      return x > 0 && x <= ends.hi ? 1.0 : 0.0;
    case Surrogate::kScaled:
      return y == 0 ? 1.0 : std::abs(y);
    case Surrogate::kApproxSign:
      return std::abs(x) <= 1 ? 2.0 - 2.0 * std::abs(x) : 0.0;
    case Surrogate::kSwishSign: {
      constexpr double kB = 5;
      return kB * (2.0 - kB * x * std::tanh(kB * x / 2.0)) / (1.0 + std::cosh(kB * x));
    }
  }
  return 0;
}

bool is_at_jump(Surrogate surrogate, double x, const Ends& ends) {
  const auto is_near = [x](double end) {
    constexpr double kNear = 1e-6;
    return std::abs(x - end) <= kNear * (1.0 + std::abs(end));
  };
  switch (surrogate) {
    case Surrogate::kRelu:
      return is_near(0);
    case Surrogate::kClipped:
      return is_near(ends.lo) || is_near(ends.hi);
    case Surrogate::kClippedRelu:
      return is_near(0) || is_near(ends.hi);
    case Surrogate::kUnrounded:
    case Surrogate::kErrorKept:
    case Surrogate::kIdentity:
    case Surrogate::kScaled:
    case Surrogate::kApproxSign:
    case Surrogate::kSwishSign:
      return false;
  }
  return false;
}

}  // namespace qloom::check
