// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <string>

#include <qloom/chunk_extremes.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

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
    extremes_.find(x, rows, chunks_, channels_, width_);
    for (std::uint64_t c = 0; c < channels_; ++c) {
      scale[c] = factor_ * extremes_.range_sum(c) / static_cast<double>(chunks_);
    }
  }

  [[nodiscard]] static double to_running(double scale, std::uint64_t) { return scale; }

  /// dx = gamma / D * (dy - mean(dy)); each chunk's maximum and minimum get -+ f S / (D J) on top,
  /// S = sum gamma dy xh.
  void gradient(std::uint64_t, const double* sums) {
    steps_.resize(channels_);
    for (std::uint64_t c = 0; c < channels_; ++c) {
      const double s = static_cast<double>(now_.gamma[c]) * sums[channels_ + c];
      steps_[c] = static_cast<float>(factor_ * s * static_cast<double>(now_.inv[c]) /
                                     static_cast<double>(chunks_));
    }
  }
  void backward(const qloom_norm_call& call, std::uint64_t first, std::uint64_t rows,
                const float* x, const float* dy, float* dx) const noexcept {
    ChannelNorm::backward(call, first, rows, x, dy, dx);
    if (is_frozen(call) || detach_range_) return;
    extremes_.move_at_extremes(first, rows, steps_.data(), dx);
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

  std::uint64_t num_chunks_, chunks_ = 1, rows_ = 0;
  std::string fix_;
  bool detach_range_;
  double factor_ = 1.0;
  ChunkExtremes extremes_;
  std::vector<float> steps_;  // of the gradient at the extremes
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Norm<RangeNorm>)
