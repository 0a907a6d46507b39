// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Extremes of runs of rows, with their places, and what a normal distribution would give.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include <qloom/channel_norm.hpp>

namespace qloom::sdk {

/// Expected range of n standard normal values: integral of 1 - P(x)^n - (1 - P(x))^n, P the normal
/// distribution function. Simpson's rule on [-10, 10]; the integrand is symmetric and smooth, the
/// tails beyond hold less than 1e-15 for n < 2^32.
[[nodiscard]] inline double gaussian_range(double n) {
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

/// high[lane], low[lane]: the extremes of elements 0 .. n - 1 of x, element i in lane i % width;
/// NaN is passed over.
inline void extremes_of_lanes(std::uint64_t n, std::uint64_t width, const float* x, float* high,
                              float* low) noexcept {
  vectorized([=] {
    std::fill_n(high, width, -std::numeric_limits<float>::infinity());
    std::fill_n(low, width, std::numeric_limits<float>::infinity());
    const auto fold = [=](const auto& lanes, float* most, float* least) {
      detail::for_each_row(n, lanes, [=](std::uint64_t i, std::uint64_t count) {
        QLOOM_INDEPENDENT_STEPS
        for (std::uint64_t j = 0; j < count; ++j) {
          most[j] = x[i + j] > most[j] ? x[i + j] : most[j];
          least[j] = x[i + j] < least[j] ? x[i + j] : least[j];
        }
      });
    };
    constexpr std::uint64_t kTogether = detail::kLanesTogether;
    if (width != kTogether) return fold(width, high, low);
    alignas(64) float most[kTogether], least[kTogether];
    std::memcpy(most, high, sizeof most);
    std::memcpy(least, low, sizeof least);
    fold(std::integral_constant<std::uint64_t, kTogether>{}, most, least);
    std::memcpy(high, most, sizeof most);
    std::memcpy(low, least, sizeof least);
  });
}

/// Largest and smallest value of each channel in each of `chunks` equal runs of rows, and a row of
/// each: the first of equals.
class ChunkExtremes {
 public:
  /// rows is a multiple of chunks; lanes as ChannelNorm has them. Chunks are cut into parts that
  /// run in parallel and are merged in order: the same rows for any number of threads.
  void find(const float* x, std::uint64_t rows, std::uint64_t chunks, std::uint64_t channels,
            std::uint64_t lanes) {
    constexpr std::uint64_t kBlock = 4096, kPart = 65536, kLeastRows = 64, kTogether = 32;
    length_ = rows / chunks;
    chunks_ = chunks;
    channels_ = channels;
    lanes_ = lanes;
    block_ = std::max(kLeastRows, kBlock / channels);
    part_ = (std::max(kLeastRows, kPart / channels) + block_ - 1) / block_ * block_;
    parts_ = (length_ + part_ - 1) / part_;
    of_parts_.reset(chunks * parts_ * channels);
    of_lanes_.resize(chunks * parts_ * 2 * lanes);
    for_each(chunks * parts_, [&](std::uint64_t i) noexcept { find_in_part(x, i); });
    const std::uint64_t n = chunks * channels;
    of_chunks_.reset(n);
    for_each((n + kTogether - 1) / kTogether, [&](std::uint64_t i) noexcept {
      const std::uint64_t end = std::min(n, (i + 1) * kTogether);
      for (std::uint64_t at = i * kTogether; at < end; ++at) merge(x, at);
    });
  }

  /// Sum over the chunks of maximum - minimum of a channel.
  [[nodiscard]] double range_sum(std::uint64_t channel) const {
    double high = 0, low = 0;
    for (std::uint64_t j = 0; j < chunks_; ++j) {
      high += of_chunks_.high[j * channels_ + channel];
      low += of_chunks_.low[j * channels_ + channel];
    }
    return high - low;
  }

  /// dx of rows first .. first + rows - 1: step[channel] is taken off at each maximum and added at
  /// each minimum; where all values of a chunk are equal they cancel.
  void move_at_extremes(std::uint64_t first, std::uint64_t rows, const float* step,
                        float* dx) const noexcept {
    if (rows == 0) return;
    const std::uint64_t end = first + rows;
    for (std::uint64_t j = first / length_; j <= (end - 1) / length_; ++j) {
      for (std::uint64_t c = 0; c < channels_; ++c) {
        const std::uint64_t high = of_chunks_.high_row[j * channels_ + c];
        const std::uint64_t low = of_chunks_.low_row[j * channels_ + c];
        if (high == low) continue;
        if (high >= first && high < end) dx[(high - first) * channels_ + c] -= step[c];
        if (low >= first && low < end) dx[(low - first) * channels_ + c] += step[c];
      }
    }
  }

 private:
  struct Extremes {
    std::vector<float> high, low;
    std::vector<std::uint64_t> high_row, low_row;  // of the parts: where the block begins
    void reset(std::uint64_t n) {
      high.assign(n, -std::numeric_limits<float>::infinity());
      low.assign(n, std::numeric_limits<float>::infinity());
      high_row.assign(n, 0);
      low_row.assign(n, 0);
    }
  };

  /// First row and end of part i of all chunks.
  [[nodiscard]] std::pair<std::uint64_t, std::uint64_t> rows_of(std::uint64_t i) const noexcept {
    const std::uint64_t start = i / parts_ * length_, first = start + i % parts_ * part_;
    return {first, std::min(first + part_, start + length_)};
  }

  /// The extremes of a part and the first block that has them.
  void find_in_part(const float* x, std::uint64_t i) noexcept {
    const auto [first, end] = rows_of(i);
    float *high = &of_lanes_[i * 2 * lanes_], *low = high + lanes_;
    float *best_high = &of_parts_.high[i * channels_], *best_low = &of_parts_.low[i * channels_];
    std::uint64_t* high_row = &of_parts_.high_row[i * channels_];
    std::uint64_t* low_row = &of_parts_.low_row[i * channels_];
    std::fill_n(high_row, channels_, first);
    std::fill_n(low_row, channels_, first);
    for (std::uint64_t row = first; row < end; row += block_) {
      extremes_of_lanes((std::min(row + block_, end) - row) * channels_, lanes_,
                        x + row * channels_, high, low);
      for (std::uint64_t c = channels_; c < lanes_; ++c) {  // the lanes of one channel
        high[c % channels_] = std::max(high[c % channels_], high[c]);
        low[c % channels_] = std::min(low[c % channels_], low[c]);
      }
      vectorized([=, this] {
        QLOOM_INDEPENDENT_STEPS
        for (std::uint64_t c = 0; c < channels_; ++c) {
          const bool is_higher = high[c] > best_high[c], is_lower = low[c] < best_low[c];
          best_high[c] = is_higher ? high[c] : best_high[c];
          best_low[c] = is_lower ? low[c] : best_low[c];
          high_row[c] = is_higher ? row : high_row[c];
          low_row[c] = is_lower ? row : low_row[c];
        }
      });
    }
  }

  /// Of a chunk in a channel: the first part that has the extremes, then their first row in its
  /// block.
  void merge(const float* x, std::uint64_t at) noexcept {
    const std::uint64_t j = at / channels_, c = at % channels_;
    std::uint64_t high = j * parts_ * channels_ + c, low = high;
    for (std::uint64_t i = j * parts_; i < (j + 1) * parts_; ++i) {
      const std::uint64_t k = i * channels_ + c;
      if (of_parts_.high[k] > of_parts_.high[high]) high = k;
      if (of_parts_.low[k] < of_parts_.low[low]) low = k;
    }
    const auto row_of = [&](std::uint64_t row, float value) {
      const std::uint64_t end = std::min(row + block_, (j + 1) * length_);
      while (row + 1 < end && !(x[row * channels_ + c] == value)) ++row;
      return row;
    };
    of_chunks_.high[at] = of_parts_.high[high];
    of_chunks_.low[at] = of_parts_.low[low];
    of_chunks_.high_row[at] = row_of(of_parts_.high_row[high], of_parts_.high[high]);
    of_chunks_.low_row[at] = row_of(of_parts_.low_row[low], of_parts_.low[low]);
  }

  std::uint64_t length_ = 1, chunks_ = 0, channels_ = 0, lanes_ = 0;
  std::uint64_t block_ = 1, part_ = 1, parts_ = 0;  // rows; per chunk
  Extremes of_parts_, of_chunks_;                   // an entry per channel
  std::vector<float> of_lanes_;                     // of one block in each part
};

}  // namespace qloom::sdk
