// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Trained Ternary Quantization (Zhu, Han, Mao, Dally, 2017): w -> {-negative, 0, +positive}.
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

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
class Ttq {
  struct Group {
    float high, low;  // thresholds
    float positive, negative;
  };
  [[nodiscard]] auto of_group() const noexcept {
    return [high = delta_.data(), low = negative_delta_.data(), positive = positive_.data(),
            negative = negative_.data()](std::uint64_t g) {
      return Group{high[g], low[g], positive[g], negative[g]};
    };
  }

 public:
  static constexpr std::uint32_t kCaps =
      QLOOM_QUANTIZER_WANTS_TENSOR | QLOOM_QUANTIZER_WANTS_FIRST_TENSOR;
  static constexpr std::uint64_t kSumsPerGroup = 2;  // d positive, d negative

  explicit Ttq(const Params& params)
      : threshold_(params.number("/threshold")),
        sparsity_(params.has("/sparsity") ? params.number("/sparsity") : -1.0),
        starts_at_mean_(params.text("/initial") == "mean"),
        rate_factor_(params.number("/rate_factor")) {}

  void prepare(const qloom_prepare& in) {
    require_finite(in.x);
    find_thresholds(in.x);
    if (positive_.empty()) initialise(in.x);
    if (positive_.size() != in.x.groups) {
      throw Error(QLOOM_E_INVALID, concat("the tensor has ", in.x.groups, " groups, expected ",
                                          positive_.size(), " as at the first step"));
    }
    codebook_.resize(3 * in.x.groups);
    minus_.resize(in.x.groups);
    for (std::size_t g = 0; g < minus_.size(); ++g) {
      minus_[g] = 0.0F - negative_[g];
      codebook_[3 * g] = minus_[g];
      codebook_[3 * g + 1] = 0.0F;
      codebook_[3 * g + 2] = positive_[g];
    }
  }

  void apply(const qloom_call&, const qloom_block& block, const float* x, float* y) const noexcept {
    kernels().ternary(negative_delta_.data(), delta_.data(), minus_.data(), positive_.data(),
                      &block, x, y);
  }
  void encode(const qloom_call&, const qloom_block& block, const float* x,
              std::int32_t* code) const noexcept {
    for_each_element(block, of_group(), [=](const Group& group, std::uint64_t i) {
      code[i] = 1 + static_cast<std::int32_t>(x[i] > group.high) -
                static_cast<std::int32_t>(x[i] < group.low);
    });
  }
  void decode(const qloom_block& block, const std::int32_t* code, float* y) const noexcept {
    for_each_run(block, [&](std::uint64_t begin, std::uint64_t count, std::uint64_t group) {
      const float* levels = codebook_.data() + 3 * group;
      for (std::uint64_t i = begin; i < begin + count; ++i) y[i] = levels[code[i]];
    });
  }
  void encoding(qloom_encoding& out) const {
    out.kind = QLOOM_ENCODING_CODEBOOK;
    out.bits = 2;
    out.groups = delta_.size();
    out.codebook = codebook_.data();
    out.codebook_size = 3;
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
  bool learned(std::uint32_t index, qloom_learned& out) {
    if (index > 1) return false;
    out.name = index == 0 ? "positive" : "negative";
    out.value = (index == 0 ? positive_ : negative_).data();
    out.count = positive_.size();
    out.rate_factor = rate_factor_;
    out.decay_factor = 0.0;
    return true;
  }
  void learned_gradients(const double* sums, std::uint64_t groups, float* const* gradients) {
    for (std::uint64_t g = 0; g < groups; ++g) {
      gradients[0][g] = static_cast<float>(sums[2 * g]);
      gradients[1][g] = static_cast<float>(0.0 - sums[2 * g + 1]);
    }
  }
  void after_update() {
    for (float& v : positive_) v = v < 0.0F ? 0.0F : v;
    for (float& v : negative_) v = v < 0.0F ? 0.0F : v;
  }
  template <class Archive>
  void state(Archive& archive) {
    archive("positive", positive_);
    archive("negative", negative_);
    if (negative_.size() != positive_.size()) {
      throw Error(QLOOM_E_STATE, concat("state \"negative\" has ", negative_.size(),
                                        " values, \"positive\" ", positive_.size()));
    }
  }

 private:
  void find_thresholds(const qloom_tensor& x) {
    delta_.resize(x.groups);
    if (sparsity_ < 0) {
      const auto largest = reduce(x, QLOOM_REDUCE_ABS_MAX);
      for (std::size_t g = 0; g < delta_.size(); ++g) {
        delta_[g] = static_cast<float>(threshold_ * largest[g]);
      }
    } else {
      for (std::size_t g = 0; g < delta_.size(); ++g) delta_[g] = magnitude_at_sparsity(x, g);
      require_kept(x, delta_);
    }
    negative_delta_ = delta_;
    for (float& d : negative_delta_) d = -d;
  }

  /// The (m + 1)-th largest magnitude of the group, m = n (1 - sparsity) rounded: m weights exceed
  /// it, fewer where some are equal.
  float magnitude_at_sparsity(const qloom_tensor& x, std::uint64_t group) {
    magnitudes_.clear();
    for_each_in_group(x, group, [&](float w) { magnitudes_.push_back(std::fabs(w)); });
    const auto n = static_cast<double>(magnitudes_.size());
    const auto kept = static_cast<std::size_t>(std::nearbyint(n * (1.0 - sparsity_)));
    if (kept >= magnitudes_.size()) return 0.0F;
    const auto at = magnitudes_.begin() + static_cast<std::ptrdiff_t>(kept);
    std::nth_element(magnitudes_.begin(), at, magnitudes_.end(), std::greater<>());
    return *at;
  }

  void initialise(const qloom_tensor& x) {
    positive_.assign(x.groups, 1.0F);
    negative_.assign(x.groups, 1.0F);
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
      if (side[1] > 0) positive_[g] = static_cast<float>(side[0] / side[1]);
      if (side[3] > 0) negative_[g] = static_cast<float>(side[2] / side[3]);
    }
  }

  double threshold_, sparsity_;  // sparsity below 0: not given
  bool starts_at_mean_;
  double rate_factor_;
  std::vector<float> positive_, negative_;             // learned; empty until the first tensor
  std::vector<float> delta_, negative_delta_, minus_;  // one value per group
  std::vector<float> codebook_, magnitudes_;
};

}  // namespace

QLOOM_METHODS(Quantizer<Ttq>)
