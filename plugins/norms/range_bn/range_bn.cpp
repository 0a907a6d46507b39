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

/// Largest and smallest value of each channel in a run of rows, and a row of each: the first of
/// equals.
struct Extremes {
  std::vector<float> high, low;
  std::vector<std::uint64_t> high_row, low_row;
  void reset(std::uint64_t n) {
    high.assign(n, -std::numeric_limits<float>::infinity());
    low.assign(n, std::numeric_limits<float>::infinity());
    high_row.resize(n);
    low_row.resize(n);
  }
};

/// First row of first .. end - 1 where channel c holds `value`.
std::uint64_t row_of(const float* x, std::uint64_t channels, std::uint64_t c, std::uint64_t first,
                     std::uint64_t end, float value) noexcept {
  while (first + 1 < end && !(x[first * channels + c] == value)) ++first;
  return first;
}

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
  void gradient(std::uint64_t, const double* sums) {
    steps_.assign(channels_, 0.0F);
    if (detach_range_) return;
    for (std::uint64_t c = 0; c < channels_; ++c) {
      const double s = static_cast<double>(now_.gamma[c]) * sums[channels_ + c];
      steps_[c] = static_cast<float>(factor_ * s * static_cast<double>(now_.inv[c]) /
                                     static_cast<double>(chunks_));
    }
  }

  void backward(const qloom_norm_call& call, std::uint64_t first, std::uint64_t rows,
                const float* x, const float* dy, float* dx) const noexcept {
    ChannelNorm::backward(call, first, rows, x, dy, dx);
    if (is_frozen(call) || detach_range_ || rows == 0) return;
    const std::uint64_t length = rows_ / chunks_, end = first + rows;
    for (std::uint64_t j = first / length; j <= (end - 1) / length; ++j) {
      for (std::uint64_t c = 0; c < channels_; ++c) {
        const std::uint64_t high = extremes_.high_row[j * channels_ + c];
        const std::uint64_t low = extremes_.low_row[j * channels_ + c];
        if (high == low) continue;  // all equal: they cancel
        if (high >= first && high < end) dx[(high - first) * channels_ + c] -= steps_[c];
        if (low >= first && low < end) dx[(low - first) * channels_ + c] += steps_[c];
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
    const std::uint64_t channels = channels_, width = width_;
    const std::uint64_t block = std::max<std::uint64_t>(64, 4096 / channels);
    const std::uint64_t blocks = (length + block - 1) / block;  // per chunk
    const auto rows_of = [=](std::uint64_t i) noexcept {        // of block i of all chunks
      const std::uint64_t start = i / blocks * length, first = start + i % blocks * block;
      return std::pair{first, std::min(first + block, start + length)};
    };
    parts_.reset(chunks_ * blocks * width);
    for_each(chunks_ * blocks, [&](std::uint64_t i) noexcept {
      const auto [first, end] = rows_of(i);
      const float* in = x + first * channels;
      float *high = &parts_.high[i * width], *low = &parts_.low[i * width];
      for_each_lane((end - first) * channels, width, [=](std::uint64_t k, std::uint64_t c) noexcept {
        high[c] = in[k] > high[c] ? in[k] : high[c];
        low[c] = in[k] < low[c] ? in[k] : low[c];
      });
      for (std::uint64_t c = channels; c < width; ++c) {  // the lanes of one channel
        high[c % channels] = std::max(high[c % channels], high[c]);
        low[c % channels] = std::min(low[c % channels], low[c]);
      }
    });
    extremes_.reset(chunks_ * channels);
    for_each(chunks_, [&](std::uint64_t j) noexcept {
      for (std::uint64_t c = 0; c < channels; ++c) {
        std::uint64_t high = j * blocks, low = j * blocks;
        for (std::uint64_t i = j * blocks; i < (j + 1) * blocks; ++i) {
          if (parts_.high[i * width + c] > parts_.high[high * width + c]) high = i;
          if (parts_.low[i * width + c] < parts_.low[low * width + c]) low = i;
        }
        const auto take = [&](float value, std::uint64_t i, float& to, std::uint64_t& row) {
          const auto [first, end] = rows_of(i);
          to = value;
          row = row_of(x, channels, c, first, end, value);
        };
        const std::uint64_t at = j * channels + c;
        take(parts_.high[high * width + c], high, extremes_.high[at], extremes_.high_row[at]);
        take(parts_.low[low * width + c], low, extremes_.low[at], extremes_.low_row[at]);
      }
    });
  }

  std::uint64_t num_chunks_, chunks_ = 1, rows_ = 0;
  std::string fix_;
  bool detach_range_;
  double factor_ = 1.0;
  Extremes extremes_, parts_;  // of the chunks; of their blocks, one entry per lane
  std::vector<float> steps_;   // of the gradient at the extremes
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Norm<RangeNorm>)
