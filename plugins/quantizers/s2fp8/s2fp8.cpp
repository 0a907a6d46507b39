// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// S2FP8 (Cambier et al., 2020): FP8 after an affine map of the logarithms of the magnitudes.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <qloom/grids/levels.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

constexpr std::size_t kPositive = 123;  // values of e5m2 above 0 that are finite

/// Value number j of e5m2, 0 the value 0.
double e5m2(std::size_t j) {
  const int exponent = static_cast<int>(j / 4), fraction = static_cast<int>(j % 4);
  return exponent > 0 ? std::ldexp(4 + fraction, exponent - 17) : std::ldexp(fraction, -16);
}

/// The levels are the images of e5m2's values under the inverse map, |y| = 2^(log2 v / alpha + m),
/// and the thresholds those of the middles between them: the map rises, so x need not be mapped.
///
/// exactness: m in double, in the order of sum_groups(); levels and thresholds are rounded once
/// encoding:  codebook of 247 levels per group, ascending
class S2fp8 : public Levels {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_WANTS_TENSOR;
  explicit S2fp8(const Params&) {}

  void prepare(const qloom_prepare& in) {
    require_finite(in.x);
    const auto none = [](std::uint64_t) { return 0; };
    const std::vector<double> largest = reduce(in.x, QLOOM_REDUCE_ABS_MAX);
    const std::vector<double> sums =  // of the logarithms, and how many
        sum_groups(in.x, scratch_, none, [x = in.x.data](int, std::uint64_t i) {
          const double magnitude = std::fabs(x[i]);
          return std::array{magnitude > 0 ? std::log2(magnitude) : 0.0, magnitude > 0 ? 1.0 : 0.0};
        });
    begin(in.x.groups, 2 * kPositive + 1);
    for (std::size_t g = 0; g < largest.size(); ++g) {
      const bool is_zero = largest[g] == 0;
      const double mean = is_zero ? 0.0 : sums[2 * g] / sums[2 * g + 1];
      const double span = is_zero ? 0.0 : std::log2(largest[g]) - mean;
      constexpr double kEqual = 1e-12;  // rounding of a mean of equal logarithms
      fill(g, mean, span > kEqual ? span / 15.0 : 1.0);
    }
  }

 private:
  /// squeeze: 1 / alpha
  void fill(std::size_t group, double mean, double squeeze) noexcept {
    constexpr float kLeast = std::numeric_limits<float>::denorm_min();
    constexpr double kTop = std::numeric_limits<float>::max();
    const auto image = [=](double v) {
      return static_cast<float>(std::min(std::exp2(std::log2(v) * squeeze + mean), kTop));
    };
    float* const level = levels(group) + kPositive;
    float* const end = thresholds(group) + kPositive;
    for (std::size_t j = 1; j <= kPositive; ++j) {
      level[j] = image(e5m2(j));
      *(level - j) = -level[j];
      end[j - 1] = std::max(image((e5m2(j - 1) + e5m2(j)) / 2.0), kLeast);  // 0 stays 0
      *(end - j) = -end[j - 1];
    }
  }

  std::vector<double> scratch_;
};

}  // namespace

QLOOM_METHODS(Quantizer<S2fp8>)
