// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Ternary Weight Networks (Li, Zhang, Liu, 2016): w -> {-alpha, 0, +alpha}.
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// Per group, from the whole tensor at every step:
///   heuristic: delta = factor * mean |w|
///   exact:     delta = |w|(m + 1) of the magnitudes in falling order, m = argmax S_m^2 / m with
///              S_m the sum of the m largest; every threshold in [|w|(m + 1), |w|(m)) selects the
///              same weights and minimises sum (w - alpha t)^2 (paper, eq. 3 to 5)
///   alpha = mean of |w| over |w| > delta;  y = alpha sign(w) where |w| > delta, else 0
/// exactness: sums in double in the order of reduce() and sum_groups(); delta and alpha are rounded
///            to float once, the comparison is strict and in float
/// backward:  straight through; with ste_clip zero where |w| > 1
class Twn : public UniformGrid {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_WANTS_TENSOR;

  explicit Twn(const Params& params)
      : factor_(params.number("/threshold_factor")),
        is_exact_(params.text("/mode") == "exact"),
        clips_(params.flag("/ste_clip")) {
    set_codes(2, -1.0, 1.0);
  }

  void prepare(const qloom_prepare& in) {
    resize(in.x.groups);
    delta_.assign(in.x.groups, 0.0F);
    if (is_exact_) {
      find_exact_thresholds(in.x);
    } else {
      find_heuristic_thresholds(in.x);
    }
    negative_delta_ = delta_;
    for (float& d : negative_delta_) d = -d;
    find_scales(in.x);
  }

  void apply(const qloom_call&, const qloom_block& block, const float* x, float* y) const noexcept {
    kernels().ternary(negative_delta_.data(), delta_.data(), minus_.data(), scale_.data(), &block,
                      x, y);
  }
  void encode(const qloom_call&, const qloom_block& block, const float* x,
              std::int32_t* code) const noexcept {
    for_each_element(block, entry_of(delta_), [=](float d, std::uint64_t i) {
      code[i] = static_cast<std::int32_t>(x[i] > d) - static_cast<std::int32_t>(x[i] < -d);
    });
  }
  void backward(const qloom_call&, const qloom_block& block, const float* x, const float* dy,
                float* dx, double*) const noexcept {
    if (clips_) {
      kernels().clip_backward(minus_one_.data(), one_.data(), &block, x, dy, dx);
    } else {
      pass_through(dy, dx, block.n);
    }
  }

 private:
  void find_heuristic_thresholds(const qloom_tensor& x) {
    const auto sums = finite_abs_sums(x), counts = reduce(x, QLOOM_REDUCE_COUNT);
    for (std::size_t g = 0; g < delta_.size(); ++g) {
      delta_[g] = static_cast<float>(factor_ * sums[g] / counts[g]);
    }
  }

  void find_exact_thresholds(const qloom_tensor& x) {
    require_finite(x);
    for (std::size_t g = 0; g < delta_.size(); ++g) {
      magnitudes_.clear();
      for_each_in_group(x, g, [&](float w) { magnitudes_.push_back(std::fabs(w)); });
      std::sort(magnitudes_.begin(), magnitudes_.end(), std::greater<>());
      delta_[g] = exact_threshold();
    }
  }

  /// Equal magnitudes are taken all or none: S_m^2 / m has its maximum at an end of such a run.
  [[nodiscard]] float exact_threshold() const {
    double sum = 0, best = 0;
    float threshold = magnitudes_.empty() ? 0.0F : magnitudes_.front();
    for (std::size_t m = 1; m <= magnitudes_.size(); ++m) {
      sum += magnitudes_[m - 1];
      const float next = m < magnitudes_.size() ? magnitudes_[m] : 0.0F;
      const double gain = sum * sum / static_cast<double>(m);
      if (next == magnitudes_[m - 1] || gain <= best) continue;
      best = gain;
      threshold = next;
    }
    return threshold;
  }

  void find_scales(const qloom_tensor& x) {
    minus_.assign(delta_.size(), 0.0F);
    one_.assign(delta_.size(), 1.0F);
    minus_one_.assign(delta_.size(), -1.0F);
    const auto figures =  // sum and count of the magnitudes above the threshold
        sum_groups(x, scratch_, entry_of(delta_), [w = x.data](float d, std::uint64_t i) {
          const float magnitude = std::fabs(w[i]);
          return std::array{magnitude > d ? magnitude : 0.0F, magnitude > d ? 1.0F : 0.0F};
        });
    for (std::size_t g = 0; g < delta_.size(); ++g) {
      // Without a weight above the threshold all codes are 0 and the scale does not matter.
      const double sum = figures[2 * g], count = figures[2 * g + 1];
      const auto alpha = static_cast<float>(count > 0 ? sum / count : 1.0);
      set(g, alpha, 1.0F / alpha);
      minus_[g] = -alpha;
    }
  }

  double factor_;
  bool is_exact_, clips_;
  std::vector<float> delta_, negative_delta_, minus_, one_, minus_one_;  // one value per group
  std::vector<float> magnitudes_;                                       // scratch
  std::vector<double> scratch_;
};

}  // namespace

QLOOM_METHODS(Quantizer<Twn>)
