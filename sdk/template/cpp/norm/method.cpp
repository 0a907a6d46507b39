// @ID@: see plugin.json for what it does. The places to change are marked CHANGE.
#include <qloom/channel_norm.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// ChannelNorm brings y = gamma * (x - mean) / D + beta with D = sqrt(statistic + eps), running
/// statistics, the inference form and the sums of dy and dy * xh; this class brings the statistic
/// and its gradient. A norm of another form has its own functions, see qloom/kinds/norm.hpp.
class Method : public ChannelNorm<Method> {
 public:
  static constexpr bool kIsVariance = true;  // false: D = statistic + eps

  explicit Method(const Params& params)
      : ChannelNorm(params.number("/eps"), params.number("/momentum")),
        shrink_(1.0 / (params.number("/deviation") * params.number("/deviation"))) {}

  /// CHANGE: the statistic of each channel of a batch, x of rows x channels.
  void measure(const float* x, std::uint64_t rows, const std::vector<double>& mean,
               std::vector<double>& statistic) const {
    sum_channels(x, rows, QLOOM_REDUCE_SQUARE_DEVIATION_SUM, mean.data(), statistic);
    for (double& s : statistic) s *= shrink_ / static_cast<double>(rows);
  }
  /// What the running statistics take up of a batch of so many rows.
  [[nodiscard]] static double to_running(double statistic, std::uint64_t) { return statistic; }

  /// CHANGE: what backward() needs per channel, from the sums over all rows. Without this function
  /// and backward() the statistic counts as a constant: dx = gamma / D * (dy - mean(dy)).
  void gradient(std::uint64_t rows, const double* sums) {
    slope_.resize(channels_);
    for (std::uint64_t c = 0; c < channels_; ++c) {
      slope_[c] = static_cast<float>(shrink_ * sums[channels_ + c] / static_cast<double>(rows));
      take_rest_off(c, slope_[c]);
    }
    repeat(slope_);
  }
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
  double shrink_;  // 1 / deviation^2
  std::vector<float> slope_;
};

}  // namespace

QLOOM_METHODS(Norm<Method>)
