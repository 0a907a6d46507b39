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
#include <qloom/lane_loops.hpp>

namespace qloom::sdk {

/// x of rows x channels with one group per channel; `shape` must outlive the result.
[[nodiscard]] inline qloom_tensor by_channel(const float* x, std::uint64_t rows,
                                             std::uint64_t channels, std::int64_t (&shape)[2]) {
  shape[0] = static_cast<std::int64_t>(rows);
  shape[1] = static_cast<std::int64_t>(channels);
  return {x, shape, 2, rows * channels, rows, channels, 1};
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
///   double to_running(double statistic, rows) const;                 // e.g. unbiased
/// and, where dx is more than gamma / D * (dy - mean(dy)),
///   void gradient(rows, sums);           // tables of backward() from the sums of all rows
///   void backward(...) const noexcept;   // TRAINING; is_frozen(): what the base does
/// where backward_sums() takes xh = (x - now_.mean) * now_.inv for dy * xh: what float32 leaves of
/// the mean is taken off the sums before gradient(); backward() takes the same xh after
/// take_rest_off(),
/// and optionally static constexpr bool kIsFrozen = true: TRAINING is treated as FROZEN.
///
/// state:     running_mean; running_scale, D without eps; running_variance where kIsVariance. Every
///            norm reads running_mean and running_scale, so one can take over from another.
/// exactness: float per element, statistics and sums in double in a fixed order; the same bits for
///            any number of threads and instruction set. What float32 leaves of the mean is in beta
///            and in the sums, so y and the gradients are good however large the mean is. scale
///            and shift are rounded once each; scale * x + shift rounds at the size of
///            scale * mean.
/// edge:      D = 0 (a constant channel, eps = 0) gives y = beta and no gradient; no rows: nothing
/// errors:    QLOOM_E_NUMERIC when a statistic, or the distance of a value from the mean, is not
///            finite in float32
template <class Derived>
class ChannelNorm {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_NORM_AFFINE;
  static constexpr std::uint64_t kSumsPerChannel = 2;  // of dy and of dy * xh

  /// momentum: weight of a batch in the running statistics, unless the call brings its own.
  ChannelNorm(double eps, double momentum) : eps_(eps), momentum_(momentum) {}

  void begin(const qloom_norm_context& context) {
    channels_ = context.channels;
    if (channels_ > 0) width_ = (kLanes + channels_ - 1) / channels_ * channels_;
    running_mean_.assign(channels_, 0.0);
    running_.assign(channels_, 1.0);
    mean_.resize(channels_);
    statistic_.resize(channels_);
  }

  void prepare(const qloom_norm_call& call, const float* x) {
    require_channels(call);
    if (is_frozen(call)) {
      fill(now_, call, running_mean_, running_);
      scale_.resize(channels_);
      shift_.resize(channels_);
      inference_form(now_, scale_.data(), shift_.data());
      repeat(scale_);
      repeat(shift_);
    } else {
      if (call.rows == 0 || channels_ == 0) return;
      sum_channels(x, call.rows, QLOOM_REDUCE_SUM, nullptr, mean_);
      for (double& m : mean_) m /= static_cast<double>(call.rows);
      self().measure(x, call.rows, mean_, statistic_);
      fill(now_, call, mean_, statistic_);
      require_deviations(call, x);
      shift_.resize(channels_);
      for (std::uint64_t c = 0; c < channels_; ++c) {
        shift_[c] = static_cast<float>(now_.beta[c] - rest_in_steps(c) * double{now_.gamma[c]});
      }
      repeat(shift_);
      move_running(call);
    }
    for (std::vector<float>* table : {&now_.mean, &now_.mean_rest, &now_.inv, &now_.gamma}) {
      repeat(*table);
    }
  }

  void apply(const qloom_norm_call& call, std::uint64_t, std::uint64_t rows, const float* x,
             float* y) const noexcept {
    const std::uint64_t n = rows * channels_;
    if (is_frozen(call)) {
      map_lanes(n, width_, Sources<1>{x}, Sources<2>{scale_.data(), shift_.data()}, y,
                [](float v, float scale, float shift) { return scale * v + shift; });
      return;
    }
    map_lanes(n, width_, Sources<1>{x},
              Sources<4>{now_.mean.data(), now_.inv.data(), now_.gamma.data(), shift_.data()}, y,
              [](float v, float mean, float inv, float gamma, float beta) {
                return (v - mean) * inv * gamma + beta;
              });
  }

  void backward_sums(const qloom_norm_call&, std::uint64_t, std::uint64_t rows, const float* x,
                     const float* dy, double* sums) const noexcept {
    add_lanes<2>(rows, Sources<2>{x, dy}, Sources<2>{now_.mean.data(), now_.inv.data()}, sums,
                 [](float v, float g, float mean, float inv) {
                   const float xh = (v - mean) * inv;
                   return std::array{double{g}, double{g} * double{xh}};
                 });
  }

  void backward_prepare(const qloom_norm_call& call, const double* all_sums, float* dgamma,
                        float* dbeta) {
    require_channels(call);
    if (now_.inv.size() != (channels_ == 0 ? 0 : width_)) {
      throw Error(QLOOM_E_ORDER, "backward before forward");
    }
    sums_.assign(all_sums, all_sums + Derived::kSumsPerChannel * channels_);
    const double* const sums = sums_.data();
    for (std::uint64_t c = 0; c < channels_; ++c) {
      sums_[channels_ + c] -= rest_in_steps(c) * sums[c];
    }
    for (std::uint64_t c = 0; c < channels_; ++c) {
      if (dbeta != nullptr) dbeta[c] = static_cast<float>(sums[c]);
      if (dgamma != nullptr) dgamma[c] = static_cast<float>(sums[channels_ + c]);
    }
    if (call.rows == 0 || channels_ == 0) return;
    slope_of_dy_.resize(channels_);
    center_.assign(channels_, 0.0F);
    for (std::uint64_t c = 0; c < channels_; ++c) {
      slope_of_dy_[c] = now_.gamma[c] * now_.inv[c];
      if (!is_frozen(call)) {
        center_[c] = static_cast<float>(sums[c] / static_cast<double>(call.rows));
      }
    }
    if constexpr (requires { self().gradient(call.rows, sums); }) {
      if (!is_frozen(call)) self().gradient(call.rows, sums);
    }
    repeat(slope_of_dy_);
    repeat(center_);
  }

  /// dx = gamma / D * (dy - mean(dy)), FROZEN: gamma / D * dy
  void backward(const qloom_norm_call&, std::uint64_t, std::uint64_t rows, const float*,
                const float* dy, float* dx) const noexcept {
    map_lanes(rows * channels_, width_, Sources<1>{dy},
              Sources<2>{slope_of_dy_.data(), center_.data()}, dx,
              [](float g, float scale, float center) { return scale * (g - center); });
  }

  void inference(const qloom_norm_call& call, float* scale, float* shift) const {
    Tables tables;
    fill(tables, call, running_mean_, running_);
    inference_form(tables, scale, shift);
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
  /// One float per lane: what the last prepare() found, quantized as the slots say. The mean is
  /// mean + mean_rest: its float32 and what that leaves of the double, 0 for a quantized mean.
  struct Tables {
    std::vector<float> mean, mean_rest, inv, gamma, beta;
  };
  /// What the rest of a channel's mean is in xh. Near the mean x - now_.mean is exact, elsewhere
  /// its rounding is one of the result: with the rest taken off, (x - mean) / D is good to a few
  /// roundings.
  [[nodiscard]] double rest_in_steps(std::uint64_t c) const {
    return double{now_.mean_rest[c]} * double{now_.inv[c]};
  }
  /// In gradient(), where backward() computes dy - center - xh * slope: the rest of the mean goes
  /// into the center.
  void take_rest_off(std::uint64_t c, double slope) {
    center_[c] = static_cast<float>(center_[c] - rest_in_steps(c) * slope);
  }

  [[nodiscard]] static bool is_frozen(const qloom_norm_call& call) {
    if constexpr (requires { Derived::kIsFrozen; }) {
      return true;
    } else {
      return call.mode != QLOOM_MODE_TRAINING;
    }
  }
  /// A table of one entry per channel, repeated to one entry per lane.
  void repeat(std::vector<float>& table) const {
    table.resize(width_);
    for (std::uint64_t c = channels_; c < width_; ++c) table[c] = table[c - channels_];
  }
  /// sums[Count][channels] += the terms of sum_lanes(): double, each lane in order, then the lanes
  /// of a channel in order.
  template <std::uint64_t Count, std::size_t kStreams, std::size_t kTables, class Body>
  void add_lanes(std::uint64_t rows, const Sources<kStreams>& streams,
                 const Sources<kTables>& tables, double* sums, const Body& body) const noexcept {
    const std::uint64_t n = rows * channels_;
    if (width_ == channels_) return sum_lanes<Count>(n, width_, streams, tables, sums, body);
    double lanes[Count * 2 * kLanes] = {};  // fewer than kLanes channels: less than twice kLanes
    sum_lanes<Count>(n, width_, streams, tables, lanes, body);
    for (std::uint64_t t = 0; t < Count; ++t) {
      for (std::uint64_t c = 0; c < width_; ++c) {
        sums[t * channels_ + c % channels_] += lanes[t * width_ + c];
      }
    }
  }
  /// A figure QLOOM_REDUCE_* of all rows, per channel.
  void sum_channels(const float* x, std::uint64_t rows, std::uint32_t figure, const double* center,
                    std::vector<double>& out) const {
    std::int64_t shape[2];
    const qloom_tensor t = by_channel(x, rows, channels_, shape);
    kernels().reduce(&t, figure, center, out.data());
  }

  static constexpr std::uint64_t kLanes = 64;  // at least, of one vector loop

  double eps_, momentum_;
  std::uint64_t channels_ = 0, width_ = 0;      // width_: lanes, a multiple of the channels
  std::vector<double> running_mean_, running_;  // running_: the statistic, without eps
  Tables now_;
  std::vector<float> slope_of_dy_, center_;  // of backward()

 private:
  [[nodiscard]] Derived& self() { return static_cast<Derived&>(*this); }
  void require_channels(const qloom_norm_call& call) const {
    if (call.channels == channels_) return;
    throw Error(QLOOM_E_INVALID,
                concat("x has ", call.channels, " channels, expected ", channels_));
  }
  /// Error when some x - mean is no float32. Looked for only where the mean could make it one:
  /// below kHarmless a mean changes the largest float32 by less than half of its last digit.
  void require_deviations(const qloom_norm_call& call, const float* x) const {
    constexpr float kHarmless = 0x1p102F;
    const auto is_large = [](float mean) { return std::fabs(mean) >= kHarmless; };
    if (std::none_of(now_.mean.begin(), now_.mean.end(), is_large)) return;
    std::vector<double> lo(channels_), hi(channels_);
    std::vector<std::uint64_t> nonfinite(channels_);
    std::int64_t shape[2];
    const qloom_tensor t = by_channel(x, call.rows, channels_, shape);
    kernels().extremes(&t, lo.data(), hi.data(), nonfinite.data());
    for (std::uint64_t c = 0; c < channels_; ++c) {
      const double mean = double{now_.mean[c]}, low = mean - lo[c], high = hi[c] - mean;
      if (std::max(low, high) <= std::numeric_limits<float>::max()) continue;
      throw Error(QLOOM_E_NUMERIC,
                  concat("channel ", c, ": ", low > high ? lo[c] : hi[c],
                         " is farther from the mean ", mean, " than float32 holds"));
    }
  }
  [[nodiscard]] double inverse(double statistic) const {
    const double d = Derived::kIsVariance ? std::sqrt(statistic + eps_) : statistic + eps_;
    return d > 0 ? std::min(1.0 / d, static_cast<double>(std::numeric_limits<float>::max())) : 0.0;
  }
  /// One entry per channel.
  void fill(Tables& k, const qloom_norm_call& call, const std::vector<double>& mean,
            const std::vector<double>& statistic) const {
    k.mean.assign(mean.begin(), mean.end());
    k.inv.resize(channels_);
    for (std::uint64_t c = 0; c < channels_; ++c) {
      k.inv[c] = static_cast<float>(inverse(statistic[c]));
      if (!std::isfinite(k.mean[c]) || !std::isfinite(statistic[c])) {
        throw Error(QLOOM_E_NUMERIC, concat("channel ", c, ": mean ", mean[c], ", statistic ",
                                            statistic[c], ": expected finite values"));
      }
    }
    quantize_mean(call, k, mean);
    quantize_slot(call, "inv_scale", k.inv);
    const auto take = [&](const float* given, float otherwise, const char* slot,
                          std::vector<float>& table) {
      table.assign(channels_, otherwise);
      if (given == nullptr) return;
      std::copy_n(given, channels_, table.begin());
      quantize_slot(call, slot, table);
    };
    take(call.gamma, 1.0F, "gamma", k.gamma);
    take(call.beta, 0.0F, "beta", k.beta);
  }
  /// The slot "mean" and the rest of the double mean. A slot with a rule moves some channel's mean,
  /// and what it gives is the mean; one that moves none has no rule, and the rest counts.
  void quantize_mean(const qloom_norm_call& call, Tables& k,
                     const std::vector<double>& mean) const {
    k.mean_rest = k.mean;  // as it was; a step takes no memory from the heap
    quantize_slot(call, "mean", k.mean);
    if (k.mean != k.mean_rest) {
      k.mean_rest.assign(channels_, 0.0F);
      return;
    }
    for (std::uint64_t c = 0; c < channels_; ++c) {
      k.mean_rest[c] = static_cast<float>(mean[c] - double{k.mean[c]});
    }
  }
  void inference_form(const Tables& k, float* scale, float* shift) const {
    for (std::uint64_t c = 0; c < channels_; ++c) {
      scale[c] = k.gamma[c] * k.inv[c];
      const double mean = double{k.mean[c]} + double{k.mean_rest[c]};
      shift[c] = static_cast<float>(double{k.beta[c]} - mean * double{scale[c]});
    }
  }
  void move_running(const qloom_norm_call& call) {
    const double m = call.momentum >= 0 ? call.momentum : momentum_;
    for (std::uint64_t c = 0; c < channels_; ++c) {
      running_mean_[c] = (1.0 - m) * running_mean_[c] + m * mean_[c];
      running_[c] = (1.0 - m) * running_[c] + m * self().to_running(statistic_[c], call.rows);
    }
  }

  std::vector<double> mean_, statistic_;  // of the batch
  std::vector<double> sums_;              // of backward(), without the rest of the mean
  std::vector<float> scale_, shift_;      // inference form, FROZEN; shift_ in TRAINING: beta
};

}  // namespace qloom::sdk
