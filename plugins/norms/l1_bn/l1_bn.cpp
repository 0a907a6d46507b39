// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <qloom/channel_norm.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

float sign(float v) { return static_cast<float>((v > 0.0F) - (v < 0.0F)); }

/// D = k mean|x - mean| + eps. Wu et al. 2018.
class L1Norm : public ChannelNorm<L1Norm> {
 public:
  static constexpr bool kIsVariance = false;

  explicit L1Norm(const Params& params)
      : ChannelNorm(params.number("/eps"), params.number("/momentum")), k_(params.number("/k")) {}

  void measure(const float* x, std::uint64_t rows, const std::vector<double>& mean,
               std::vector<double>& scale) const {
    std::int64_t shape[2];
    scale = reduce(by_channel(x, rows, channels_, shape), QLOOM_REDUCE_ABS_DEVIATION_SUM,
                   mean.data());
    for (double& s : scale) s *= k_ / static_cast<double>(rows);
  }

  [[nodiscard]] static double to_running(double scale, std::uint64_t) { return scale; }

  /// dx = gamma / D * (dy - mean(dy) - k (s - mean(s)) mean(dy xh)), s = sign(x - mean); sign(0)
  /// is 0.
  void input_gradient(const Gradient& g) {
    const std::uint64_t channels = channels_;
    const float* mean = now_.mean.data();
    const std::vector<double> signs =
        sum_rows(g.rows, channels, 1, partials_, [=](std::uint64_t row, double* s) noexcept {
          const float* in = g.x + row * channels;
          for (std::uint64_t c = 0; c < channels; ++c) s[c] += sign(in[c] - mean[c]);
        });
    const auto n = static_cast<double>(g.rows);
    const std::vector<float> center = g.dy_mean();
    std::vector<float> scale(channels), slope(channels), balance(channels);
    for (std::uint64_t c = 0; c < channels; ++c) {
      scale[c] = now_.gamma[c] * now_.inv[c];
      slope[c] = static_cast<float>(k_ * g.dy_xh_sum(c) / n);
      balance[c] = static_cast<float>(signs[c] / n);
    }
    for_each_rows(g.rows, channels, [&](std::uint64_t row, std::uint64_t end) noexcept {
      for (std::uint64_t i = row * channels; row < end; ++row) {
        for (std::uint64_t c = 0; c < channels; ++c, ++i) {
          const float s = sign(g.x[i] - mean[c]) - balance[c];
          g.dx[i] = scale[c] * (g.dy[i] - center[c] - s * slope[c]);
        }
      }
    });
  }

 private:
  double k_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Norm<L1Norm>)
