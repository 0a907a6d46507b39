// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <bit>
#include <cmath>

#include <qloom/channel_norm.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// The power of two nearest to v in the exponent, with its sign; 0 of 0. Exact: the fraction is
/// compared with sqrt(2), which is no float32.
float power_of_two(float v) noexcept {
  constexpr std::uint32_t kRootOfTwo = 0x3504F3;  // fraction bits of the float32 below sqrt(2)
  const bool is_tiny = std::fabs(v) < 0x1p-126F;
  const auto bits = std::bit_cast<std::uint32_t>(is_tiny ? v * 0x1p24F : v);
  const std::uint32_t fraction = bits & 0x7FFFFFU, whole = bits - fraction;
  const auto power = std::bit_cast<float>(whole + (fraction > kRootOfTwo ? 0x800000U : 0U));
  return v - v != 0.0F ? v : is_tiny ? power * 0x1p-24F : power;  // infinity and NaN stay
}

/// Shift-based batch normalisation (Courbariaux et al., 2016), in which powers of two stand for the
/// factors, so that hardware shifts. With P(v) the nearest power of two in the exponent and
/// c = x - mean:
///   var' = mean(c P(c));  inv = 1 / sqrt(var' + eps);  y = P(gamma) c P(inv) + beta
///   dx = P(gamma) P(inv) (dy - mean(dy) - C P(inv)^2 mean(C dy)),  C = P(c)
///   dgamma = sum dy P(c P(inv)),  dbeta = sum dy
/// The gradient is the one that the authors' code has, which is not the derivative of y. Running
/// statistics: of the mean and of inv, of which P is taken at evaluation.
///
/// state:     running_mean; running_scale: 1 / inv
/// exactness: sums in double in a fixed order; c is the float32 difference from the float32 mean
/// errors:    QLOOM_E_NUMERIC when a statistic is not finite
class ShiftNorm {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_NORM_AFFINE;
  static constexpr std::uint64_t kSumsPerChannel = 3;  // dy; dy P(c P(inv)); dy P(c)

  explicit ShiftNorm(const Params& params)
      : eps_(params.number("/eps")), momentum_(params.number("/momentum")) {}

  void begin(const qloom_norm_context& context) {
    channels_ = context.channels;
    running_mean_.assign(channels_, 0.0);
    running_inv_.assign(channels_, 1.0);
    for (auto* table : {&mean_, &inv_, &gamma_, &beta_, &center_, &slope_}) {
      table->assign(channels_, 0.0F);
    }
  }

  void prepare(const qloom_norm_call& call, const float* x) {
    require_channels(call);
    if (call.mode != QLOOM_MODE_TRAINING) return set(call, running_mean_, running_inv_);
    if (call.rows == 0 || channels_ == 0) return;
    const auto n = static_cast<double>(call.rows);
    std::vector<double> mean(channels_), inv(channels_);
    std::int64_t shape[2];
    const qloom_tensor t = by_channel(x, call.rows, channels_, shape);
    kernels().reduce(&t, QLOOM_REDUCE_SUM, nullptr, mean.data());
    for (double& m : mean) m /= n;
    const std::vector<float> centers(mean.begin(), mean.end());
    const auto product = [x](float center, std::uint64_t i) {
      const float c = x[i] - center;
      return std::array{double{c} * double{power_of_two(c)}};
    };
    const std::vector<double> sums = sum_groups(t, scratch_, entry_of(centers), product);
    for (std::uint64_t c = 0; c < channels_; ++c) {
      inv[c] = 1.0 / std::sqrt(sums[c] / n + eps_);
      if (sums[c] == 0 && eps_ == 0) inv[c] = 0.0;  // a constant channel
      if (std::isfinite(mean[c]) && std::isfinite(inv[c]) && std::isfinite(sums[c])) continue;
      throw Error(QLOOM_E_NUMERIC, concat("channel ", c, ": mean ", mean[c], ", 1 / deviation ",
                                          inv[c], ": expected finite values"));
    }
    set(call, mean, inv);
    const double m = call.momentum >= 0 ? call.momentum : momentum_;
    for (std::uint64_t c = 0; c < channels_; ++c) {
      running_mean_[c] = (1.0 - m) * running_mean_[c] + m * mean[c];
      running_inv_[c] = (1.0 - m) * running_inv_[c] + m * inv[c];
    }
  }

  void apply(const qloom_norm_call&, std::uint64_t, std::uint64_t rows, const float* x,
             float* y) const noexcept {
    for_each_row(rows, [&](std::uint64_t i, std::uint64_t c) {
      y[i] = (x[i] - mean_[c]) * inv_[c] * gamma_[c] + beta_[c];
    });
  }

