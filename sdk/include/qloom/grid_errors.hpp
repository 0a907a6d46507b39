// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What several grids make of the same data: squared errors, measured and not predicted.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <vector>

#include <qloom/affine_grid.hpp>
#include <qloom/vectorized.hpp>

namespace qloom::sdk {

/// Per group the sum of (x - q(x))^2 over the finite values of some tensors for each of kCount
/// grids, q(x) the point that the affine kernel takes under nearest_even.
///
/// exactness: q(x) to the bit, its error in double; sums in the order of sum_groups()
template <std::size_t kCount>
class GridErrors {
 public:
  using Grids = std::array<GroupGrid, kCount>;

  /// Grids per group; the sums start at 0.
  void begin(std::vector<Grids> grids) {
    grids_ = std::move(grids);
    sums_.assign(grids_.size() * kCount, 0.0);
  }
  void add(const qloom_tensor& x) {
    const auto error = [data = x.data](const Grids& grids, std::uint64_t i) {
      const float v = data[i];
      const bool is_finite = v - v == 0.0F;
      std::array<double, kCount> terms;
      for (std::size_t k = 0; k < kCount; ++k) {
        const double difference = double{v} - double{grids[k].nearest(v)};
        terms[k] = is_finite ? difference * difference : 0.0;
      }
      return terms;
    };
    const std::vector<double> more = sum_groups(x, scratch_, entry_of(grids_), error);
    for (std::size_t i = 0; i < sums_.size(); ++i) sums_[i] += more[i];
  }
  /// The grid of the smallest sum, the first of equals.
  [[nodiscard]] std::size_t best(std::size_t group) const noexcept {
    const double* sums = sums_.data() + group * kCount;
    return static_cast<std::size_t>(std::min_element(sums, sums + kCount) - sums);
  }

 private:
  std::vector<Grids> grids_;
  std::vector<double> sums_, scratch_;
};

/// Per group the best of 120 steps, even up to 1.2 max|x| / code_max, by the squared error of
/// step * clamp(round(x / step)); 0 for a group of zeros. In double.
[[nodiscard]] inline std::vector<double> least_error_steps(const qloom_tensor& x, double code_min,
                                                           double code_max) {
  constexpr int kCandidates = 120;
  const std::vector<double> largest = reduce(x, QLOOM_REDUCE_ABS_MAX);
  std::vector<double> steps(x.groups), least(x.groups, HUGE_VAL), candidate(x.groups), scratch;
  for (int i = 1; i <= kCandidates; ++i) {
    for (std::uint64_t g = 0; g < x.groups; ++g) candidate[g] = largest[g] / code_max * i / 100.0;
    const auto error = [=, data = x.data](double step, std::uint64_t e) {
      const double value = data[e], rounded = std::nearbyint(value / step);
      const double above = rounded > code_min ? rounded : code_min;
      const double code = above < code_max ? above : code_max;
      return std::array{(code * step - value) * (code * step - value)};
    };
    const std::vector<double> errors = sum_groups(x, scratch, entry_of(candidate), error);
    for (std::uint64_t g = 0; g < x.groups; ++g) {
      if (largest[g] == 0 || !(errors[g] < least[g])) continue;
      least[g] = errors[g];
      steps[g] = candidate[g];
    }
  }
  return steps;
}

}  // namespace qloom::sdk
