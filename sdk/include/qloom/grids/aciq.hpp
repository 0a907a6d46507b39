// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// ACIQ (Banner, Nahshan, Soudry, 2019): clipping values by a prior, and the widths of the groups of
// one tensor.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <qloom/kinds/base.hpp>

namespace qloom::sdk::aciq {

/// Newton's method from `a` until a step no longer changes it. Both equations below converge from
/// below in fewer than 20 steps.
template <class Function, class Slope>
double root(double a, Function f, Slope slope) {
  constexpr int kNewtonSteps = 64;
  for (int i = 0; i < kNewtonSteps; ++i) {
    const double next = a - f(a) / slope(a);
    if (next == a) break;
    a = next;
  }
  return a;
}

/// Clipping values a of a prior of spread 1 for q = 4^M, those of the smallest expected error.
///
/// Two-sided the step is 2 a / 2^M. After a ReLU it is a / 2^M and half of the mass is 0, which
/// doubles to the two-sided problem at q = 4^(M+1): same a.
///
/// Laplace: a e^a = 3 q, that is a = W(3 q). Equation 6.
inline double laplace(double q) {
  const double target = std::log(3.0 * q);
  return root(
      1.0, [&](double v) { return v + std::log(v) - target; },
      [](double v) { return 1.0 + 1.0 / v; });
}

/// Gauss: a erfc(a / sqrt 2) - sqrt(2 / pi) e^(-a^2 / 2) + a / (3 q) = 0. The left side is concave
/// and rises, so Newton's steps from 0 come from below.
inline double gauss(double q) {
  constexpr double kSqrt2 = 1.4142135623730951;
  constexpr double kSqrt2OverPi = 0.7978845608028654;  // sqrt(2 / pi)
  const auto tail = [](double v) { return std::erfc(v / kSqrt2); };
  const auto bell = [](double v) { return kSqrt2OverPi * std::exp(-v * v / 2.0); };
  return root(
      0.0, [&](double v) { return v * tail(v) - bell(v) + v / (3.0 * q); },
      [&](double v) { return tail(v) + 1.0 / (3.0 * q); });
}

/// Widths of the groups of one tensor, all of as many elements, `bits` bits on average.
///
/// Parameters: bit_allocation, width_rounding, width_search, clip_prior.
/// exactness: in double; a width is a whole number
class BitAllocation {
 public:
  static constexpr std::int64_t kMostBits = 8;

  explicit BitAllocation(const Params& params)
      : is_on_(params.text("/bit_allocation") == "aciq"),
        rounds_up_(params.text("/width_rounding") == "up"),
        searches_(params.flag("/width_search")) {
    const std::string prior = params.text("/clip_prior");
    if (prior == "none") return;
    for (std::size_t m = 0; m < clip_.size(); ++m) {
      const double q = std::ldexp(1.0, 2 * static_cast<int>(m));  // 4^m
      clip_[m] = prior == "laplace" ? laplace(q) : gauss(q);
    }
  }

  [[nodiscard]] bool is_on() const noexcept { return is_on_; }

  /// Of n groups whose grids cover `spans`, equations 10 and 11:
  ///   B_g = n 2^bits span_g^(2/3) / sum of span^(2/3);  width = round(log2 B_g), 0 to kMostBits
  /// With the search `bits` is shifted by half of what their mean lacks, until that is below 0.01
  /// or ten times. Spans that are all 0 have equal widths.
  [[nodiscard]] std::vector<float> widths(std::span<const double> spans, std::int64_t bits) const {
    constexpr int kMostRounds = 10;
    constexpr double kNearEnough = 0.01;
    const double goal = static_cast<double>(bits);
    double target = goal;
    std::vector<float> found;
    for (int round = 0; round < (searches_ ? kMostRounds : 1); ++round) {
      found = widths_of(spans, target);
      double mean = 0;
      for (const float width : found) mean += width;
      mean /= static_cast<double>(found.size());
      if (std::fabs(goal - mean) <= kNearEnough) break;
      target += (goal - mean) / 2.0;
    }
    return found;
  }

  /// The range that the prior's clipping value has at `width` bits, where `range` is that of
  /// `bits`: about its middle, or from 0 where it begins there, as after a ReLU. No prior: the
  /// same.
  [[nodiscard]] qloom_range scaled(qloom_range range, std::int64_t bits, std::int64_t width,
                                   bool is_symmetric) const noexcept {
    if (clip_[0] == 0 || width == 0) return range;
    const bool is_half = range.lo == 0;
    const std::size_t more = is_half && !is_symmetric ? 1 : 0;  // q = 4^(M+1)
    const double factor = clip_[static_cast<std::size_t>(width) + more] /
                          clip_[static_cast<std::size_t>(bits) + more];
    const double middle = is_half ? 0.0 : (range.lo + range.hi) / 2.0;
    return {middle + (range.lo - middle) * factor, middle + (range.hi - middle) * factor};
  }

 private:
  [[nodiscard]] std::vector<float> widths_of(std::span<const double> spans, double target) const {
    double sum = 0;
    std::vector<double> shares;
    for (const double span : spans) sum += shares.emplace_back(std::cbrt(span * span));
    std::vector<float> widths;
    for (const double share : shares) {
      const double part =
          sum > 0 ? static_cast<double>(shares.size()) * share / sum : 1.0;  // of the mean
      const double bits = target + std::log2(part);                          // -inf of no part
      const double whole = rounds_up_ ? std::ceil(bits) : std::nearbyint(bits);
      widths.push_back(static_cast<float>(std::clamp(whole, 0.0, double{kMostBits})));
    }
    return widths;
  }

  bool is_on_, rounds_up_, searches_;
  std::array<double, kMostBits + 2> clip_{};  // by width; 0: no prior
};

}  // namespace qloom::sdk::aciq