  void backward_sums(const qloom_norm_call&, std::uint64_t, std::uint64_t rows, const float* x,
                     const float* dy, double* sums) const noexcept {
    for_each_row(rows, [&](std::uint64_t i, std::uint64_t c) {
      const double g = dy[i];
      const float d = x[i] - mean_[c];
      sums[c] += g;
      sums[channels_ + c] += g * double{power_of_two(d * inv_[c])};
      sums[2 * channels_ + c] += g * double{power_of_two(d)};
    });
  }

  void backward_prepare(const qloom_norm_call& call, const double* sums, float* dgamma,
                        float* dbeta) {
    require_channels(call);
    const auto n = static_cast<double>(std::max<std::uint64_t>(call.rows, 1));
    for (std::uint64_t c = 0; c < channels_; ++c) {
      if (dbeta != nullptr) dbeta[c] = static_cast<float>(sums[c]);
      if (dgamma != nullptr) dgamma[c] = static_cast<float>(sums[channels_ + c]);
      const bool is_training = call.mode == QLOOM_MODE_TRAINING;
      const double square = double{inv_[c]} * double{inv_[c]};
      center_[c] = is_training ? static_cast<float>(sums[c] / n) : 0.0F;
      slope_[c] = is_training ? static_cast<float>(square * sums[2 * channels_ + c] / n) : 0.0F;
    }
  }

  void backward(const qloom_norm_call&, std::uint64_t, std::uint64_t rows, const float* x,
                const float* dy, float* dx) const noexcept {
    for_each_row(rows, [&](std::uint64_t i, std::uint64_t c) {
      const float rest = dy[i] - center_[c] - power_of_two(x[i] - mean_[c]) * slope_[c];
      dx[i] = gamma_[c] * inv_[c] * rest;
    });
  }

  void inference(const qloom_norm_call& call, float* scale, float* shift) const {
    ShiftNorm running = *this;
    running.set(call, running_mean_, running_inv_);
    for (std::uint64_t c = 0; c < channels_; ++c) {
      scale[c] = running.inv_[c] * running.gamma_[c];
      shift[c] = static_cast<float>(double{running.beta_[c]} -
                                    double{running.mean_[c]} * double{scale[c]});
    }
  }

  template <class Archive>
  void state(Archive& a) {
    a("running_mean", running_mean_);
    std::vector<double> scale(running_inv_);
    for (double& s : scale) s = s > 0 ? 1.0 / s : 0.0;
    const std::vector<double> before(scale);
    a("running_scale", scale);
    if (scale != before) {  // read, from a norm of any kind
      running_inv_ = scale;
      for (double& s : running_inv_) s = s > 0 ? 1.0 / s : 0.0;
    }
    a("running_inverse", running_inv_);
    if (running_mean_.size() == channels_ && running_inv_.size() == channels_) return;
    throw Error(QLOOM_E_STATE, concat("running statistics of ", running_mean_.size(), " and ",
                                      running_inv_.size(), " channels, the norm has ", channels_));
  }

 private:
  void require_channels(const qloom_norm_call& call) const {
    if (call.channels == channels_) return;
    throw Error(QLOOM_E_INVALID,
                concat("x has ", call.channels, " channels, expected ", channels_));
  }
  /// The tables of the loops: everything but the mean and beta is a power of two.
  void set(const qloom_norm_call& call, const std::vector<double>& mean,
           const std::vector<double>& inv) {
    for (std::uint64_t c = 0; c < channels_; ++c) {
      mean_[c] = static_cast<float>(mean[c]);
      inv_[c] = power_of_two(static_cast<float>(inv[c]));
      gamma_[c] = call.gamma != nullptr ? power_of_two(call.gamma[c]) : 1.0F;
      beta_[c] = call.beta != nullptr ? call.beta[c] : 0.0F;
    }
    quantize_slot(call, "mean", mean_);
    quantize_slot(call, "inv_scale", inv_);
    quantize_slot(call, "gamma", gamma_);
    quantize_slot(call, "beta", beta_);
  }
  template <class Body>
  void for_each_row(std::uint64_t rows, const Body& body) const noexcept {
    vectorized([&] {
      for (std::uint64_t r = 0; r < rows; ++r) {
        QLOOM_INDEPENDENT_STEPS
        for (std::uint64_t c = 0; c < channels_; ++c) body(r * channels_ + c, c);
      }
    });
  }

  double eps_, momentum_;
  std::uint64_t channels_ = 0;
  std::vector<double> running_mean_, running_inv_, scratch_;
  std::vector<float> mean_, inv_, gamma_, beta_, center_, slope_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Norm<ShiftNorm>)
