// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What normalisation layers share: y = gamma * (x - mean) / D + beta per channel, where only D and
// its gradient differ from method to method.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include <qloom/kinds/norm.hpp>

namespace qloom::sdk {

/// x of rows x channels with one group per channel; `shape` must outlive the result.
[[nodiscard]] inline qloom_tensor by_channel(const float* x, std::uint64_t rows,
                                             std::uint64_t channels, std::int64_t (&shape)[2]) {
  shape[0] = static_cast<std::int64_t>(rows);
  shape[1] = static_cast<std::int64_t>(channels);
  return {x, shape, 2, rows * channels, rows, channels, 1};
}

/// body(first_row, end_row) for blocks that cover all rows, in parallel; for work without sums.
template <class Body>
void for_each_rows(std::uint64_t rows, std::uint64_t channels, Body body) {
  if (channels == 0) return;
  const std::uint64_t block = std::max<std::uint64_t>(1, 4096 / channels);
  for_each((rows + block - 1) / block, [&](std::uint64_t i) noexcept {
    body(i * block, std::min(rows, (i + 1) * block));
  });
}

/// Adds up `count` figures per channel over all rows: body(row, sums) adds one row to
/// sums[count][channels].
///
/// exactness: double, blocks of rows of a size that depends on channels alone, merged in order:
///            the same bits for any number of threads
template <class Body>
std::vector<double> sum_rows(std::uint64_t rows, std::uint64_t channels, std::uint64_t count,
                             std::vector<double>& partials, Body body) {
  if (channels == 0) return {};
  const std::uint64_t block = std::max<std::uint64_t>(64, 16384 / channels);
  const std::uint64_t blocks = (rows + block - 1) / block, width = count * channels;
  partials.assign(blocks * width, 0.0);
  for_each(blocks, [&](std::uint64_t i) noexcept {
    const std::uint64_t end = std::min(rows, (i + 1) * block);
    for (std::uint64_t r = i * block; r < end; ++r) body(r, partials.data() + i * width);
  });
  std::vector<double> sums(width, 0.0);
  for (std::uint64_t i = 0; i < blocks; ++i) {
    for (std::uint64_t k = 0; k < width; ++k) sums[k] += partials[i * width + k];
  }
  return sums;
}

/// v quantized as slot `slot` of the site "norm"; unchanged where no rule names it.
inline void quantize_slot(const qloom_norm_call& call, const char* slot, std::vector<float>& v) {
  if (call.slots.quantize == nullptr) return;
  const qloom_status status =
      call.slots.quantize(call.slots.self, slot, v.data(), v.data(), v.size());
  if (status != QLOOM_OK) throw Error(status, concat("slot \"", slot, "\" was not quantized"));
}

/// Base of the norms with running statistics; Derived is the method's class.
///
/// The batch statistic s of a channel is what the method measures; D = s + eps, or sqrt(s + eps)
/// for a method whose kIsVariance is true. TRAINING normalises with the batch's statistics and
/// moves the running ones, run = (1 - m) run + m batch; FROZEN and EVALUATE apply the inference
/// form y = scale * x + shift of the running ones. Derived offers
///   static constexpr bool kIsVariance;
///   void measure(const float* x, rows, mean, statistic);             // doubles per channel
///   double to_running(double statistic, rows) const;                  // e.g. unbiased
///   void input_gradient(const Gradient&);                            // dx in TRAINING mode
/// and optionally static constexpr bool kIsFrozen = true: TRAINING is treated as FROZEN.
///
/// state:     running_mean; running_scale, D without eps; running_variance where kIsVariance. Every
///            norm reads running_mean and running_scale, so one can take over from another.
/// exactness: float per element, statistics and sums in double in a fixed order; the same bits for
///            any number of threads and instruction set
/// edge:      D = 0 (a constant channel, eps = 0) gives y = beta and no gradient; no rows: nothing
/// errors:    QLOOM_E_NUMERIC when a statistic is not finite
template <class Derived>
class ChannelNorm {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_NORM_AFFINE;

  /// momentum: weight of a batch in the running statistics, unless the call brings its own.
  ChannelNorm(double eps, double momentum) : eps_(eps), momentum_(momentum) {}

  void begin(const qloom_norm_context& context) {
    channels_ = context.channels;
    running_mean_.assign(channels_, 0.0);
    running_.assign(channels_, 1.0);
  }

