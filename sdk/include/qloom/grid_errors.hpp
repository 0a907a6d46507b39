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

}  // namespace qloom::sdk
