// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <string>

#include <qloom/channel_norm.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// Expected range of n standard normal values: integral of 1 - P(x)^n - (1 - P(x))^n, P the normal
/// distribution function. Simpson's rule on [-10, 10]; the integrand is symmetric and smooth, the
/// tails beyond hold less than 1e-15 for n < 2^32.
double gaussian_range(double n) {
  constexpr int kIntervals = 4000;
  constexpr double kEnd = 10.0, kStep = kEnd / kIntervals;
  const auto integrand = [n](double x) {  // x >= 0
    const double tail = 0.5 * std::erfc(x / std::sqrt(2.0));
    return -std::expm1(n * std::log1p(-tail)) - std::pow(tail, n);
  };
  double sum = integrand(0.0) + integrand(kEnd);
  for (int i = 1; i < kIntervals; ++i) sum += (i % 2 == 1 ? 4.0 : 2.0) * integrand(i * kStep);
  return 2.0 * sum * kStep / 3.0;
}

/// Largest and smallest value of rows first .. end - 1 per channel and the row of each; the first
/// of equals.
struct Extremes {
  std::vector<float> high, low;
  std::vector<std::uint64_t> high_row, low_row;
  explicit Extremes(std::uint64_t n)
      : high(n, -std::numeric_limits<float>::infinity()),
        low(n, std::numeric_limits<float>::infinity()), high_row(n), low_row(n) {}
  void take(std::uint64_t i, const Extremes& from, std::uint64_t k) {
    if (from.high[k] > high[i]) {
      high[i] = from.high[k];
      high_row[i] = from.high_row[k];
    }
    if (from.low[k] < low[i]) {
      low[i] = from.low[k];
      low_row[i] = from.low_row[k];
    }
  }
};

/// D = f * (mean of the chunks' maxima - mean of their minima) + eps, Banner et al. 2018.
///
/// A channel's values, rows in the order batch, height, width, are cut into J equal runs of L.
/// errors:    QLOOM_E_INVALID for fewer than two values per channel: ln 1 = 0
class RangeNorm : public ChannelNorm<RangeNorm> {
 public:
  static constexpr bool kIsVariance = false;

  explicit RangeNorm(const Params& params)
      : ChannelNorm(params.number("/eps"), params.number("/momentum")),
        num_chunks_(static_cast<std::uint64_t>(params.integer("/num_chunks"))),
        fix_(params.text("/fix")),
        detach_range_(params.flag("/detach_range")) {}

  void measure(const float* x, std::uint64_t rows, const std::vector<double>&,
               std::vector<double>& scale) {
    choose_chunks(rows);
    find_extremes(x, rows / chunks_);
    for (std::uint64_t c = 0; c < channels_; ++c) {
      double high = 0, low = 0;
      for (std::uint64_t j = 0; j < chunks_; ++j) {
        high += extremes_.high[j * channels_ + c];
        low += extremes_.low[j * channels_ + c];
      }
      scale[c] = factor_ * (high - low) / static_cast<double>(chunks_);
    }
  }

  [[nodiscard]] static double to_running(double scale, std::uint64_t) { return scale; }

  /// dx = gamma / D * (dy - mean(dy)); each chunk's maximum and minimum get -+ f S / (D J) on top,
  /// S = sum gamma dy xh.
  void input_gradient(const Gradient& g) const {
    scale_rows(now_, g.dy_mean(), g.rows, g.dy, g.dx);
    if (detach_range_) return;
    for (std::uint64_t c = 0; c < channels_; ++c) {
      const double s = static_cast<double>(now_.gamma[c]) * g.dy_xh_sum(c);
      const auto step = static_cast<float>(factor_ * s * static_cast<double>(now_.inv[c]) /
                                           static_cast<double>(chunks_));
      for (std::uint64_t i = c; i < chunks_ * channels_; i += channels_) {
        if (extremes_.high_row[i] == extremes_.low_row[i]) continue;  // all equal: they cancel
        g.dx[extremes_.high_row[i] * channels_ + c] -= step;
        g.dx[extremes_.low_row[i] * channels_ + c] += step;
      }
    }
  }

 private:
  /// J: the largest divisor of rows up to num_chunks that leaves chunks of two values or more.
  void choose_chunks(std::uint64_t rows) {
    if (rows < 2) {
      throw Error(QLOOM_E_INVALID, concat(rows, " value per channel, expected 2 or more"));
    }
    if (rows == rows_) return;
    chunks_ = std::min(num_chunks_, rows / 2);
    while (rows % chunks_ != 0) --chunks_;
    const auto length = static_cast<double>(rows / chunks_);
    const double paper = 1.0 / std::sqrt(2.0 * std::log(length));
    // The authors' code: 0.5 * 0.35 * (1 + sqrt(pi ln 4)) in place of 1.
    const double code = 0.5 * 0.35 * (1.0 + std::sqrt(3.141592653589793 * std::log(4.0))) * paper;
    factor_ = fix_ == "paper" ? paper : fix_ == "code" ? code : 1.0 / gaussian_range(length);
    rows_ = rows;
  }

  /// Extremes of each chunk. Chunks are cut into blocks that run in parallel and are merged in
  /// order, so the first of equals wins whatever the number of threads.
  void find_extremes(const float* x, std::uint64_t length) {
    const std::uint64_t channels = channels_;
    const std::uint64_t block = std::max<std::uint64_t>(64, 16384 / channels);
    const std::uint64_t blocks = (length + block - 1) / block;  // per chunk
    Extremes parts(chunks_ * blocks * channels);
    for_each(chunks_ * blocks, [&](std::uint64_t i) noexcept {
      const std::uint64_t start = i / blocks * length, end = start + length;
      const std::uint64_t first = start + i % blocks * block;
      float *high = &parts.high[i * channels], *low = &parts.low[i * channels];
      std::uint64_t* high_row = &parts.high_row[i * channels];
      std::uint64_t* low_row = &parts.low_row[i * channels];
      for (std::uint64_t row = first; row < std::min(first + block, end); ++row) {
        const float* in = x + row * channels;
        for (std::uint64_t c = 0; c < channels; ++c) {
          if (in[c] > high[c]) {
            high[c] = in[c];
            high_row[c] = row;
          }
          if (in[c] < low[c]) {
            low[c] = in[c];
            low_row[c] = row;
          }
        }
      }
    });
    extremes_ = Extremes(chunks_ * channels);
    for (std::uint64_t i = 0; i < chunks_ * blocks; ++i) {
      for (std::uint64_t c = 0; c < channels; ++c) {
        extremes_.take(i / blocks * channels + c, parts, i * channels + c);
      }
    }
  }

  std::uint64_t num_chunks_, chunks_ = 1, rows_ = 0;
  std::string fix_;
  bool detach_range_;
  double factor_ = 1.0;
  Extremes extremes_{0};
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Norm<RangeNorm>)