  void forward(const qloom_norm_call& call, const float* x, float* y) {
    require_channels(call);
    if (is_frozen(call)) return forward_frozen(call, x, y);
    if (call.rows == 0 || channels_ == 0) return;
    std::int64_t shape[2];
    std::vector<double> statistic(channels_);
    std::vector<double> mean =
        reduce(by_channel(x, call.rows, channels_, shape), QLOOM_REDUCE_SUM);
    for (double& m : mean) m /= static_cast<double>(call.rows);
    self().measure(x, call.rows, mean, statistic);
    now_ = tables(call, mean, statistic);
    move_running(call, mean, statistic);
    const std::uint64_t channels = channels_;
    const float *m = now_.mean.data(), *inv = now_.inv.data();
    const float *gamma = now_.gamma.data(), *beta = now_.beta.data();
    for_each_rows(call.rows, channels, [=](std::uint64_t row, std::uint64_t end) noexcept {
      for (; row < end; ++row) {
        const float* in = x + row * channels;
        float* out = y + row * channels;
        for (std::uint64_t c = 0; c < channels; ++c) {
          out[c] = (in[c] - m[c]) * inv[c] * gamma[c] + beta[c];
        }
      }
    });
  }

  void backward(const qloom_norm_call& call, const float* x, const float* dy, float* dx,
                float* dgamma, float* dbeta) {
    require_channels(call);
    if (now_.inv.size() != channels_) throw Error(QLOOM_E_ORDER, "backward before forward");
    const std::uint64_t channels = channels_;
    const float *m = now_.mean.data(), *inv = now_.inv.data();
    const std::vector<double> sums =
        sum_rows(call.rows, channels, 2, partials_, [=](std::uint64_t row, double* s) noexcept {
          const float *in = x + row * channels, *d = dy + row * channels;
          for (std::uint64_t c = 0; c < channels; ++c) {
            const double g = d[c], xh = (in[c] - m[c]) * inv[c];
            s[c] += g;
            s[channels + c] += g * xh;
          }
        });
    for (std::uint64_t c = 0; c < channels; ++c) {
      if (dbeta != nullptr) dbeta[c] = static_cast<float>(sums[c]);
      if (dgamma != nullptr) dgamma[c] = static_cast<float>(sums[channels + c]);
    }
    if (is_frozen(call)) return scale_rows(now_, {}, call.rows, dy, dx);
    if (call.rows == 0 || channels == 0) return;
    self().input_gradient(Gradient{call.rows, x, dy, dx, sums, channels});
  }

  void inference(const qloom_norm_call& call, float* scale, float* shift) const {
    inference_form(tables(call, running_mean_, running_), scale, shift);
  }

  template <class Archive>
  void state(Archive& a) {
    a("running_mean", running_mean_);
    std::vector<double> scale(running_);
    if constexpr (Derived::kIsVariance) {
      for (double& s : scale) s = std::sqrt(s);
    }
    const std::vector<double> before(scale);
    a("running_scale", scale);
    if (scale != before) {  // read, from a norm of any kind
      running_ = scale;
      if constexpr (Derived::kIsVariance) {
        for (double& s : running_) s *= s;
      }
    }
    if constexpr (Derived::kIsVariance) a("running_variance", running_);
    if (running_mean_.size() != channels_ || running_.size() != channels_) {
      throw Error(QLOOM_E_STATE, concat("running statistics of ", running_mean_.size(), " and ",
                                        running_.size(), " channels, the norm has ", channels_));
    }
  }

 protected:
  /// One float per channel: what the last forward used, quantized as the slots say.
  struct Tables {
    std::vector<float> mean, inv, gamma, beta;
  };
  /// What input_gradient() gets; dx may be dy. The sums are over the rows of one channel.
  struct Gradient {
    std::uint64_t rows;
    const float *x, *dy;
    float* dx;
    const std::vector<double>& sums;
    std::uint64_t channels;
    [[nodiscard]] double dy_sum(std::uint64_t c) const { return sums[c]; }
    [[nodiscard]] double dy_xh_sum(std::uint64_t c) const { return sums[channels + c]; }
    /// Mean of dy, per channel.
    [[nodiscard]] std::vector<float> dy_mean() const {
      std::vector<float> mean(channels);
      for (std::uint64_t c = 0; c < channels; ++c) {
        mean[c] = static_cast<float>(sums[c] / static_cast<double>(rows));
      }
      return mean;
    }
  };

