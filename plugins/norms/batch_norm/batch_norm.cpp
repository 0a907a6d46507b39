// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <qloom/channel_norm.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// D = sqrt(var + eps), var biased in the batch and unbiased in the running statistics.
class BatchNorm : public ChannelNorm<BatchNorm> {
 public:
  static constexpr bool kIsVariance = true;

  explicit BatchNorm(const Params& params)
      : ChannelNorm(params.number("/eps"), params.number("/momentum")) {}

  void measure(const float* x, std::uint64_t rows, const std::vector<double>& mean,
               std::vector<double>& variance) const {
    sum_channels(x, rows, QLOOM_REDUCE_SQUARE_DEVIATION_SUM, mean.data(), variance);
    for (double& v : variance) v /= static_cast<double>(rows);
  }

  [[nodiscard]] static double to_running(double variance, std::uint64_t rows) {
    const auto n = static_cast<double>(rows);
    return rows > 1 ? variance * n / (n - 1.0) : variance;
  }

  void gradient(std::uint64_t rows, const double* sums) {
    slope_.resize(channels_);
    for (std::uint64_t c = 0; c < channels_; ++c) {
      slope_[c] = static_cast<float>(sums[channels_ + c] / static_cast<double>(rows));
      take_rest_off(c, slope_[c]);
    }
    repeat(slope_);
  }

  /// dx = gamma / D * (dy - mean(dy) - xh * mean(dy xh))
  void backward(const qloom_norm_call& call, std::uint64_t first, std::uint64_t rows,
                const float* x, const float* dy, float* dx) const noexcept {
    if (is_frozen(call)) return ChannelNorm::backward(call, first, rows, x, dy, dx);
    map_lanes(rows * channels_, width_, Sources<2>{x, dy},
              Sources<5>{now_.mean.data(), now_.inv.data(), slope_of_dy_.data(), center_.data(),
                         slope_.data()},
              dx,
              [](float v, float g, float mean, float inv, float scale, float center, float slope) {
                const float xh = (v - mean) * inv;
                return scale * (g - center - xh * slope);
              });
  }

 private:
  std::vector<float> slope_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Norm<BatchNorm>)
