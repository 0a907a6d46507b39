// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The grid {-scale, 0, +scale} with a threshold of its own per group.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <vector>

#include <qloom/uniform_grid.hpp>
#include <qloom/vectorized.hpp>

namespace qloom::sdk {

/// Error when the thresholds of all groups leave nothing of values that are not all zero: a tensor
/// of zeros hands nothing on, and training cannot mean that. One group of several may become zero.
inline void require_kept(const qloom_tensor& x, const std::vector<float>& threshold) {
  const std::vector<double> largest = reduce(x, QLOOM_REDUCE_ABS_MAX);
  std::size_t top = 0;
  for (std::size_t g = 0; g < largest.size(); ++g) {
    if (largest[g] > double{threshold[g]}) return;
    if (largest[g] > largest[top]) top = g;
  }
  if (largest.empty() || largest[top] == 0) return;
  throw Error(QLOOM_E_NUMERIC, concat("every value would become 0: the largest magnitude of group ",
                                      top, " is ", largest[top], ", its threshold ", threshold[top],
                                      ", expected a threshold below the largest magnitude"));
}

/// y = scale * sign(x) where |x| > threshold, else 0; the comparison is strict and in float.
///
/// A derived class fills threshold_ in prepare(), after begin(), and ends with place_means() or its
/// own place(); apply, encode, decode and encoding (2 bits, codes -1, 0, 1) come from here.
class TernaryGrid : public UniformGrid {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_WANTS_TENSOR;

  TernaryGrid() { set_codes(2, -1.0, 1.0); }

  void apply(const qloom_call&, const qloom_block& block, const float* x, float* y) const noexcept {
    kernels().ternary(low_threshold_.data(), threshold_.data(), low_.data(), scale_.data(), &block,
                      x, y);
  }
  void encode(const qloom_call&, const qloom_block& block, const float* x,
              std::int32_t* code) const noexcept {
    for_each_element(block, entry_of(threshold_), [=](float t, std::uint64_t i) {
      code[i] = static_cast<std::int32_t>(x[i] > t) - static_cast<std::int32_t>(x[i] < -t);
    });
  }
  /// dx = dy where |x| <= limit, else 0.
  void clipped_backward(float limit, const qloom_block& block, const float* x, const float* dy,
                        float* dx) const noexcept {
    for_each_element(block, entry_of(threshold_), [=](float, std::uint64_t i) {
      dx[i] = x[i] >= -limit && x[i] <= limit ? dy[i] : 0.0F;
    });
  }

 protected:
  void begin(std::uint64_t groups) {
    resize(groups);
    threshold_.assign(groups, 0.0F);
    low_.assign(groups, 0.0F);
    low_threshold_.assign(groups, 0.0F);
  }
  /// The scale of a group whose threshold stands.
  void place(std::size_t group, float scale) {
    set(group, scale, 1.0F / scale);
    low_[group] = -scale;
    low_threshold_[group] = -threshold_[group];
  }

  /// scale = mean of |x| over |x| > threshold; 1 where nothing lies above it, all codes are 0 then.
  /// In double, in the order of sum_groups(), rounded to float once.
  ///
  /// errors: QLOOM_E_NUMERIC where all values, not zero all of them, would become 0
  void place_means(const qloom_tensor& x) {
    const auto figures =  // sum and count of the magnitudes above the threshold
        sum_groups(x, scratch_, entry_of(threshold_), [w = x.data](float t, std::uint64_t i) {
          const float magnitude = std::fabs(w[i]);
          return std::array{magnitude > t ? magnitude : 0.0F, magnitude > t ? 1.0F : 0.0F};
        });
    double kept = 0;
    for (std::size_t g = 0; g < threshold_.size(); ++g) {
      const double sum = figures[2 * g], count = figures[2 * g + 1];
      place(g, static_cast<float>(count > 0 ? sum / count : 1.0));
      kept += count;
    }
    if (kept == 0) require_kept(x, threshold_);
  }

  /// The thresholds that minimise sum (x - scale t)^2 with place_means()'s scale: with S_m the sum
  /// of the m largest magnitudes, m = argmax S_m^2 / m; the threshold is the next magnitude. Equal
  /// magnitudes are taken all or none: the maximum is at an end of such a run.
  void find_best_thresholds(const qloom_tensor& x) {
    require_finite(x);
    for (std::size_t g = 0; g < threshold_.size(); ++g) {
      magnitudes_.clear();
      for_each_in_group(x, g, [&](float v) { magnitudes_.push_back(std::fabs(v)); });
      std::sort(magnitudes_.begin(), magnitudes_.end(), std::greater<>());
      double sum = 0, best = 0;
      threshold_[g] = magnitudes_.empty() ? 0.0F : magnitudes_.front();
      for (std::size_t m = 1; m <= magnitudes_.size(); ++m) {
        sum += magnitudes_[m - 1];
        const float next = m < magnitudes_.size() ? magnitudes_[m] : 0.0F;
        const double gain = sum * sum / static_cast<double>(m);
        if (next == magnitudes_[m - 1] || gain <= best) continue;
        best = gain;
        threshold_[g] = next;
      }
    }
  }

  std::vector<float> threshold_;  // one value per group

 private:
  std::vector<float> low_threshold_, low_, magnitudes_;
  std::vector<double> scratch_;
};

}  // namespace qloom::sdk
