// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <qloom/channel_norm.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// sign(v - border)
float side(float v, float border) noexcept {
  return (v > border ? 1.0F : 0.0F) - (v < border ? 1.0F : 0.0F);
}

/// D = k mean|x - mean| + eps. Wu et al. 2018.
class L1Norm : public ChannelNorm<L1Norm> {
 public:
  static constexpr bool kIsVariance = false;

  explicit L1Norm(const Params& params)
      : ChannelNorm(params.number("/eps"), params.number("/momentum")), k_(params.number("/k")) {}

  static constexpr std::uint64_t kSumsPerChannel = 3;  // the base's, and of sign(x - mean)

  void measure(const float* x, std::uint64_t rows, const std::vector<double>& mean,
               std::vector<double>& scale) const {
    sum_channels(x, rows, QLOOM_REDUCE_ABS_DEVIATION_SUM, mean.data(), scale);
    for (double& s : scale) s *= k_ / static_cast<double>(rows);
  }

  [[nodiscard]] static double to_running(double scale, std::uint64_t) { return scale; }

  void backward_sums(const qloom_norm_call&, std::uint64_t, std::uint64_t rows, const float* x,
                     const float* dy, double* sums) const noexcept {
    add_lanes<3>(rows, Sources<2>{x, dy},
                 Sources<3>{now_.mean.data(), now_.mean_rest.data(), now_.inv.data()}, sums,
                 [](float v, float g, float mean, float rest, float inv) {
                   const float d = v - mean, xh = d * inv;
                   return std::array{double{g}, double{g} * double{xh}, double{side(d, rest)}};
                 });
  }

  void gradient(std::uint64_t rows, const double* sums) {
    const auto n = static_cast<double>(rows);
    slope_.resize(channels_);
    for (std::uint64_t c = 0; c < channels_; ++c) {
      slope_[c] = static_cast<float>(k_ * sums[channels_ + c] / n);
      const double balance = sums[2 * channels_ + c] / n;
      center_[c] = static_cast<float>(center_[c] - balance * double{slope_[c]});
    }
    repeat(slope_);
  }

  /// dx = gamma / D * (dy - mean(dy) - k (s - mean(s)) mean(dy xh)), s = sign(x - mean); sign(0)
  /// is 0. The terms without s are in the center.
  void backward(const qloom_norm_call& call, std::uint64_t first, std::uint64_t rows,
                const float* x, const float* dy, float* dx) const noexcept {
    if (is_frozen(call)) return ChannelNorm::backward(call, first, rows, x, dy, dx);
    map_lanes(rows * channels_, width_, Sources<2>{x, dy},
              Sources<5>{now_.mean.data(), now_.mean_rest.data(), slope_of_dy_.data(),
                         center_.data(), slope_.data()},
              dx,
              [](float v, float g, float mean, float rest, float scale, float center, float slope) {
                return scale * (g - center - side(v - mean, rest) * slope);
              });
  }

 private:
  double k_;
  std::vector<float> slope_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Norm<L1Norm>)
