// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Trained Ternary Quantization (Zhu, Han, Mao, Dally, 2017): w -> {-negative, 0, +positive}.
#include <algorithm>
#include <array>
#include <cmath>

#include <qloom/grids/codebook.hpp>
#include <qloom/learned_values.hpp>
#include <qloom/sdk.hpp>
#include <qloom/ternary_grid.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// Per group, from the whole tensor at every step:
///   delta = threshold * max |w|, or the magnitude that leaves the share `sparsity` at zero
///   y = +positive where w > delta, -negative where w < -delta, else 0; both scales are learned
/// backward:  d positive = sum of dy over w > delta;  d negative = MINUS sum of dy over w < -delta,
///            because y = -negative there;  dx = positive * dy, negative * dy or dy; delta is a
///            constant
/// encoding:  codebook {-negative, 0, positive}, codes 0, 1, 2
/// state:     positive, negative: one value per group
class Ttq : public LearnedValues<2>, public Codebook {
  struct Group {
    float high, low;  // thresholds
    float positive, negative;
  };
  [[nodiscard]] auto of_group() const noexcept {
    return [high = delta_.data(), low = negative_delta_.data(), positive = learned_[0].data(),
            negative = learned_[1].data()](std::uint64_t g) {
      return Group{high[g], low[g], positive[g], negative[g]};
    };
  }

 public:
  static constexpr std::uint32_t kCaps =
      QLOOM_QUANTIZER_WANTS_TENSOR | QLOOM_QUANTIZER_WANTS_FIRST_TENSOR;
  static constexpr std::uint64_t kSumsPerGroup = 2;  // d positive, d negative

  explicit Ttq(const Params& params)
      : LearnedValues({"positive", "negative"}, params.number("/rate_factor")),
        Codebook(2, 3),
        threshold_(params.number("/threshold")),
        sparsity_(params.number_or("/sparsity", -1.0)),
        starts_at_mean_(params.text("/initial") == "mean") {}

  void prepare(const qloom_prepare& in) {
    require_finite(in.x);
    find_thresholds(in.x);
    if (is_first_tensor()) initialise(in.x);
    require_groups(in.x);
    resize(in.x.groups);
    minus_.resize(in.x.groups);
    for (std::size_t g = 0; g < minus_.size(); ++g) {
      minus_[g] = 0.0F - learned_[1][g];
      levels(g)[0] = minus_[g];
      levels(g)[2] = learned_[0][g];
    }
  }

  void apply(const qloom_call&, const qloom_block& block, const float* x, float* y) const noexcept {
    kernels().ternary(negative_delta_.data(), delta_.data(), minus_.data(), learned_[0].data(),
                      &block, x, y);
  }
  void encode(const qloom_call&, const qloom_block& block, const float* x,
              std::int32_t* code) const noexcept {
    for_each_element(block, of_group(), [=](const Group& group, std::uint64_t i) {
      code[i] = 1 + static_cast<std::int32_t>(x[i] > group.high) -
                static_cast<std::int32_t>(x[i] < group.low);
    });
  }

  void backward(const qloom_call&, const qloom_block& block, const float* x, const float* dy,
                float* dx, double* sums) const noexcept {
    // the sum over w < -delta changes its sign in learned_gradients()
    const auto gradient = [=](const Group& group, std::uint64_t i) {
      const float w = x[i], g = dy[i];
      const bool is_high = w > group.high, is_low = w < group.low;
      const float not_high = is_low ? group.negative : 1.0F;
      dx[i] = g * (is_high ? group.positive : not_high);
      return std::array{is_high ? g : 0.0F, is_low ? g : 0.0F};
    };
    sum_elements(block, sums, of_group(), gradient, x, dy, dx);
  }
  void learned_gradients(const double* sums, std::uint64_t groups, float* const* gradients) {
    for (std::uint64_t g = 0; g < groups; ++g) {
      gradients[0][g] = static_cast<float>(sums[2 * g]);
      gradients[1][g] = static_cast<float>(0.0 - sums[2 * g + 1]);
    }
  }
  void after_update() {
    for (std::vector<float>& scale : learned_) {
      for (float& v : scale) v = v < 0.0F ? 0.0F : v;
    }
  }

 private:
  void find_thresholds(const qloom_tensor& x) {
    const bool is_share = sparsity_ >= 0;
    const auto largest = is_share ? magnitudes_at_sparsity(x) : reduce(x, QLOOM_REDUCE_ABS_MAX);
    delta_.resize(x.groups);
    negative_delta_.resize(x.groups);
    for (std::size_t g = 0; g < delta_.size(); ++g) {
      delta_[g] = static_cast<float>((is_share ? 1.0 : threshold_) * largest[g]);
      negative_delta_[g] = -delta_[g];
    }
    if (is_share) require_kept(x, delta_);
  }

  /// Per group the (m + 1)-th largest magnitude, m = n (1 - sparsity) rounded: m weights exceed it,
  /// fewer where some are equal. 0 where all shall be kept.
  [[nodiscard]] std::vector<double> magnitudes_at_sparsity(const qloom_tensor& x) const {
    std::vector<std::uint64_t> ranks;
    for (const double n : reduce(x, QLOOM_REDUCE_COUNT)) {
      const double kept = std::nearbyint(n * (1.0 - sparsity_));
      ranks.push_back(static_cast<std::uint64_t>(kept < n ? n - 1.0 - kept : n));
    }
    std::vector<double> magnitudes = order_statistics(x, true, ranks);
    for (double& m : magnitudes) m = m > 0 ? m : 0.0;  // NaN: past the last value
    return magnitudes;
  }

  void initialise(const qloom_tensor& x) {
    for (std::vector<float>& scale : learned_) scale.assign(x.groups, 1.0F);
    if (!starts_at_mean_) return;
    std::vector<double> scratch;
    const auto figures = sum_groups(  // sum and count of either side
        x, scratch, of_group(), [w = x.data](const Group& group, std::uint64_t i) {
          const bool is_high = w[i] > group.high, is_low = w[i] < group.low;
          return std::array{is_high ? w[i] : 0.0F, is_high ? 1.0F : 0.0F, is_low ? -w[i] : 0.0F,
                            is_low ? 1.0F : 0.0F};
        });
    for (std::uint64_t g = 0; g < x.groups; ++g) {  // the side means minimise the squared error
      const double* side = figures.data() + 4 * g;
      if (side[1] > 0) learned_[0][g] = static_cast<float>(side[0] / side[1]);
      if (side[3] > 0) learned_[1][g] = static_cast<float>(side[2] / side[3]);
    }
  }

  double threshold_, sparsity_;  // sparsity below 0: not given
  bool starts_at_mean_;
  std::vector<float> delta_, negative_delta_, minus_;  // one value per group
};

}  // namespace

QLOOM_METHODS(Quantizer<Ttq>)