  /// dx = gamma * inv * (dy - center) per channel; an empty center is 0. dx may be dy.
  static void scale_rows(const Tables& k, const std::vector<float>& center, std::uint64_t rows,
                         const float* dy, float* dx) {
    const std::uint64_t channels = k.inv.size();
    std::vector<float> scale(channels), middle(center);
    middle.resize(channels);
    for (std::uint64_t c = 0; c < channels; ++c) scale[c] = k.gamma[c] * k.inv[c];
    for_each_rows(rows, channels, [&](std::uint64_t row, std::uint64_t end) noexcept {
      for (std::uint64_t i = row * channels; row < end; ++row) {
        for (std::uint64_t c = 0; c < channels; ++c, ++i) dx[i] = scale[c] * (dy[i] - middle[c]);
      }
    });
  }

  double eps_, momentum_;
  std::uint64_t channels_ = 0;
  std::vector<double> running_mean_, running_;  // running_: the statistic, without eps
  Tables now_;
  std::vector<double> partials_;  // scratch

 private:
  [[nodiscard]] Derived& self() { return static_cast<Derived&>(*this); }
  [[nodiscard]] static bool is_frozen(const qloom_norm_call& call) {
    if constexpr (requires { Derived::kIsFrozen; }) {
      return true;
    } else {
      return call.mode != QLOOM_MODE_TRAINING;
    }
  }
  void require_channels(const qloom_norm_call& call) const {
    if (call.channels == channels_) return;
    throw Error(QLOOM_E_INVALID,
                concat("x has ", call.channels, " channels, expected ", channels_));
  }
  [[nodiscard]] double inverse(double statistic) const {
    const double d = Derived::kIsVariance ? std::sqrt(statistic + eps_) : statistic + eps_;
    return d > 0 ? std::min(1.0 / d, static_cast<double>(std::numeric_limits<float>::max())) : 0.0;
  }
  [[nodiscard]] Tables tables(const qloom_norm_call& call, const std::vector<double>& mean,
                              const std::vector<double>& statistic) const {
    Tables k{std::vector<float>(mean.begin(), mean.end()), std::vector<float>(channels_),
             std::vector<float>(channels_, 1.0F), std::vector<float>(channels_, 0.0F)};
    for (std::uint64_t c = 0; c < channels_; ++c) {
      k.inv[c] = static_cast<float>(inverse(statistic[c]));
      if (!std::isfinite(k.mean[c]) || !std::isfinite(statistic[c])) {
        throw Error(QLOOM_E_NUMERIC, concat("channel ", c, ": mean ", mean[c], ", statistic ",
                                            statistic[c], ": expected finite values"));
      }
    }
    quantize_slot(call, "mean", k.mean);
    quantize_slot(call, "inv_scale", k.inv);
    if (call.gamma != nullptr) {
      k.gamma.assign(call.gamma, call.gamma + channels_);
      quantize_slot(call, "gamma", k.gamma);
    }
    if (call.beta != nullptr) {
      k.beta.assign(call.beta, call.beta + channels_);
      quantize_slot(call, "beta", k.beta);
    }
    return k;
  }
  static void inference_form(const Tables& k, float* scale, float* shift) {
    for (std::uint64_t c = 0; c < k.inv.size(); ++c) {
      scale[c] = k.gamma[c] * k.inv[c];
      shift[c] = k.beta[c] - k.mean[c] * scale[c];
    }
  }
  void move_running(const qloom_norm_call& call, const std::vector<double>& mean,
                    const std::vector<double>& statistic) {
    const double m = call.momentum >= 0 ? call.momentum : momentum_;
    for (std::uint64_t c = 0; c < channels_; ++c) {
      running_mean_[c] = (1.0 - m) * running_mean_[c] + m * mean[c];
      running_[c] = (1.0 - m) * running_[c] + m * self().to_running(statistic[c], call.rows);
    }
  }
  void forward_frozen(const qloom_norm_call& call, const float* x, float* y) {
    now_ = tables(call, running_mean_, running_);
    const std::uint64_t channels = channels_;
    std::vector<float> scale(channels), shift(channels);
    inference_form(now_, scale.data(), shift.data());
    for_each_rows(call.rows, channels, [&](std::uint64_t row, std::uint64_t end) noexcept {
      for (std::uint64_t i = row * channels; row < end; ++row) {
        for (std::uint64_t c = 0; c < channels; ++c, ++i) y[i] = scale[c] * x[i] + shift[c];
      }
    });
  }
};

}  // namespace qloom::sdk
