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
    std::int64_t shape[2];
    variance = reduce(by_channel(x, rows, channels_, shape), QLOOM_REDUCE_SQUARE_DEVIATION_SUM,
                      mean.data());
    for (double& v : variance) v /= static_cast<double>(rows);
  }

  [[nodiscard]] static double to_running(double variance, std::uint64_t rows) {
    const auto n = static_cast<double>(rows);
    return rows > 1 ? variance * n / (n - 1.0) : variance;
  }

  /// dx = gamma / D * (dy - mean(dy) - xh * mean(dy xh))
  void input_gradient(const Gradient& g) const {
    const std::vector<float> center = g.dy_mean();
    std::vector<float> scale(channels_), slope(channels_);
    for (std::uint64_t c = 0; c < channels_; ++c) {
      scale[c] = now_.gamma[c] * now_.inv[c];
      slope[c] = static_cast<float>(g.dy_xh_sum(c) / static_cast<double>(g.rows));
    }
    for_each_rows(g.rows, channels_, [&](std::uint64_t row, std::uint64_t end) noexcept {
      for (std::uint64_t i = row * channels_; row < end; ++row) {
        for (std::uint64_t c = 0; c < channels_; ++c, ++i) {
          const float xh = (g.x[i] - now_.mean[c]) * now_.inv[c];
          g.dx[i] = scale[c] * (g.dy[i] - center[c] - xh * slope[c]);
        }
      }
    });
  }
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Norm<BatchNorm>)
